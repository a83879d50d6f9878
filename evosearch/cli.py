"""The command line: a command parses, calls one function of the library, and prints."""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import sys
from collections.abc import Sequence
from typing import NoReturn

from evosearch import stopping
from evosearch.config import DEFAULT_BUDGET
from evosearch.loading import loading

MOST_FAULTS = 8  # of a program that are printed
UNKNOWN = "unknown primitive"  # a fault that a file of primitives may mend

COMMANDS = {
    "run": "commands:run",
    "resume": "commands:resume",
    "list": "catalogue:list_programs",
    "inspect": "inspecting:inspect",
    "simplify": "explain:simplify_command",
    "same": "explain:same",
    "export": "exporting:export",
    "baselines": "bars:baselines",
    "compare": "compare:compare",
    "validate": "validate:validate",
    "report": "report.command:report",
    "status": "status:status",
    "stop": "stop:stop",
    "proxies": "suite:list_proxies",
}
"""Where in this package each command is; only what is asked for is imported. It gives an exit code, or None for 0."""
WITHOUT_TRAINING = ("list", "inspect", "simplify", "same", "export", "stop")  # without torch, unless they ask for it

EXAMPLES = """\
PROGRAM is a reference name (lion, recommended_default), a file (my.opt), or a program of a run: DIR:best, DIR:17
(candidate 17), DIR:front[0] (on the Pareto front of score, length, states and cost); or wrappers around these, with
files in quotes: "lookahead(adam, k=5)", "sam(clip_norm(adamw(lr=0.01)))", "scheduled(adam, cosine)",
"by_shape(muon, adamw)", "clip_norm('runs/x:best', max_norm=0.5)".
"""


