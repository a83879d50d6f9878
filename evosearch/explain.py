"""The commands `simplify` and `same`: a program made as short as it can be, and whether two are one map."""

from __future__ import annotations

import argparse
import json
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

import proxies
from evosearch import arguments
from evosearch.config import ConfigError
from evosearch.plain import plain
from evosearch.resolve import resolve
from primitives import own
from primitives.algebra.laws import EMPIRICAL, EXACT, PROTECTED
from primitives.algebra.same import same as verdict_of
from primitives.algebra.simplify import SECONDS, Simplified, Step, simplify, statements
from primitives.graph import canonical
from primitives.program import Program
from primitives.readable import readable
from primitives.show import show

if TYPE_CHECKING:
    from evosearch.prune import Pruned

WIDTH = 98  # of a line, and 2 for what makes it a comment
EMPIRICAL_SECONDS = 60.0
SEEDS = 48  # that each step of pruning is judged on, and how many there may be
FEWEST_SEEDS, MOST_SEEDS, MOST_SEED, MOST_TRIALS = 4, 100, 99, 1000
DEADLINE = 600.0  # seconds of one job
EXIT = {"same": 0, "different": 1, "undecided": 3}
"""Exit codes of `same`, as those of cmp and diff; 2 is a wrong input, as everywhere."""


@dataclass(frozen=True)
class Simplification:
    """A program and what it became; `pruned` is what trainings dropped, where the tier is empirical."""

    before: Program
    program: Program
    tier: str
    steps: tuple[Step, ...]
    statements: tuple[int, int]
    states: tuple[int, int]
    finished: bool
    seconds: float
    pruned: Pruned | None = None
    note: str = ""  # why nothing was tried

    @property
    def shorter(self) -> bool:
        """Whether anything but the spelling has changed."""
        return (self.states[1], self.statements[1]) != (self.states[0], self.statements[0])

    def lines(self) -> list[str]:
        """What came of it: sizes, the laws that were used, what trainings dropped."""
        counts = f"{_counted(self.statements[1], 'statement')} instead of {self.statements[0]}, "
        counts += f"{_counted(self.states[1], 'state')} instead of {self.states[0]}"
        same = f"{_counted(self.statements[1], 'statement')} and {_counted(self.states[1], 'state')}, as before: "
        same += "it is as short as we can make it." if self.finished else "nothing shorter was found in the time."
        parts = [f"{counts}; {self._exact()}." if self.shorter else same]
        parts += self._exceptions() if self.shorter else []
        parts += [] if self.pruned is None else self.pruned.lines()
        if not self.finished and self.pruned is None:
            parts.append("The time was over before everything was tried; give more with --seconds.")
        return wrapped(parts)

    def trail(self) -> list[str]:
        """The steps of the algebra, each with what was there before and stands there now."""
        lines: list[str] = []
        for number, step in enumerate(self.steps, 1):
            lines.append(f"{number}. {step.tier}: {step.law}")
            lines += textwrap.wrap(step.before, WIDTH, initial_indent="     ", subsequent_indent="       ")
            lines += textwrap.wrap(step.after, WIDTH, initial_indent="  -> ", subsequent_indent="       ")
            exception = f"except where {step.exception}"
            lines += textwrap.wrap(exception, WIDTH, initial_indent="     ") if step.exception else []
        return lines

    def record(self) -> dict[str, object]:
        """All of it as JSON has it."""
        values = plain(self)
        return {"name": self.program.name, "text": values.pop("program"), "simplified": self.shorter, **values}

    def _exact(self) -> str:
        laws = dict.fromkeys(step.law for step in self.steps if step.tier == EXACT)
        return f"exact laws used: {', '.join(laws)}" if laws else "no exact law used"

    def _exceptions(self) -> list[str]:
        """The protected laws that were used, each with the set on which it does not hold."""
        laws = dict.fromkeys((step.law, step.exception) for step in self.steps if step.tier == PROTECTED)
        return [f"protected: {law}, except where {exception}." for law, exception in laws]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def wrapped(parts: Sequence[str], width: int = WIDTH) -> list[str]:
    """Lines no wider than `width`; what goes on is indented."""
    return [line for part in parts for line in textwrap.wrap(part, width, subsequent_indent="    ") or [""]]


def simplified(program: Program, tier: str = PROTECTED, seconds: float = SECONDS) -> Simplification:
    """The program by the laws up to a tier; the empirical one adds nothing here."""
    found = simplify(program, EXACT if tier == EXACT else PROTECTED, seconds)
    return _record(program, tier, found, found.steps)


def unchanged(program: Program, note: str) -> Simplification:
    """The program as it is, where nothing is known of how it could be shorter, and why."""
    count, states = statements(program), len(program.states)
    return Simplification(program, program, PROTECTED, (), (count, count), (states, states), False, 0.0, note=note)


