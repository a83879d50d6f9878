"""Whether two programs are the same map: the same weights for all gradients, hyperparameters and rates."""

from __future__ import annotations

import itertools
import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from primitives.algebra.arena import OutOfTimeError
from primitives.algebra.difference import difference
from primitives.algebra.laws import LAWS
from primitives.algebra.proofs import prove
from primitives.algebra.shifted import at_gradient
from primitives.algebra.witness import Witness
from primitives.program import Assign, Program
from primitives.rewriting import renamed

SECONDS = 10.0
TRIALS = 6
NEUTRAL = (0.0, 1.0)  # values of hyperparameters at which programs are tried for agreement
MOST_SETTINGS = 120


@dataclass(frozen=True)
class Verdict:
    """`answer` is "same", "different" or "undecided"; the other fields say how that is known.

    `where` is a condition under which programs that are different in general are the same ("" where none is known).
    `change` tells the states of the program `changed`, "first" or "second", by those of the other.
    """

    answer: str
    trials: int
    witness: Witness | None = None
    where: str = ""
    proved: bool = False
    change: tuple[tuple[str, str], ...] = ()
    changed: str = "second"
    laws: tuple[str, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()

    def lines(self) -> list[str]:
        """What the terminal shows."""
        text = {
            "same": "The same map, for all hyperparameters and learning rates.",
            "different": "Not the same map.",
            "undecided": f"No difference found in {self.trials} random trials, and no proof that there is none.",
        }[self.answer]
        parts = [text]
        if self.witness is not None:
            parts += self.witness.lines()
        if self.where:
            how = "They agree" if self.proved else f"No difference found in {self.trials} random trials"
            parts.append(f"{how} {self.where}.")
        parts += self._how()
        return [line for part in parts for line in textwrap.wrap(part, 100)]

    def _how(self) -> Iterator[str]:
        if self.renames:
            yield f"Hyperparameters of the second: {', '.join(f'{a} is {b}' for a, b in self.renames)}."
        if self.change:
            yield f"States of the {self.changed}: {', '.join(f'{a} is {b}' for a, b in self.change)}."
        if self.proved and self.laws:
            but = {law.name: f" (but where {law.except_})" for law in LAWS.values() if law.except_}
            yield f"By the laws: {', '.join(law + but.get(law, '') for law in self.laws)}."
        elif self.proved and not self.change:
            yield f"{'There they' if self.where else 'They'} read the same but for names and order."


def same(p: Program, q: Program, *, trials: int = TRIALS, seconds: float = SECONDS, agreement: bool = True) -> Verdict:
    """Whether two programs are the same map, up to names and a linear change of their states.

    "same" is proved, and no trial contradicts it; "different" has inputs that tell them apart. With `agreement`, a
    pair that is different is tried for constant rates and for hyperparameters at 0 or 1. Ends within `seconds`, about.
    """
    until = time.monotonic() + seconds
    witness = _told_apart(p, q, trials)
    if witness is None:
        return _verdict(p, q, until, trials)
    for names, other in _renamings(p, q):
        if _told_apart(p, other, trials) is None:
            return replace(_verdict(p, other, until, trials), renames=names)
    found = (_shifted(p, q, trials, until) or _agreement(p, q, trials, until)) if agreement else None
    return (
        Verdict("different", trials, witness) if found is None else replace(found, answer="different", witness=witness)
    )


def _told_apart(p: Program, q: Program, trials: int, constant_lr: bool = False) -> Witness | None:
    """Inputs that tell two programs apart; hyperparameters that only one of them has are tried off their defaults."""
    found = difference(p, q, trials=trials, constant_lr=constant_lr)
    mine = {name: _other(value, 0.75) for name, value in p.hyper if name != "lr" and name not in q.defaults}
    yours = {name: _other(value, 0.6) for name, value in q.hyper if name != "lr" and name not in p.defaults}
    if found is None and (mine or yours):
        found = difference(p, q, trials=2, hyper_p=mine, hyper_q=yours, constant_lr=constant_lr, seed=1)
    return found


def _other(value: float, factor: float) -> float:
    """Another number of the sort of a default; integers from 2 are counts and stay."""
    if value > 1 and value == int(value):
        return value
    return factor / 2 if value == 0 else value * factor


def _verdict(p: Program, q: Program, until: float, trials: int, constant_lr: bool = False) -> Verdict:
    """What is proved of two programs that no trial tells apart, by the states of either in those of the other."""
    try:
        for one, other, changed in ((p, q, "second"), (q, p, "first")):
            if proof := prove(one, other, until, constant_lr):
                return Verdict("same", trials, proved=True, change=proof.change, changed=changed, laws=proof.laws)
    except OutOfTimeError:
        pass
    return Verdict("undecided", trials)


def _renamings(p: Program, q: Program) -> Iterator[tuple[tuple[tuple[str, str], ...], Program]]:
    """The second program with the hyperparameters that only it has under names that only the first has."""
    mine = [name for name, _ in p.hyper if name not in q.defaults]
    yours = [name for name, _ in q.hyper if name not in p.defaults]
    if len(mine) == len(yours) <= 3 and mine:
        for order in itertools.permutations(mine):
            names = dict(zip(yours, order, strict=True))
            if not set(order) & {*q.state_names, *(a.name for a in q.body)}:
                yield tuple(names.items()), renamed(q, names)


def _agreement(p: Program, q: Program, trials: int, until: float) -> Verdict | None:
    """Under which condition, on the rate and on hyperparameters, two different programs are the same."""
    for setting in itertools.islice(_settings(p, q), MOST_SETTINGS):
        if time.monotonic() > until:
            return None
        a, b = (with_numbers(program, setting) for program in (p, q))
        for constant_lr in (False, True):
            if _told_apart(a, b, 2, constant_lr) is None and _told_apart(a, b, trials, constant_lr) is None:
                if not _moves(a):
                    continue
                rate = ["for constant lr"] if constant_lr else []
                values = [" and ".join(f"{name} = {value:g}" for name, value in setting.items())] if setting else []
                where = " where ".join([*rate, *values]) if rate else f"where {values[0]}"
                return replace(_verdict(a, b, until, trials, constant_lr), where=where)
    return None


def _shifted(p: Program, q: Program, trials: int, until: float) -> Verdict | None:
    """Whether they agree for constant lr once the weights of one are those at which it takes its gradient."""
    for one, other in ((p, q), (q, p)):
        ahead = at_gradient(one, until)
        if ahead is None:
            continue
        setting = {name: 0.0 for name in other.defaults if name not in one.defaults}
        other = with_numbers(other, setting)
        if _told_apart(ahead, other, trials, constant_lr=True) is None:
            values = "".join(f" and {name} = 0" for name in setting)
            where = f"for constant lr{values} where w is seen at the point at which {one.name} takes its gradient"
            pair = (ahead, other) if one is p else (other, ahead)
            return replace(_verdict(*pair, until, trials, True), where=where)
    return None


def _settings(p: Program, q: Program) -> Iterator[dict[str, float]]:
    """Hyperparameters to fix: none, those that only one program has, one more that both have."""
    defaults = {**p.defaults, **q.defaults}
    shared = [n for n in p.defaults if n in q.defaults and n != "lr"]
    lone = [n for n in defaults if n not in shared and n != "lr"]
    combinations: list[dict[str, float]] = []
    for size in range(len(lone) + 1):
        for names in itertools.combinations(lone, size):
            values = [(1.0,) if defaults[name] > 1 else NEUTRAL for name in names]  # above 1 are counts
            combinations += [dict(zip(names, v, strict=True)) for v in itertools.product(*values)]
    yield from combinations
    for name in shared:
        yield from ({**some, name: 0.0} for some in combinations)


def with_numbers(program: Program, values: Mapping[str, float]) -> Program:
    """The program with some hyperparameters put in as numbers."""
    known = {name: value for name, value in values.items() if name in program.defaults}
    states = tuple(replace(s, start=known.get(s.start, s.start) if isinstance(s.start, str) else s.start)
                   for s in program.states)  # fmt: skip
    body = (*(Assign(name, value) for name, value in known.items()), *program.body)
    return replace(program, hyper=tuple(h for h in program.hyper if h[0] not in known), states=states, body=body)


def _moves(program: Program) -> bool:
    """Whether the weights move at all."""
    still = Program("still", (), (("lr", 1.0),), (), ("w",))
    return _told_apart(program, still, 2) is not None
