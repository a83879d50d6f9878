"""Which reference programs a program is, or is nearest to: with what hyperparameters, and what it has beside them."""

from __future__ import annotations

import itertools
import math
import textwrap
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from primitives.algebra.arena import OutOfTimeError
from primitives.algebra.behaviour import asks, cosine, moves, reference_moves
from primitives.algebra.bound import bound, without, written
from primitives.algebra.difference import difference
from primitives.algebra.identify import MOST_NEUTRAL, NEUTRAL, Fit, Pattern, Subject, pattern, plainness, settings
from primitives.algebra.laws import PROTECTED
from primitives.algebra.simplify import reduced
from primitives.program import Call, Program
from primitives.reference import names, reference
from primitives.show import show_expr

Expr = str | float | Call
SECONDS = 1.0
MOST = 3
MOST_EXTRA = 2  # terms that a program may have beside a reference
TWINS = 0.999  # cosine of what counts as the same
WIDTH = 100


@dataclass(frozen=True)
class Relative:
    """A reference program and how the program is related to it.

    `exact` says that it is the same map as the reference with the values in `hyper`, numbers or texts over the
    program's hyperparameters, at `rate` times the learning rate, once the terms in `extra` are left out of its update.
    `missing` are the hyperparameters that it does without. `cosine` compares what the two do at their defaults, step by
    step (None where it was not tried); where nothing is shown of their texts that alone makes them relatives.
    """

    name: str
    exact: bool
    hyper: tuple[tuple[str, str | float], ...] = ()
    rate: str | float = 1.0
    extra: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    cosine: float | None = None

    def lines(self) -> list[str]:
        """What the terminal shows."""
        together = self._text().replace(" = ", "\0=\0")
        return [line.replace("\0", " ") for line in textwrap.wrap(together, WIDTH)]

    def _text(self) -> str:
        if not self.exact and not self.extra:
            return f"Nearest by what it does: {self.name} (cosine of updates {self.cosine:.2f})."
        text = f"It is {self.name}" if self.exact else f"Nearest: {self.name}"
        defaults = reference(self.name).defaults
        shown = [
            f"{name} = {_short(value)}"
            for name, value in self.hyper
            if name not in self.missing and value != name and not NEUTRAL.get(name) == defaults[name] == value
        ]
        unusual = _unusual(self.name, self.missing)
        parts = [text + (f" with {', '.join(shown)}" if shown else "")]
        parts += [f"without {' and '.join(unusual)}"] if unusual else []
        parts += [f"at {_short(self.rate)} times the rate"] if self.rate != 1 else []
        parts += [f"plus {' and '.join(self.extra)}"] if self.extra else []
        return ", ".join(parts) + "."


def relatives(program: Program, seconds: float = SECONDS) -> tuple[Relative, ...]:
    """The reference program that this is, or up to three that it is nearest to, best first.

    Ends within about `seconds`; where that is too short fewer are found, and what is called exact is so all the same.
    """
    until = time.monotonic() + seconds
    by_text: dict[str, Relative] = {}
    try:
        for found in _by_text(program, until):
            if found.exact:
                return (found,)
            by_text.setdefault(found.name, found)
            if len(by_text) == MOST - 1:
                break
    except (OutOfTimeError, RecursionError):
        pass
    return (*by_text.values(), *_by_behaviour(program, list(by_text))[: MOST - len(by_text)])


def _by_text(program: Program, until: float) -> Iterator[Relative]:
    """References that the program is, as a whole or but for terms of its update; as few as possible of these."""
    whole = subject = Subject(program, until)
    yield from _identified(whole, (), 0)
    shorter = reduced(program, PROTECTED, until)
    if shorter != program and difference(program, shorter) is None:
        subject = Subject(shorter, until)
        yield from _identified(subject, ())
    yield from _identified(whole, ())
    terms = subject.terms()
    found = False
    for count in range(1, min(MOST_EXTRA, len(terms) - 1) + 1):
        for extra in itertools.combinations(terms, count):
            for relative in _identified(subject, extra):
                found = True
                yield relative
        if found:
            return