def _record(
    before: Program, tier: str, found: Simplified, steps: tuple[Step, ...], pruned: Pruned | None = None
) -> Simplification:
    sizes = (statements(before), statements(found.program)), (len(before.states), len(found.program.states))
    finished = found.finished and (pruned is None or pruned.finished)
    seconds = found.seconds + (0 if pruned is None else pruned.seconds)
    record = Simplification(before, found.program, tier, steps, *sizes, finished, seconds, pruned)
    return record if record.shorter else replace(record, program=_as_given(before))


def _as_given(program: Program) -> Program:
    """The program in its own spelling, unless that is the canonical form, which nobody wrote."""
    return readable(program, symbolic=True) if program == canonical(program, symbolic=True) else program


def simplify_command(args: argparse.Namespace) -> None:
    """Simplify, print or write the text, say what changed."""
    program = resolve(args.program)
    path = arguments.output(args.output) if args.output else None
    seconds = args.seconds if args.seconds is not None else EMPIRICAL_SECONDS if args.tier == EMPIRICAL else SECONDS
    if not 0 < seconds <= 86_400:
        raise ConfigError(f"--seconds is {seconds:g} and must be above 0 and at most 86,400.")
    _check_trainings(args)
    found = simplified(program, args.tier, min(seconds, SECONDS) if args.tier == EMPIRICAL else seconds)
    if args.tier == EMPIRICAL:
        found = _pruned(found, args, seconds)
    text = show(found.program)
    if path is not None:
        _write(path, text)
    if args.json:
        print(json.dumps(found.record(), indent=2, allow_nan=False))
        return
    about = [*found.lines(), *(["", *found.trail()] if args.trail and found.steps else [])]
    if path is None:
        print(text)
    print("\n".join(f"# {line}".rstrip() for line in about) if path is None else "\n".join(about))
    if path is not None:
        print(f"Wrote {path}.")


def _write(path: Path, text: str) -> None:
    from evosearch.directory import write

    try:
        write(path, text)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}.") from error


def _check_trainings(args: argparse.Namespace) -> None:
    """ConfigError for what only the empirical tier has, and for numbers that it cannot use."""
    given = {"--proxy": args.proxy, "--seeds": args.seeds, "--workers": args.workers, "--seed": args.seed}
    if args.tier != EMPIRICAL:
        for option, value in given.items():
            if value is not None:
                raise ConfigError(f"{option} is about trainings; add --tier empirical.")
        return
    for option, value, least, most in (
        ("--seeds", args.seeds, FEWEST_SEEDS, MOST_SEEDS),
        ("--seed", args.seed, 0, MOST_SEED),
    ):
        if value is not None and not least <= value <= most:
            raise ConfigError(f"{option} is {value} and must be from {least} to {most}.")
    if args.workers is not None:
        arguments.workers(args.workers)
    for name in arguments.tasks(args.proxy or ["suite"]):
        proxies.get(name)


def _pruned(found: Simplification, args: argparse.Namespace, seconds: float) -> Simplification:
    """What trainings do not miss is dropped too, with progress on the error output; then the laws once more."""
    from proxies.threads import pin_environment

    pin_environment()
    from evosearch.config import Config, Language
    from evosearch.meter import Counted, Meter
    from evosearch.prune import prune
    from evosearch.run import Prologue
    from evosearch.warm import compile_machines
    from evosearch.workers import open_workers

    tasks = arguments.tasks(args.proxy or ["suite"])
    workers = None
    try:
        with Meter(Console(stderr=True, highlight=False, markup=False), time.monotonic()) as meter:
            compile_machines(tasks, meter.say)
            workers = open_workers(
                arguments.processes(arguments.workers(args.workers or "auto")),
                "evosearch.breed:make_context",
                (Config(proxies=tuple(tasks), language=Language(primitives=own.used())),),
            )
            pruned = prune(
                found.program,
                tasks,
                seeds=args.seeds or SEEDS,
                seconds=seconds,
                seed=args.seed or 0,
                run=Prologue(Counted(workers, meter), DEADLINE).train,
                say=meter.say,
            )
    finally:
        if workers is not None:
            workers.close()
    again = simplify(replace(pruned.program, doc=found.program.doc))
    return _record(found.before, EMPIRICAL, again, (*found.steps, *again.steps), pruned)


def same(args: argparse.Namespace) -> int:
    """Whether two programs are one map; the exit code says it too."""
    if not 1 <= args.trials <= MOST_TRIALS:
        raise ConfigError(f"--trials is {args.trials} and must be from 1 to {MOST_TRIALS}.")
    verdict = verdict_of(resolve(args.first), resolve(args.second), trials=args.trials)
    if args.json:
        print(json.dumps(plain(verdict), indent=2, allow_nan=False))
    else:
        print("\n".join(verdict.lines()))
    return EXIT[verdict.answer]
