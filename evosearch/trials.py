"""What is tuned of a program, in which ranges, and quasi-random trials of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.stats import qmc

from evosearch.flat import MutationError, constant_sites, scaled_at, scaled_within, searchable
from evosearch.measure import STEPS_PER_DECADE
from primitives.domains import domains
from primitives.graph import canonical
from primitives.options import Domain
from primitives.program import Program, calls, expressions
from primitives.table import PRIMITIVES
from primitives.text import show

WIDE = tuple(range(-20, 7, 2))  # exponents: half decades from 1e-5 to 30, for programs of which nothing is known
PILOT = tuple(range(-20, 5, 4))  # exponents: decades from 1e-5 to 10, for the pilot of a replicate
RATE_BOX = 0.75  # decades to either side of the pilot's best learning rate
WARMUPS = 0.02, 0.3  # parts of the steps
NO_DECAY = 0.25  # part of the trials without weight decay
EDGE = 0.1  # part of a range that counts as its edge, at either end
Free = tuple[str, ...] | Literal["all"]
Scale = Callable[[float], float]  # from a coordinate in [0, 1] to a value


def log_uniform(low: float, high: float) -> Scale:
    """From `low` at 0 to `high` at 1, evenly in the logarithm."""
    return lambda u: low * (high / low) ** u


def near_one(low: float, high: float) -> Scale:
    """From `high` at 0 to `low` at 1, evenly in the logarithm of the distance from 1."""
    return lambda u: 1.0 - (1.0 - high) * ((1.0 - low) / (1.0 - high)) ** u


def decay(u: float) -> float:
    """A weight decay: none, or log-uniform."""
    return 0.0 if u < NO_DECAY else log_uniform(1e-3, 10.0)((u - NO_DECAY) / (1 - NO_DECAY))


# By name; names mean the same in every reference program. What a wrapper numbered ("beta1_2") counts as "beta1".
RANGES: dict[str, Scale] = {
    "beta": near_one(0.0, 0.98),
    "beta1": near_one(0.0, 0.98),
    "beta2": near_one(0.5, 0.999),
    "rho": near_one(0.5, 0.999),
    "eps": log_uniform(1e-9, 1e-2),
    "weight_decay": decay,
    "lr_ratio": log_uniform(0.01, 10.0),  # of Adam's rate to Muon's
}
COUNTS = {"k", "ns_steps", "cg_steps", "restart"}  # whole numbers, at least 1, where the default is one
FACTORS = log_uniform(0.25, 4.0)  # of all others, and of numbers inside a text


@dataclass(frozen=True)
class Trial:
    """One setting of a program: its text with the constants as numbers, learning rate and warm-up."""

    text: str
    exponent: float  # the learning rate is 10^(exponent / 4)
    warmup: float
    constants: tuple[tuple[str, float], ...]
    edge: Literal["", "low", "high"] = ""  # where the learning rate lies at an edge of its box


def trials(program: Program, free: Free, centre: float, count: int, seed: Sequence[int]) -> list[Trial]:
    """`count` points of a scrambled Halton sequence over what is free; `centre` is the exponent amid the box."""
    constants = axes(program, free)
    points = qmc.Halton(2 + len(constants), scramble=True, seed=np.random.default_rng(seed)).random(count)
    return [_trial(program, constants, centre, point) for point in points.tolist()]


def tuned(program: Program, free: Free) -> tuple[str, ...]:
    """The names of what is tuned beside learning rate and warm-up."""
    return tuple(name for name, _ in axes(program, free))


def _trial(program: Program, free: Sequence[tuple[str, Scale]], centre: float, point: Sequence[float]) -> Trial:
    place, start, *rest = point
    exponent = centre + STEPS_PER_DECADE * RATE_BOX * (2 * place - 1)
    constants = {name: _rounded(scale(u)) for (name, scale), u in zip(free, rest, strict=True)}
    edge: Literal["", "low", "high"] = "low" if place < EDGE else "high" if place > 1 - EDGE else ""
    text = show(with_constants(program, constants))
    return Trial(text, exponent, log_uniform(*WARMUPS)(start), tuple(constants.items()), edge)


def axes(program: Program, free: Free) -> list[tuple[str, Scale]]:
    """The constants that are free, by name, each with the values of its coordinate."""
    named = [name for name in program.defaults if name != "lr"]
    if free == "all" and not named:
        return [(f"number {i}", FACTORS) for i in range(1, len(_inline(program)) + 1)]
    domain, counts = domains(program), _counts(program)
    wanted = [name for name in named if free == "all" or _base(name) in free]
    ranges = [(name, _range(name, program.defaults[name], domain[name], name in counts)) for name in wanted]
    return [(name, scale) for name, scale in ranges if scale(0.0) != scale(1.0)]  # no factor moves a zero


def _base(name: str) -> str:
    """The name before a wrapper numbered it."""
    return re.sub(r"_\d+$", "", name)


def _counts(program: Program) -> set[str]:
    """The hyperparameters that are whole numbers of steps: by their use, or by name where the default is one."""
    named = {name for name, x in program.hyper if _base(name) in COUNTS and x >= 1 and x % 1 == 0}
    places = (
        place
        for expr in expressions(program)
        for call in calls(expr)
        for place in zip(PRIMITIVES[call.op].roles, call.args, strict=True)
    )
    return named | {arg for role, arg in places if role == "count" and isinstance(arg, str)}


def _range(name: str, default: float, domain: Domain, count: bool) -> Scale:
    """By name, else factors of the default: a count stays whole, all else where its use or its name asks it to be."""
    if count:
        return lambda u: float(max(1, round(default * FACTORS(u)))) if default else 0.0
    return RANGES.get(_base(name), lambda u: _scaled(default, FACTORS(u), domain))


def _scaled(default: float, factor: float, domain: Domain) -> float:
    """The default, or its distance from an end of the domain, times a factor; open ends keep a quarter of theirs."""
    if math.isinf(domain.low):
        return default * factor
    least = domain.low + (default - domain.low) * FACTORS(0.0) * domain.low_open
    most = domain.high - (domain.high - default) * FACTORS(0.0) if domain.high_open else domain.high
    return min(most, max(least, scaled_within(default, factor, domain.low, domain.high)))


def with_constants(program: Program, constants: dict[str, float]) -> Program:
    """The program with other defaults; "number 3" is a factor of the third number inside a text without names."""
    if any(name.startswith("number ") for name in constants):
        flat = canonical(program)
        for site, factor in zip(constant_sites(flat), constants.values(), strict=True):
            flat = scaled_at(flat, site, factor)
        return replace(flat, doc="")
    hyper = tuple((name, constants.get(name, value)) for name, value in program.hyper)
    return replace(program, hyper=hyper, doc="")


def _inline(program: Program) -> list[object]:
    """The numbers inside a text that a search may have written; in other texts they are structure, and stay."""
    try:
        return list(constant_sites(searchable(program)))
    except MutationError:
        return []


def _rounded(value: float) -> float:
    """Six digits are all that a constant needs."""
    return float(f"{value:.6g}") if math.isfinite(value) else value