def _identified(subject: Subject, extra: tuple[int, ...], neutral: int = MOST_NEUTRAL) -> Iterator[Relative]:
    """The plainest reference that the program without some terms is; what the algebra says is tried with numbers.

    At most `neutral` of the reference's hyperparameters may be at their neutral values.
    """
    arena = subject.arena
    w = arena.add(subject.normal.w, *(arena.negative(term) for term in extra))
    rest = without(subject.program, arena, extra)
    for candidate in _candidates(subject, w, neutral):
        if extra and len(extra) + len(_unusual(candidate.name, dict(candidate.fixed))) > MOST_EXTRA:
            continue
        fit = subject.fits(candidate, w)
        other = bound(subject, fit) if fit is not None else None
        if fit is not None and other is not None and difference(rest, other) is None:
            yield _relative(subject, fit, extra)
            return


def _unusual(name: str, neutral: Iterable[str]) -> list[str]:
    """Of hyperparameters at their neutral values those that have others by default."""
    defaults = reference(name).defaults
    return [hyper for hyper in neutral if defaults[hyper] != NEUTRAL[hyper]]


def _candidates(subject: Subject, w: int, neutral: int) -> Iterator[Pattern]:
    """The patterns of references that are made of all that the program is made of."""
    states, made_of = subject.parts(w)
    for name, fixed in settings():
        if time.monotonic() > subject.arena.until:
            raise OutOfTimeError
        if len(fixed) > neutral:
            return
        whole = pattern(name, ())
        if states <= len(whole.states) and made_of <= whole.made_of:
            yield pattern(name, fixed)


def _relative(subject: Subject, fit: Fit, extra: tuple[int, ...]) -> Relative:
    arena = subject.arena
    over = arena.negative(arena.power(arena.input("lr"), Fraction(-1)))
    texts = tuple(show_expr(_rounded(written(arena, arena.multiply(term, over)))) for term in extra)
    known: dict[str, str | float] = dict(fit.pattern.fixed)
    known |= {name: _plain(written(arena, i)) for name, i in fit.hyper.items()}
    hyper = tuple((name, known[name]) for name in fit.pattern.program.defaults if name != "lr")
    missing = tuple(name for name, _ in fit.pattern.fixed)
    return Relative(fit.pattern.name, not extra, hyper, _plain(written(arena, fit.rate)), texts, missing)


def _by_behaviour(program: Program, known: list[str]) -> list[Relative]:
    """The references whose moves are most alike; of those that move alike the plainest, and none like the known."""
    if asks(program):
        return []
    own = moves(program)
    likeness: list[tuple[float, int, tuple[int, int, str]]] = []
    for name in names():
        if not asks(reference(name)):
            states = abs(len(reference(name).states) - len(program.states))
            likeness.append((-round(cosine(own, reference_moves(name)), 2), states, plainness(name)))
    found: list[Relative] = []
    for c, _, (_, _, name) in sorted(likeness):
        others = [*known, *(r.name for r in found)]
        if c < 0 and not any(name == o or cosine(reference_moves(name), reference_moves(o)) > TWINS for o in others):
            found.append(Relative(name, False, cosine=-c))
        if len(found) == MOST:
            break
    return found


def _plain(value: Expr) -> str | float:
    return show_expr(value) if isinstance(value, Call) else value


def _short(value: str | float) -> str:
    """A number with as many digits as it needs, and as its distance from 1 needs."""
    if isinstance(value, str):
        return value
    for digits in range(2, 17):
        text = f"{value:.{digits}g}"
        if all(math.isclose(float(text) - x, value - x, rel_tol=0.005) for x in (0, 1)):
            return text
    return repr(value)


def _rounded(expr: Expr) -> Expr:
    if isinstance(expr, Call):
        return Call(expr.op, tuple(map(_rounded, expr.args)))
    return expr if isinstance(expr, str) else float(_short(expr))
