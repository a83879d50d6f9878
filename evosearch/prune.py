"""The empirical half of simplifying: what trainings do not miss is dropped, one step at a time.

Algebra keeps what a program does; here it changes, and paired trainings say by how much. Every program is trained
around a best learning rate of its own; rates are chosen on some seeds and scored on others (score.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import proxies
from evosearch.evaluate import grid
from evosearch.fingerprint import fingerprints
from evosearch.measure import STEPS_PER_DECADE, compiled, rate
from evosearch.proposals import proposals, size
from evosearch.score import WIDTH, logs, own_logs
from evosearch.statistics import LEVEL, Estimate, mean_over_tasks, simultaneous, student
from evosearch.trials import WIDE
from evosearch.tuning import Plan, Run
from primitives.bytecode import TAKEN_ON_CPUS
from primitives.graph import canonical
from primitives.program import Program, ProgramError
from primitives.readable import readable
from primitives.text import show

__all__ = ["Pruned", "Step", "proposals", "prune"]

Array = np.ndarray[Any, Any]
FIRST_SEED = 2_500_000  # seeds from here to 3,000,000 serve pruning only
SEEDS_EACH = 5_000  # of one pruning
MOST_SEED = 99
RATES = tuple(grid(5, 1))  # around a program's best rate, as in a search's last table
LOOKS = (4, 16)  # seeds after which a proposal that is beyond doubt too bad is given up
TOGETHER = 16  # proposals of a batch
TOLERANCE = 0.01  # of log loss: a step is taken if it is sure to lose less
TOTAL_TOLERANCE = 0.02  # the last steps are undone where all together are sure to lose more
RESERVE = 1.5  # times what trainings are expected to take is kept for them
OTHER_RATE = 3.0  # a factor of the best learning rates from which on it is said
WIDEST = 100  # characters of a line


@dataclass(frozen=True)
class Step:
    """One change, and what it does to the score: log loss saved, the mean over tasks, with its 95 % interval.

    A task saves at most GAIN_CAP (score.py) and may lose whatever it loses.
    """

    law: str
    before: Program
    after: Program
    change: float
    low: float
    high: float
    trainings: int  # of both programs, in this comparison

    def line(self, prefix: str = "") -> str:
        """The step in at most WIDEST characters."""
        figures = f": {self.change:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"
        law, room = prefix + self.law, WIDEST - len(figures)
        return (law if len(law) <= room else f"{law[: room - 3]}...") + figures


@dataclass(frozen=True)
class Pruned:
    """The program that is left; `steps` lead from the given one to it, measured again on fresh seeds.

    `total` is all of them as one, on the same seeds. `refused` holds steps that were undone, and what
    else could leave the program and may lose too much. `finished` is False where time ended before all was tried.
    """

    program: Program
    steps: tuple[Step, ...]
    refused: tuple[Step, ...]
    seconds: float
    finished: bool
    total: Step | None = None
    trainings: int = 0
    rates: float = 1.0  # its best learning rates over those of the given program, the geometric mean over tasks

    def lines(self) -> list[str]:
        """What a terminal shows."""
        spent = f"{self.trainings:,} trainings in {self.seconds:.0f} s"
        found = [f"{spent}. Changes of the score, in log loss saved, 95 %:"]
        found += [step.line() for step in self.steps] or ["Nothing was found that can go without a loss."]
        found += [self.total.line()] if self.total is not None and len(self.steps) > 1 else []
        found += [step.line("kept: ") for step in self.refused]
        if not 1 / OTHER_RATE < self.rates < OTHER_RATE:
            found.append(f"It learns best at {self.rates:.3g} times the given program's rates: tune lr again.")
        return found if self.finished else [*found, "Time ended before all was tried; more seconds may drop more."]


def prune(
    program: Program,
    tasks: Sequence[str],
    *,
    seeds: int = 48,
    seconds: float = 60.0,
    seed: int = 0,
    run: Run,
    say: Callable[[str], None] = lambda text: None,
) -> Pruned:
    """The program without what trainings on the tasks do not miss, at the defaults of its hyperparameters.

    Each round trains the program and a batch of proposals on the same fresh seeds and takes the step that saves most
    among those whose change is above -TOLERANCE at the lower end of its interval. At last the whole chain is trained on
    fresh seeds: those are the figures of the steps. The last ones are undone while the end is beyond doubt more than
    TOTAL_TOLERANCE below the given program, or below one on the way. All ends within `seconds`, but for the first
    trainings. `run` trains (run.Prologue.train). ProgramError where the program cannot be trained.
    """
    _check(program, tasks, seeds, seed)
    began = time.monotonic()
    judge = _Judge(tasks, seeds, FIRST_SEED + SEEDS_EACH * seed, began + seconds, run)
    chain, laws = [canonical(replace(program, doc=""), symbolic=True)], list[str]()
    refused, finished = dict[str, Step](), True
    say("training the program at all learning rates")
    judge.start(chain[0])
    try:
        while step := _next_step(judge, chain, refused, say):
            say(f"taken: {step.line()}")
            if size(step.after)[:2] != size(step.before)[:2]:
                refused = {}  # without one call another may be of no use: arcsin needs a clip, and goes first
            laws.append(step.law)
            chain.append(step.after)
    except _SpentError:
        finished = False
    if laws:
        say(f"training the program and what {len(laws)} step{'s' * (len(laws) > 1)} made of it on fresh seeds")
    steps, undone, total = _confirmed(judge, chain, laws) if laws else ((), (), None)
    last = steps[-1].after if steps else chain[0]
    kept = readable(last, symbolic=True) if steps else program
    beside = tuple(refused[law] for law, _ in proposals(last) if law in refused)
    shift = float(np.subtract(judge.centres[show(last)], judge.centres[show(chain[0])]).mean())
    spent = time.monotonic() - began
    return Pruned(kept, steps, (*undone, *beside), spent, finished, total, judge.trainings, rate(shift))


def _check(program: Program, tasks: Sequence[str], seeds: int, seed: int) -> None:
    """Refuse what cannot be pruned, and numbers that are no plan."""
    if not tasks or seeds < LOOKS[0] or not 0 <= seed <= MOST_SEED:
        raise ValueError(f"pruning needs a task, at least {LOOKS[0]} seeds, and a seed from 0 to {MOST_SEED}.")
    if (needs := compiled(show(program)).needs) not in TAKEN_ON_CPUS:
        asks = "asks the loss itself" if needs == "oracle" else "works on whole matrices"
        raise ProgramError(f"'{program.name}' {asks}; trainings can prune only programs of tensors and numbers.")


def _next_step(
    judge: _Judge, chain: Sequence[Program], refused: dict[str, Step], say: Callable[[str], None]
) -> Step | None:
    """The step that saves most of those that may be taken; those that may not are noted, and not tried again."""
    untried = [(law, child) for law, child in proposals(chain[-1]) if law not in refused]
    done = 0
    while done < len(untried):
        some = untried[done : done + judge.room(reserved=len(chain) + 1)]
        done += len(some)
        say(f"step {len(chain)}: proposals {done - len(some) + 1} to {done} of {len(untried)}")
        steps = judge.compared(chain[-1], some, len(chain))
        refused |= {step.law: step for step in steps if step.low <= -TOLERANCE}
        if fine := [step for step in steps if step.low > -TOLERANCE]:
            return min(fine, key=lambda step: (size(step.after), -step.low))
    return None


def _confirmed(
    judge: _Judge, chain: Sequence[Program], laws: Sequence[str]
) -> tuple[tuple[Step, ...], tuple[Step, ...], Step | None]:
    """The steps that stay and those that are undone, with figures of fresh seeds; what stays as one step."""
    rows = judge.trained(chain, judge.block(0))
    last = len(chain) - 1
    while last:
        level = simultaneous(LEVEL, last)
        if all(judge.gain(rows[i], rows[last], level).high >= -TOTAL_TOLERANCE for i in range(last)):
            break
        last -= 1
    steps = tuple(judge.step(law, chain[i], chain[i + 1], rows[i], rows[i + 1]) for i, law in enumerate(laws))
    total = judge.step("in all", chain[0], chain[last], rows[0], rows[last]) if last else None
    return steps[:last], steps[last:], total


class _SpentError(Exception):
    """The next trainings would not end in time."""


Rows = tuple[Array, ...]  # of one program, by task: losses [seeds, rates]


class _Judge:
    """Trains programs on the same seeds, each at its own learning rates, within a bound of time."""

    def __init__(self, tasks: Sequence[str], seeds: int, first: int, deadline: float, run: Run) -> None:
        self.tasks, self.proxies, self.run = tasks, [proxies.get(name) for name in tasks], run
        self.seeds, self.deadline, self.pilot_seed = seeds, deadline, first
        self.centres: dict[str, tuple[int, ...]] = {}  # by text: the exponent of its best rate on each task
        self.trainings = 0
        self.pace = [math.inf for _ in tasks]  # seconds of a training, many at a time

    def block(self, number: int) -> tuple[int, ...]:
        """The seeds of the last comparison (0), or of a step (from 1): no two share one."""
        first = self.pilot_seed + 1 + number * self.seeds
        return tuple(range(first, first + self.seeds))

    def start(self, program: Program) -> None:
        """The program's own best rates; ProgramError where none trains on some task."""
        for k in range(len(self.tasks)):  # so that later ones are timed without what comes first in a process
            self._train(k, (self.pilot_seed,), [show(program)], [WIDE[:1]])
        for task, rows in zip(self.tasks, self.pilot([program])[0], strict=True):
            if not np.isfinite(rows).any():
                raise ProgramError(f"'{program.name}' trains at no learning rate on {task}; nothing can be compared.")

    def pilot(self, programs: Sequence[Program]) -> list[Rows]:
        """Finds the best rate of each program on one seed, over WIDE in units of the size of its update."""
        texts = [show(program) for program in programs]
        sizes = [mark.size for mark in fingerprints([compiled(text) for text in texts])]
        shifts = [round(STEPS_PER_DECADE * math.log10(size)) if 0 < size < math.inf else 0 for size in sizes]
        grids = [tuple(exponent - shift for exponent in WIDE) for shift in shifts]
        by_task = [self._train(k, (self.pilot_seed,), texts, grids) for k in range(len(self.tasks))]
        found = list(zip(*by_task, strict=True))
        for text, exponents, rows in zip(texts, grids, found, strict=True):
            means = [logs(losses, proxy.bounds)[0] for losses, proxy in zip(rows, self.proxies, strict=True)]
            self.centres[text] = tuple(exponents[int(np.argmin(row))] for row in means)
        return found

    def trained(self, programs: Sequence[Program], seeds: tuple[int, ...]) -> list[Rows]:
        """Losses of each program at RATES around its best."""
        texts = [show(program) for program in programs]
        by_task = [
            self._train(k, seeds, texts, [tuple(self.centres[text][k] + e for e in RATES) for text in texts])
            for k in range(len(self.tasks))
        ]
        return list(zip(*by_task, strict=True))

    def compared(self, program: Program, others: Sequence[tuple[str, Program]], number: int) -> list[Step]:
        """What step `number` could be: to each of the others, on the same seeds."""
        self.pilot([child for _, child in others])
        rows: list[Rows] = [tuple(np.empty((0, len(RATES))) for _ in self.tasks)] * (1 + len(others))
        seeds, alive, looks = (
            self.block(number),
            list(range(1, 1 + len(others))),
            [*(n for n in LOOKS if n < self.seeds), self.seeds],
        )
        for before, after in zip([0, *looks], looks, strict=False):
            if before and not self._in_time((1 + len(alive)) * (after - before) * len(RATES), number + 1):
                raise _SpentError
            some = [0, *alive]
            more = self.trained([program, *(others[i - 1][1] for i in alive)], seeds[before:after])
            for i, new in zip(some, more, strict=True):
                rows[i] = tuple(np.concatenate(pair) for pair in zip(rows[i], new, strict=True))
            alive = [i for i in alive if self.gain(rows[0], rows[i]).high >= -TOLERANCE]
            if not alive:
                break
        return [self.step(law, program, child, rows[0], rows[i]) for i, (law, child) in enumerate(others, 1)]

    def gain(self, before: Rows, after: Rows, level: float = LEVEL) -> Estimate:
        """The log loss saved, over the seeds that both were trained on."""
        seeds = min(len(before[0]), len(after[0]))
        own = [
            [
                own_logs(losses[:seeds], proxy.bounds, WIDTH["full"])
                for losses, proxy in zip(rows, self.proxies, strict=True)
            ]
            for rows in (before, after)
        ]
        return student(mean_over_tasks(np.array(own[0]) - np.array(own[1])), level)

    def step(self, law: str, before: Program, after: Program, rows: Rows, others: Rows) -> Step:
        """A change of programs with its figures."""
        gain = self.gain(rows, others)
        return Step(law, before, after, gain.mean, gain.low, gain.high, 2 * sum(losses.size for losses in others))

    def room(self, reserved: int) -> int:
        """How many proposals the next batch may have; _SpentError where the time is over."""
        each = len(WIDE) + LOOKS[0] * len(RATES)
        for count in (TOGETHER, TOGETHER // 2, TOGETHER // 4, 1):
            if self._in_time(count * each + LOOKS[0] * len(RATES), reserved):
                return count
        raise _SpentError

    def _in_time(self, trainings: int, reserved: int) -> bool:
        """Whether so many trainings on each task, and the last ones of `reserved` programs, would end in time."""
        count = trainings + reserved * self.seeds * len(RATES)
        return time.monotonic() + RESERVE * count * sum(self.pace) <= self.deadline

    def _train(
        self, k: int, seeds: tuple[int, ...], texts: Sequence[str], grids: Sequence[tuple[int, ...]]
    ) -> list[Array]:
        """Losses [seeds, rates] of each text on task k."""
        began, proxy = time.monotonic(), self.proxies[k]
        found = self.run(Plan(self.tasks[k], seeds, proxy.warmup), list(zip(texts, grids, strict=True)))
        count = len(seeds) * sum(map(len, grids))
        self.trainings += count
        if count > 1:
            self.pace[k] = min(self.pace[k], (time.monotonic() - began) / count)
        return [np.asarray(losses) for losses in found]