class Parser(argparse.ArgumentParser):
    """Errors are one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"evosearch: {message}; see `{self.prog} --help`.\n")


def parser() -> Parser:
    """The parser of all commands; building it imports nothing heavy."""
    top = Parser(
        prog="evosearch",
        description="Discovers optimizers for neural networks: evolves short programs, scored by really training.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_run(commands.add_parser("run", help="search; without arguments a first look in under a minute"))
    _add_resume(commands.add_parser("resume", help="go on with a search that was stopped or has ended"))
    listed = commands.add_parser("list", help="methods, wrappers, schedules, settings: what their texts say of them")
    listed.add_argument("--json", action="store_true", help="the methods as JSON")
    inspect = commands.add_parser("inspect", help="a program explained: formula, states, properties, hazards, descent")
    inspect.add_argument("program", metavar="PROGRAM", help="a name, an expression, a file or DIR:best")
    inspect.add_argument("--latex", action="store_true", help="only the formula, as LaTeX")
    inspect.add_argument("--json", action="store_true", help="everything as JSON")
    inspect.add_argument("--graph", metavar="FILE", help="draw its responses and the flow of its values (.png, .svg)")
    _add_simplify(commands.add_parser("simplify", help="the shortest program that does the same, and by which laws"))
    _add_same(commands.add_parser("same", help="whether two programs are one map: exit code 0 yes, 1 no, 3 undecided"))
    export = commands.add_parser("export", help="a program as a stand-alone torch optimizer, or for optax")
    export.add_argument("program", metavar="PROGRAM", help="a name, an expression, a file or DIR:best")
    export.add_argument("-o", "--output", metavar="FILE", required=True, help="the Python file to write")
    export.add_argument("--target", choices=("torch", "optax"), default="torch", help="what it is for (default torch)")
    export.add_argument("--class", dest="class_name", metavar="NAME", help="name of the class, for optax the function")
    baselines = commands.add_parser(
        "baselines", help="the tuned AdamW, NAdamW and Lion that searches are measured against"
    )
    baselines.add_argument("--rerun", action="store_true", help="tune those again whose tasks or programs have changed")
    baselines.add_argument("--all", action="store_true", help="with --rerun: all of them")
    baselines.add_argument("--proxy", action="append", metavar="NAME", help="with --rerun: for these tasks together")
    baselines.add_argument("--workers", metavar="N", default="auto", help="worker processes")
    _add_compare(commands.add_parser("compare", help="programs side by side, tuned at equal budget, with intervals"))
    _add_validate(
        commands.add_parser("validate", help="a search's best on tasks it never saw: selection, then held out")
    )
    report = commands.add_parser("report", help="one HTML file that shows and explains a search, to be read anywhere")
    report.add_argument("directory", metavar="DIR", help="the directory of the run")
    report.add_argument("-o", "--output", metavar="FILE", help="the file to write (default DIR/report.html)")
    report.add_argument("--quick", action="store_true", help="without the trainings that learning curves take")
    status = commands.add_parser("status", help="how a search stands, under way or ended, seen from another terminal")
    status.add_argument("directory", metavar="DIR", help="the directory of the run")
    status.add_argument("--watch", action="store_true", help="go on until the search ends")
    status.add_argument("--json", action="store_true", help="as JSON; with --watch a line for each look")
    stop = commands.add_parser("stop", help="end a search that is under way, as Ctrl-C does; all committed is kept")
    stop.add_argument("directory", metavar="DIR", help="the directory of the run")
    stop.add_argument("--no-wait", action="store_true", help="ask only, do not wait until it has ended")
    tasks = commands.add_parser("proxies", help="the tasks that programs are judged on: by tier, with size and cost")
    tasks.add_argument(
        "names", nargs="*", metavar="NAME", help="only these; a group ('suite', 'selection'), your own (FILE.py)"
    )
    tasks.add_argument("--json", action="store_true", help="as JSON")
    for name in ("run", "list", "inspect", "simplify", "same", "export", "compare"):
        _add_own(commands.choices[name])
    return top


def _add_own(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--primitives", action="append", metavar="FILE", help="primitives of your own: FILE.py, or an entry point"
    )


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("config", nargs="?", metavar="CONFIG.toml", help="settings; options override them")
    run.add_argument(
        "--proxy", action="append", metavar="NAME", help="a task, FILE.py:NAME or mnist:DIR (repeatable), or 'suite'"
    )
    run.add_argument("--programs", type=int, metavar="N", help="candidates to generate; reproducible")
    run.add_argument(
        "--budget",
        metavar="TIME",
        help=f"time for the whole command, as 90s, 10m or 2h: a prefix of the same run (default {DEFAULT_BUDGET})",
    )
    run.add_argument("--workers", metavar="N", help="worker processes; 'auto' is one for each core, 1 starts no Ray")
    run.add_argument("--seed", type=int, metavar="N", help="same seed, same run (default 0)")
    run.add_argument("--device", metavar="cpu|cuda", help="where programs are trained (default cpu)")
    run.add_argument("--out", metavar="DIR", help="a new or empty directory (default runs/DATE-TIME)")
    run.add_argument("--from", dest="start", action="append", metavar="PROGRAM", help="start from it (repeatable)")
    run.add_argument("--max-states", type=int, metavar="N", help="states of a candidate (default 2)")
    run.add_argument("--max-length", type=int, metavar="N", help="statements of a candidate (default 30)")
    run.add_argument("--max-cost", type=float, metavar="X", help="additions for each element and step (default 150)")
    run.add_argument("--only", action="append", metavar="PRIMITIVE", help="insert only these (repeatable)")
    run.add_argument("--also", action="append", metavar="PRIMITIVE", help="insert these besides, such as newton_schulz")
    run.add_argument("--without", action="append", metavar="PRIMITIVE", help="never insert these (repeatable)")


def _add_resume(resume: argparse.ArgumentParser) -> None:
    resume.add_argument("directory", metavar="DIR", help="the directory of the run")
    resume.add_argument("--programs", metavar="+N", help="+N candidates more, or N in all")
    resume.add_argument("--budget", metavar="+TIME", help="time to go on for, as +10m")
    resume.add_argument("--workers", metavar="N", help="worker processes; the rows do not depend on them")


def _add_simplify(simplify: argparse.ArgumentParser) -> None:
    simplify.add_argument("program", metavar="PROGRAM", help="a name, an expression, a file or DIR:best")
    simplify.add_argument(
        "--tier", choices=("exact", "protected", "empirical"), default="protected",
        help="laws that always hold; or but where a value is not defined (default); or what trainings do not miss too",
    )  # fmt: skip
    simplify.add_argument("--seconds", type=float, metavar="S", help="time at most (default 5; 60 with trainings)")
    simplify.add_argument("--trail", action="store_true", help="every step: law, before, after, where it does not hold")
    simplify.add_argument("--json", action="store_true", help="all of it as JSON")
    simplify.add_argument("-o", "--output", metavar="FILE", help="write the text here instead of printing it")
    trainings = simplify.add_argument_group("with --tier empirical")
    trainings.add_argument("--proxy", action="append", metavar="NAME", help="a task to train on (default: suite)")
    trainings.add_argument("--seeds", type=int, metavar="N", help="trainings that judge a step, 4 to 100 (default 48)")
    trainings.add_argument("--workers", metavar="N", help="worker processes; 1 starts no Ray (default auto)")
    trainings.add_argument("--seed", type=int, metavar="S", help="same seed, same trainings; 0 to 99 (default 0)")


def _add_same(same: argparse.ArgumentParser) -> None:
    same.description = (
        "Whether two programs give the same weights for all gradients, learning rates and hyperparameters. "
        "Exit code: 0 yes, 1 no, 3 undecided, 2 for a wrong input."
    )
    same.add_argument("first", metavar="PROGRAM", help="a name, an expression, a file or DIR:best")
    same.add_argument("second", metavar="PROGRAM", help="another")
    same.add_argument("--trials", type=int, default=6, metavar="N", help="random trials for a difference (default 6)")
    same.add_argument("--json", action="store_true", help="the verdict as JSON")


def _add_compare(compare: argparse.ArgumentParser) -> None:
    compare.add_argument("programs", nargs="+", metavar="PROGRAM", help="the first is what others are compared with")
    compare.add_argument("--proxy", action="append", metavar="NAME", help="a task (repeatable), 'suite' or a tier")
    compare.add_argument("--seeds", type=int, default=10, metavar="N", help="replicates of tuning and training")
    compare.add_argument("--trials", type=int, default=16, metavar="K", help="trials of each tuning")
    compare.add_argument("--constants", action="store_true", help="tune every constant, not only weight decay")
    compare.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same losses (default 0)")
    compare.add_argument("--workers", metavar="N", default="auto", help="worker processes; 1 starts no Ray")
    compare.add_argument("--json", metavar="FILE", help="write every replicate, choice and verdict")
    compare.add_argument("--figure", metavar="FILE", help="draw gains and performance profile (.png, .svg, .pdf)")
    compare.add_argument("--out", metavar="DIR", help="both of these, as DIR/compare.json and DIR/compare.png")


def _add_validate(validate: argparse.ArgumentParser) -> None:
    validate.add_argument("directory", metavar="DIR", help="the directory of the run")
    validate.add_argument("--seeds", type=int, default=10, metavar="N", help="replicates of tuning and training")
    validate.add_argument("--trials", type=int, default=8, metavar="K", help="trials of each tuning")
    validate.add_argument("--candidates", type=int, default=6, metavar="M", help="at most, of the Pareto front")
    validate.add_argument("--program", action="append", metavar="PROGRAM", help="a candidate of yours (repeatable)")
    validate.add_argument("--against", action="append", metavar="PROGRAM", help="a control, all tuned (repeatable)")
    validate.add_argument("--random", type=int, metavar="N", help="programs of random search (as many as the run)")
    validate.add_argument("--selection", action="append", metavar="NAME", help="a task to choose on (repeatable)")
    validate.add_argument("--held-out", action="append", metavar="NAME", help="a task to judge on (repeatable)")
    validate.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same losses (default 0)")
    validate.add_argument("--workers", metavar="N", default="auto", help="worker processes; 1 starts no Ray")
    validate.add_argument("--json", metavar="FILE", help="write every loss and what follows from them")
    validate.add_argument("--again", action="store_true", help="look again where it was validated before; is counted")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0, or 2 after one sentence on what is wrong, or 128 and the number of the signal that ended it."""
    given = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(given)
    _print_anything()
    if wrong := [text for text in given if not _is_text(text)]:
        print(f"evosearch: {wrong[0]!a} is no text in UTF-8; rename what it names.", file=sys.stderr)
        return 2
    try:
        with stopping.orderly():
            return _run(args)
    except KeyboardInterrupt:
        if argv is None:
            stopping.deafen()
        return stopping.exit_code()
    except OSError as error:
        return _failed(error)


