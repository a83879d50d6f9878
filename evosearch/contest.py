"""A contest of programs: replicates of (tuning + training), so that luck in tuning is part of the noise.

Replicate r of a program on a task finds on pilot seed r around which learning rate to look, draws K quasi-random trials
of its own, trains each once on tuning seed r, and trains the best by validation loss once more on training seed r. That
loss on test rows is what it reports. The seeds are the same for all programs, and everybody gets the same number of
trials, however many constants are free.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import proxies
from evosearch.measure import rate
from evosearch.trainings import Call, Ended, Training, train_all
from evosearch.trials import PILOT, Free, Trial, tuned
from evosearch.trials import trials as drawn_trials
from primitives import own
from primitives.program import Program
from primitives.text import show
from proxies.proxy import Proxy

Array = np.ndarray[Any, Any]
FIRST_SEED = 3_000_000  # seeds from here on serve contests only
COMPARISONS = 10_000  # seeds of contests below are those of comparisons, the others of validations
MOST_REPLICATES = 10_000
SEEDS = 3 * MOST_REPLICATES  # of one contest
CHECKPOINTS = 20  # steps of a training at which the way to the target is watched


@dataclass(frozen=True)
class Entrant:
    """A program in a contest; `free` is tuned beside learning rate and warm-up where it is there, "all": everything."""

    name: str
    program: Program
    free: Free = ("weight_decay",)


@dataclass(frozen=True)
class Choice:
    """What the tuning of one replicate chose."""

    rate: float
    warmup: float
    constants: tuple[tuple[str, float], ...]
    edge: str  # "low" or "high" where the rate lies at an edge of its box, else ""
    loss: float  # validation loss of that trial


@dataclass(frozen=True, eq=False)
class Results:
    """Losses of each replicate, float64, between the task's floor and ceiling; a failed training counts as ceiling."""

    names: tuple[str, ...]
    tasks: tuple[str, ...]
    test: Array  # [entrants, tasks, seeds]
    validation: Array  # the same on validation rows
    steps: Array  # [entrants, tasks, seeds] to the target, one of CHECKPOINTS; inf where not reached
    seconds: Array  # [entrants, tasks] of a whole step of one replica, gradients included
    chosen: tuple[tuple[tuple[Choice, ...], ...], ...]  # [entrants][tasks][seeds]
    tuned: tuple[tuple[str, ...], ...]  # [entrants] names of the constants that were tuned
    centres: Array  # [entrants, tasks, seeds] learning rate that the pilot found best, the middle of the box
    targets: Array  # [tasks] the first entrant's median validation loss
    failed: Array  # bool [entrants, tasks, seeds]: the last training came to no end
    trainings: int  # in all: pilot, trials and replicates


def contest(
    entrants: Sequence[Entrant],
    tasks: Sequence[str],
    *,
    seeds: int,
    trials: int,
    seed: int,
    run: Call,
    say: Callable[[str], None] = lambda text: None,
    unseal: bool = False,
) -> Results:
    """Every entrant on every task, `seeds` times; the first entrant is the reference and sets the targets.

    A program's losses depend on its name and text and on the seed, not on who else is there or in which order.
    `run` trains (run.Prologue.call); `unseal` opens held-out tasks.
    """
    if len({entrant.name for entrant in entrants}) < len(entrants) or not 0 < seeds <= MOST_REPLICATES:
        raise ValueError(f"entrants have different names, and there are at most {MOST_REPLICATES:,} replicates.")
    opened = [proxies.get(name, unseal=unseal) for name in tasks]
    shape = len(entrants), len(tasks), seeds
    say(f"pilot: {len(PILOT)} learning rates for each program, task and replicate")
    texts = [show(entrant.program) for entrant in entrants]
    decades = tuple(map(float, PILOT))
    pilots = [
        Training(tasks[k], pilot_seed(seed, r), texts[e], decades, opened[k].warmup) for e, k, r in _places(shape)
    ]
    centres = np.empty(shape)
    for place, found in zip(_places(shape), train_all(run, pilots, unseal), strict=True):
        centres[place] = decades[_best(found.validation)]
    say(f"tuning: {trials} trial{'s' * (trials > 1)} for each program, task and replicate")
    chosen = _tuned(entrants, tasks, centres, seeds, trials, seed, lambda items: train_all(run, items, unseal))
    say("training what was chosen on fresh seeds")
    finals = [
        Training(
            tasks[k], training_seed(seed, r), chosen[e, k, r][0].text, (chosen[e, k, r][0].exponent,),
            chosen[e, k, r][0].warmup, checkpoints(task.steps), True,
        )
        for k, task in enumerate(opened) for r in range(seeds) for e in range(len(entrants))
    ]  # fmt: skip
    ended = dict(zip(_places(shape), train_all(run, finals, unseal), strict=True))
    say("timing steps")
    seconds = [run("evosearch.trainings:timings", [(text,)], (name, unseal)) for name in tasks for text in texts]
    return Results(
        names=tuple(entrant.name for entrant in entrants),
        tasks=tuple(tasks),
        **_losses(ended, opened, shape),
        seconds=np.array(seconds).reshape(len(tasks), len(entrants)).T,
        chosen=_choices(chosen, shape),
        tuned=tuple(tuned(entrant.program, entrant.free) for entrant in entrants),
        centres=np.vectorize(rate)(centres),
        trainings=centres.size * (len(PILOT) + trials + 1),
    )


