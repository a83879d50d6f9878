"""What a search could not begin with is refused before anything is written; each error is one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import proxies
from evosearch.config import Config, ConfigError, Language
from evosearch.flat import searchable
from evosearch.resolve import resolve
from evosearch.vocabulary import known, runs_in_search, vocabulary
from primitives import own
from primitives.bytecode import compile_program
from primitives.program import Program, calls, expressions
from primitives.reference import names, reference
from primitives.table import PRIMITIVES


def check(config: Config) -> None:
    """Refuse, before anything is written, what a search could not begin with; each error is one sentence."""
    check_tasks(config.proxies)
    check_language(config)


def check_language(config: Config) -> None:
    """Refuse primitives and starts that a search could not begin with."""
    _check_own(config.language)
    there = known(config.language)
    for name in (*config.language.only, *config.language.also, *config.language.without):
        if name not in there:
            close = difflib.get_close_matches(name, there, n=1)
            hint = (
                f"; did you mean '{close[0]}'?" if close else "; one of your own needs its file, by --primitives FILE."
            )
            raise ConfigError(f"there is no primitive '{name}'{hint}")
    for option, given in (("--only", config.language.only), ("--also", config.language.also)):
        for name in given:
            if not runs_in_search(name):
                raise ConfigError(f"{name} is nothing that the machine of a search has; leave it out of {option}.")
            cost = PRIMITIVES[name].cost
            if cost > config.language.max_cost:
                raise ConfigError(f"{name} costs {cost:g} by itself, above --max-cost {config.language.max_cost:g}.")
    if not vocabulary(config.language):
        raise ConfigError("--only and --without leave no primitive to insert.")
    for name in config.mutations.donors:
        _check_donor(name)
    for name in config.evolution.start:
        _check_start(name, searchable(resolve(name)), config.language)


def _check_donor(name: str) -> None:
    """Refuse what is no reference program that a search can take blocks of: workers on any node have those."""
    if name not in names():
        raise ConfigError(f"the donor '{name}' is no reference program; see `evosearch list`.")
    if not searchable(reference(name)).body:
        raise ConfigError(f"the donor '{name}' has no statements of which a block could be taken.")


def _check_own(language: Language) -> None:
    """Refuse primitives of the user's own of which one machine would say this and another that."""
    names = own.use(language.primitives)
    if names:
        from primitives.agreement import disagreements

        if faults := [fault for name in names for fault in disagreements(PRIMITIVES[name])]:
            raise own.PrimitiveError(*faults)


def check_tasks(names: Sequence[str]) -> None:
    """Refuse what is no task, and tasks that serve to choose or to judge what was bred on others."""
    for name in names:
        try:
            proxies.get(name)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        if name in proxies.TASKS and proxies.TASKS[name].tier == "selection":
            raise ConfigError(f"{name} is a selection task, on which nothing may be bred; see `evosearch proxies`.")


def _check_start(name: str, program: Program, limits: Language) -> None:
    foreign = {call.op for expr in expressions(program) for call in calls(expr)} - set(known(limits))
    if foreign:
        raise ConfigError(f"the start '{name}' uses {min(foreign)}; name its file too, by --primitives FILE.")
    for what, value, most in (
        ("length", len(program.body), limits.max_length),
        ("states", len(program.states), limits.max_states),
        ("cost", compile_program(program).cost, limits.max_cost),
    ):
        if value > most:
            raise ConfigError(
                f"the start '{name}' has {what} {value:g}, above --max-{what} {most:g}; raise that, or start --from "
                "another."
            )
