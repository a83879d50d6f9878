"""The configuration of a search: frozen records with a unit and a reason for each number, read from TOML."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import tomllib
from dataclasses import dataclass, field
from math import inf
from operator import attrgetter
from pathlib import Path
from typing import Any, get_type_hints

from proxies.tasks import SUITE

LARGEST = 1_000_000  # bytes of a configuration
DEFAULT_BUDGET = "45s"  # of a run that is told neither programs nor a budget: a first look in under a minute


class ConfigError(ValueError):
    """A configuration that cannot be used; the message is one sentence that says what to do."""


@dataclass(frozen=True)
class Language:
    """What candidates are made of."""

    primitives: tuple[str, ...] = ()  # your own besides: files (see primitives/own.py), or names of entry points
    only: tuple[str, ...] = ()  # primitives that may be inserted; empty: all forms meant for search
    also: tuple[str, ...] = ()  # primitives that may be inserted besides, such as those of matrices
    without: tuple[str, ...] = ()  # primitives that may not be inserted
    max_states: int = 2  # states of a program: two need as much memory as AdamW
    max_length: int = 30  # statements
    max_cost: float = 150.0  # additions for each element and step; AdamW costs about 13


@dataclass(frozen=True)
class Mutations:
    """Relative weights of the mutations, and how many a child gets."""

    insert: float = 1.0  # a new statement, where something is used
    delete: float = 1.0  # a statement; one of its arguments takes its place
    change: float = 1.0  # another argument
    resample: float = 0.5  # a constant, anew
    scale: float = 0.5  # a constant times 2^a, a ~ N(0, 1)
    graft: float = 0.0  # a block of another program: of the population by half, else of the donors where there are any
    donors: tuple[str, ...] = ()  # reference programs of which blocks may be taken
    again: float = 0.3  # probability of one more mutation after each


@dataclass(frozen=True)
class Evolution:
    """Regularized evolution (Real et al. 2019), warm-started.

    Of the options that are off by default none has earned its place yet (experiments/2026-11-29-which-ideas-earn).
    """

    start: tuple[str, ...] = ("adamw",)  # founders
    population: int = 400  # members, of each island
    tournament: int = 12  # members drawn for each parent
    niches: float = 0.0  # part of the parents that are the best of a niche drawn at random (niches.py), of all islands
    constants: float = 0.0  # part of the children that are one of the best skeletons, of all islands, with constants
    # that a CMA-ES proposes
    lexicase: float = 0.0  # part of the parents that epsilon-lexicase over tasks chooses, in place of a tournament
    block: int = 128  # candidates that are bred together
    lag: int = 6  # blocks: candidate i is bred from what was committed that many blocks before; workers are never short
    # of work where lag x block is 30 x workers x scoring.batch
    copies: float = 0.02  # part of the population that one fingerprint may hold (founders are exempt)
    restart_after: int = 20_000  # candidates without a new best before a fresh population, from start and best by turns
    islands: int = 1  # populations that evolve apart; block b belongs to island b modulo islands
    migrate_every: int = 10_000  # candidates, of all islands, after which the best of each enter the next, in a ring
    migrants: int = 4  # how many
    length_price: float = 0.01  # taken from the score in tournaments for each statement
    state_price: float = 0.02  # and for each state
    cost_price: float = 0.001  # and for each addition's worth of work; AdamW costs about 13


@dataclass(frozen=True)
class Scoring:
    """How a candidate is measured: a cheap gate, then several seeds around its own best learning rate."""

    gate_lrs: int = 5  # learning rates at the gate, half a decade apart
    gate_steps: float = 0.5  # part of a proxy's steps
    lrs: int = 3  # learning rates after the gate, a quarter of a decade apart
    seeds: int = 4  # seeds bought at a time
    max_seeds: int = 24  # no program buys more
    again: float = 0.05  # probability that a tournament's winner is measured on fresh seeds, in place of a child
    seed_pool: int = 32  # training seeds there are; the baseline is measured on each
    hurdle: float = 0.6  # quantile of the population's scores that the next stage asks for
    margin: float = 0.02  # less this
    halving: float = 0.0  # part of the latest candidates at each stage, the last included, that passes; 0: hurdle
    worth: float = 0.75  # quantile of the population from which on a program that is met again buys seeds
    oddness: bool = True  # refuse programs that treat (w, g) and (-w, -g) differently
    gradient_scale: bool = True  # refuse programs that lose when gradients are 100 times larger or smaller
    scale_loss: float = 0.5  # how much (log loss) they may lose then, at learning rates tuned again
    batch: int = 32  # programs measured by one job
    deadline: float = 120.0  # seconds after which a job counts as hung; ordinary ones take a few
    tune: int = 96  # sets of constants tried for the baselines and for starts that are none of them
    final_seeds: int = 16  # fresh seeds for the last table
    final_programs: int = 5  # rows of it beside the baselines


@dataclass(frozen=True)
class Config:
    """One search. Tasks, language and seed are fixed once it has begun; `programs` and `budget` may grow."""

    proxies: tuple[str, ...] = SUITE  # tasks, in the order in which a candidate meets them
    programs: int = 0  # candidates to generate; 0: until the budget ends
    budget: float = 0.0  # seconds, for the whole command; 0: no limit
    seed: int = 0  # same seed, same rows
    workers: int = -1  # processes; -1: one for each core, 1: in this process
    device: str = "cpu"  # where programs are trained: cpu, cuda or cuda:N
    language: Language = field(default_factory=Language)
    mutations: Mutations = field(default_factory=Mutations)
    evolution: Evolution = field(default_factory=Evolution)
    scoring: Scoring = field(default_factory=Scoring)

    def check(self) -> Config:
        """Itself, or ConfigError with the first thing that is wrong."""
        for name, (least, most) in LIMITS.items():
            value = attrgetter(name)(self)
            if not least <= value <= most:  # NaN is not
                bound = f"at least {least:g}" if value < least else f"at most {most:g}" if value > most else "a number"
                raise ConfigError(f"{name} is {value} and must be {bound}.")
        scoring, mutations = self.scoring, self.mutations
        for seeds, key in ((scoring.seeds, "seeds"), (scoring.max_seeds, "max_seeds")):
            if seeds > scoring.seed_pool:
                raise ConfigError(f"scoring.{key} is {seeds}, more than the {scoring.seed_pool} of scoring.seed_pool.")
        if not any(getattr(mutations, name) for name in WEIGHTS):
            raise ConfigError("one of the weights in mutations must be above 0.")
        if mutations.donors and not mutations.graft:
            raise ConfigError("mutations.donors are for mutations.graft, which is 0; give it a weight, such as 1.")
        if self.workers == 0 or self.workers < -1:
            raise ConfigError("--workers is a positive number of processes, or 'auto' for one for each core.")
        if not re.fullmatch(r"cpu|cuda(:\d+)?", self.device):
            raise ConfigError(f"the device is '{self.device}' and must be cpu, cuda or cuda:N.")
        if ":" in self.device and self.workers > 1:
            raise ConfigError(f"{self.device} is one GPU; for one in each of {self.workers} workers use --device cuda.")
        if not self.proxies:
            raise ConfigError("a search needs at least one proxy; see `evosearch proxies`.")
        if len(set(self.proxies)) < len(self.proxies):
            raise ConfigError("proxies names a proxy twice.")
        if not self.evolution.start:
            raise ConfigError("a search needs at least one starting program; see `evosearch list`.")
        return self


WEIGHTS = ("insert", "delete", "change", "resample", "scale", "graft")  # of mutations

# Smallest and largest value of each number; beyond them a search would hang, or break hours later.
LIMITS: dict[str, tuple[float, float]] = {
    "programs": (0, inf),
    "seed": (-(2**62), 2**62),
    "budget": (0, inf),
    "language.max_states": (0, inf),
    "language.max_length": (1, inf),
    "language.max_cost": (0, inf),
    **{f"mutations.{name}": (0, 1e6) for name in WEIGHTS},
    "mutations.again": (0, 0.9),
    "evolution.population": (2, inf),
    "evolution.tournament": (1, inf),
    "evolution.block": (1, inf),
    "evolution.lag": (3, inf),
    "evolution.copies": (0, 1),
    "evolution.niches": (0, 1),
    "evolution.constants": (0, 1),
    "evolution.lexicase": (0, 1),
    "evolution.restart_after": (1, inf),
    "evolution.islands": (1, 1e4),
    "evolution.migrate_every": (1, inf),
    "evolution.migrants": (0, inf),
    "evolution.length_price": (0, 1e6),
    "evolution.state_price": (0, 1e6),
    "evolution.cost_price": (0, 1e6),
    "scoring.gate_lrs": (1, inf),
    "scoring.gate_steps": (0.01, 1),
    "scoring.lrs": (1, inf),
    "scoring.seeds": (1, inf),
    "scoring.max_seeds": (1, inf),
    "scoring.again": (0, 1),
    "scoring.seed_pool": (1, 1e6),
    "scoring.hurdle": (0, 1),
    "scoring.margin": (-inf, inf),
    "scoring.halving": (0, 1),
    "scoring.worth": (0, 1),
    "scoring.scale_loss": (0, inf),
    "scoring.batch": (1, inf),
    "scoring.deadline": (1, inf),
    "scoring.tune": (1, inf),
    "scoring.final_seeds": (2, inf),
    "scoring.final_programs": (0, inf),
}


def load(path: Path) -> Config:
    """The configuration in a TOML file; ConfigError names what is wrong and where."""
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise ConfigError(f"{path} is larger than {LARGEST:,} bytes and no configuration.")
        data = tomllib.loads(text.decode("utf-8-sig").replace("\r\n", "\n"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}.") from error
    except ConfigError:
        raise
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise ConfigError(f"{path} is not a TOML file: {error}.") from error
    return from_dict(data, str(path))


def from_dict(data: dict[str, Any], where: str = "the configuration") -> Config:
    """The configuration from nested dictionaries; unknown keys and wrong types are ConfigErrors.

    A budget may be "10m", and workers "auto".
    """
    from evosearch import arguments  # which has the same errors

    words = {"budget": arguments.seconds, "workers": arguments.workers}
    read = {key: words[key](value) if key in words and isinstance(value, str) else value for key, value in data.items()}
    config: Config = _record(Config, read, where)
    return config.check()


def to_toml(config: Config) -> str:
    """The whole configuration as TOML that `load` reads back."""
    lines, tables = [], []
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if dataclasses.is_dataclass(value):
            tables.append(f"\n[{f.name}]")
            tables += [f"{g.name} = {_toml(getattr(value, g.name))}" for g in dataclasses.fields(value)]
        else:
            lines.append(f"{f.name} = {_toml(value)}")
    return "\n".join([*lines, *tables]) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # all that TOML asks for beyond JSON
    return repr(value)


def _record(cls: type, data: dict[str, Any], where: str) -> Any:
    types = get_type_hints(cls)
    values = {}
    for key, value in data.items():
        if key not in types:
            close = difflib.get_close_matches(key, types, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"the keys are {', '.join(types)}."
            raise ConfigError(f"{where}: unknown key '{key[:60]}'; {hint}")
        values[key] = _value(types[key], value, f"{where}: {key}")
    return cls(**values)


def _value(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ConfigError(f"{where} is a table of settings.")
        return _record(kind, value, where)  # type: ignore[arg-type]
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ConfigError(f"{where} is a number of more than 18 digits.")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind == tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ConfigError(f"{where} is a list of names.")
    if type(value) is not kind:
        raise ConfigError(f"{where} must be of type {kind.__name__} and is {_short(value)}.")
    return value


def _short(value: Any) -> str:
    """The beginning of how a value is written; what it holds may be of any size."""
    text = f"a {type(value).__name__}" if isinstance(value, list | dict) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