def checkpoints(steps: int) -> tuple[int, ...]:
    """The watched steps of a training, the last one among them."""
    return tuple(sorted({max(1, round(steps * k / CHECKPOINTS)) for k in range(1, CHECKPOINTS + 1)}))


def pilot_seed(seed: int, replicate: int) -> int:
    """The seed of the pilots of a replicate, from 0."""
    return FIRST_SEED + SEEDS * seed + 3 * replicate


def tuning_seed(seed: int, replicate: int) -> int:
    """The seed on which the trials of a replicate are trained."""
    return FIRST_SEED + SEEDS * seed + 3 * replicate + 1


def training_seed(seed: int, replicate: int) -> int:
    """The seed on which a replicate of every entrant is trained for good."""
    return FIRST_SEED + SEEDS * seed + 3 * replicate + 2


Place = tuple[int, int, int]  # entrant, task, replicate


def _places(shape: Place) -> list[Place]:
    """All places, those that share a seed as neighbours."""
    return [(e, k, r) for k in range(shape[1]) for r in range(shape[2]) for e in range(shape[0])]


def _tuned(
    entrants: Sequence[Entrant],
    tasks: Sequence[str],
    centres: Array,
    seeds: int,
    count: int,
    seed: int,
    train: Callable[[Sequence[Training]], list[Ended]],
) -> dict[Place, tuple[Trial, float]]:
    """The best trial of each place with its validation loss."""
    places = _places((len(entrants), len(tasks), seeds))
    drawn = []
    for e, k, r in places:
        own = [seed, r, *(zlib.crc32(x.encode()) for x in (entrants[e].name, proxies.shown(tasks[k])))]
        drawn.append(drawn_trials(entrants[e].program, entrants[e].free, centres[e, k, r], count, own))
    items = [
        Training(tasks[k], tuning_seed(seed, r), trial.text, (trial.exponent,), trial.warmup)
        for (_, k, r), some in zip(places, drawn, strict=True)
        for trial in some
    ]
    losses = np.array([ended.validation[0] for ended in train(items)]).reshape(len(places), count)
    best = [_best(row) for row in losses]
    return {p: (drawn[i][best[i]], float(losses[i, best[i]])) for i, p in enumerate(places)}


def _best(losses: Array) -> int:
    """The place of the lowest loss; a failed training is none."""
    return int(np.argmin(np.nan_to_num(losses, nan=np.inf)))


def _losses(ended: dict[Place, Ended], opened: Sequence[Proxy], shape: Place) -> dict[str, Array]:
    """The losses of the last trainings, and the steps to the first entrant's median."""
    test, validation, steps = np.empty(shape), np.empty(shape), np.full(shape, np.inf)
    failed, targets = np.zeros(shape, bool), np.empty(shape[1])
    for place, end in ended.items():
        bounds = opened[place[1]].bounds
        validation[place], test[place] = np.clip(np.nan_to_num([end.validation[0], end.test[0]], nan=np.inf), *bounds)
        failed[place] = not np.isfinite(end.test[0])
    for k, task in enumerate(opened):
        targets[k] = np.median(validation[0, k])
        for e, r in np.ndindex(shape[0], shape[2]):
            there = np.flatnonzero(ended[e, k, r].watched[:, 0] <= targets[k])
            if len(there):
                steps[e, k, r] = checkpoints(task.steps)[there[0]]
    return {"test": test, "validation": validation, "steps": steps, "failed": failed, "targets": targets}


def _choices(chosen: dict[Place, tuple[Trial, float]], shape: Place) -> tuple[tuple[tuple[Choice, ...], ...], ...]:
    def choice(trial: Trial, loss: float) -> Choice:
        return Choice(rate(trial.exponent), trial.warmup, trial.constants, trial.edge, loss)

    entrants, tasks, seeds = map(range, shape)
    return tuple(tuple(tuple(choice(*chosen[e, k, r]) for r in seeds) for k in tasks) for e in entrants)


def make_context(primitives: tuple[str, ...] = ()) -> None:
    """Workers of a contest need nothing but their items, and the user's own primitives to read them."""
    own.use(primitives)