def _is_text(argument: str) -> bool:
    """Whether it can be written into files; bytes of names that are no text come as halves of characters."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _print_anything() -> None:
    """What an encoding lacks is printed as a question mark."""
    for stream in (sys.stdout, sys.stderr):
        encoding = getattr(stream, "encoding", None) or "utf-8"
        if not encoding.lower().startswith("utf") and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _failed(error: OSError) -> int:
    """The exit code for what the machine refuses: 2 after one sentence, 1 where nobody reads what is printed."""
    closed = error.errno == errno.EIO and not error.filename  # the terminal; EPIPE: the reader of a pipe has ended
    if closed or error.errno == errno.EPIPE:
        sys.stderr.close()
        return 1
    where = f" ({error.filename})" if error.filename else ""
    print(f"evosearch: the system refuses: {error.strerror or error}{where}.", file=sys.stderr)
    return 2


def _run(args: argparse.Namespace) -> int:
    """Import what the command needs, which may take a second, and call it."""
    with loading():
        from proxies.threads import pin_environment, pin_variables

        if args.command in WITHOUT_TRAINING:
            pin_variables()
        else:
            pin_environment()
        from evosearch.mistakes import MISTAKES
        from primitives import own

    module, function = COMMANDS[args.command].split(":")
    try:
        with loading():
            own.use(getattr(args, "primitives", None) or ())
            command = getattr(importlib.import_module(f"evosearch.{module}"), function)
        return command(args) or 0
    except MISTAKES as error:
        lines = str(error).splitlines()
        print("\n".join(f"evosearch: {line}" for line in lines[:MOST_FAULTS]), file=sys.stderr)
        if len(lines) > MOST_FAULTS:
            print(f"evosearch: and {len(lines) - MOST_FAULTS} faults more.", file=sys.stderr)
        if hasattr(args, "primitives") and any(UNKNOWN in line for line in lines):
            print("evosearch: for a primitive of your own name its file too, by --primitives FILE.", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
