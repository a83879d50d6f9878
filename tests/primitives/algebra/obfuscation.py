"""Programs that do what a reference program does and read like the raw result of a search."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from primitives.kinds import NUMBER, TENSOR, KindError
from primitives.program import Call, Program, calls, expressions
from primitives.table import PRIMITIVES
from primitives.text import parse, problems, show
from tests.primitives.algebra.draft import Atom, Draft, Site, kind_of, put_together, taken_apart
from tests.primitives.algebra.identities import Place
from tests.primitives.problems import PROBLEMS, Problem, interpreted

Array = np.ndarray
DRAWS = 40  # programs drawn before giving up
STEPS = 20
TOLERANCE = 1e-9  # of the farthest way from the start
SCALES = (0.5, 2.0, 3.0, 4.0, -1.0)
DEAD = ("add", "multiply", "subtract", "tanh", "sqrt_abs", "sign", "max", "square", "arctan", "less")
Rewriting = Callable[[Draft, np.random.Generator], bool]  # False where there was nothing to rewrite


def obfuscated(program: Program, rng: np.random.Generator, strength: int) -> Program:
    """A program that is the same map wherever the original is finite, after `strength` random rewritings.

    One that is not within 1e-9 on a trajectory in float64, where a rewriting cancels too much, is drawn again.
    """
    for _ in range(DRAWS):
        found = drawn(program, rng, strength)
        if same_path(program, found):
            return found
    raise AssertionError(f"none of {DRAWS} rewritings of {program.name} is the same map in float64.")


def drawn(program: Program, rng: np.random.Generator, strength: int) -> Program:
    """A random rewriting, whatever floating point makes of it."""
    draft = taken_apart(program)
    done = 0
    while done < strength:
        done += _chosen(rng)(draft, rng)
    found = put_together(draft, rng)
    assert not problems(found), problems(found)
    return parse(show(found))


def same_path(program: Program, other: Program) -> bool:
    """Whether both go the same way for twenty steps."""
    wanted = _path(program)
    found = np.array(interpreted(other, _hyper(program), _problem(program), steps=STEPS))
    return bool(np.abs(found - wanted).max() <= TOLERANCE * np.abs(wanted - wanted[0]).max())


@cache
def _path(program: Program) -> Array:
    path = np.array(interpreted(program, _hyper(program), _problem(program), steps=STEPS))
    assert np.isfinite(path).all()
    return path


def _problem(program: Program) -> Problem:
    """A bumpy loss with zeros among its gradients; a quadratic, whose Hessian is not singular, for who asks it."""
    return PROBLEMS[0] if asks_the_loss(program) else PROBLEMS[1]


def _hyper(program: Program) -> dict[str, float]:
    """Safeguards large enough to be seen, and to keep roots of matrices well conditioned."""
    return {"eps": 0.01} if "eps" in program.defaults else {}


def asks_the_loss(program: Program) -> bool:
    """Whether a program needs an oracle."""
    return any(PRIMITIVES[call.op].form == "oracle" for expr in expressions(program) for call in calls(expr))


def _chosen(rng: np.random.Generator) -> Rewriting:
    rewritings, weights = zip(*REWRITINGS.items(), strict=True)
    found: Rewriting = rewritings[rng.choice(len(rewritings), p=np.array(weights) / sum(weights))]
    return found


def _site(draft: Draft, rng: np.random.Generator) -> Site:
    sites = list(draft.sites())
    return sites[rng.integers(len(sites))]


def identity(draft: Draft, rng: np.random.Generator) -> bool:
    """One value written in another way; rather by what it is made of than by a law that holds of everything."""
    place = Place(draft, _site(draft, rng), rng)
    candidates = place.candidates()
    structural = [c for c in candidates if all(isinstance(side, Call) for side in c[0].sides)]
    among = structural if structural and rng.random() < 0.7 else candidates
    if not among:
        return False
    _, there, letters = among[rng.integers(len(among))]
    return place.replace(there, letters)


def split_constant(draft: Draft, rng: np.random.Generator) -> bool:
    """A constant as a sum, a difference or a product of two."""
    sites = [site for site in draft.sites() if isinstance(draft.at(site), float)]
    if not sites:
        return False
    site = sites[rng.integers(len(sites))]
    value = float(draft.at(site))
    part = float(rng.choice((0.25, 0.5, 1.5, 2.0, 3.0)))
    op, rest = (("add", value - part), ("subtract", value + part), ("multiply", value / part))[rng.integers(3)]
    args = (rest, part)
    before = len(draft.body)
    new = draft.emit(Call(op, args), site[0])
    draft.put((site[0] + len(draft.body) - before, site[1]), new)
    return True


def copied_state(draft: Draft, rng: np.random.Generator) -> bool:
    """A second copy of a state, which some of the reads are of."""
    if not draft.states:
        return False
    i = int(rng.integers(len(draft.states)))
    old = draft.states[i]
    twin = draft.add_state(old.start, draft.returns[1 + i])
    _some_reads(draft, rng, old.name, twin)
    return True


def scaled_state(draft: Draft, rng: np.random.Generator) -> bool:
    """A state that is a multiple of another, from which some of the reads are computed."""
    states = [i for i, state in enumerate(draft.states) if isinstance(state.start, float)]
    if not states:
        return False
    i = states[rng.integers(len(states))]
    scale = float(rng.choice(SCALES))
    start = float(draft.states[i].start)
    new = draft.emit(Call("multiply", (scale, draft.returns[1 + i])))
    multiple = draft.add_state(scale * start if start else 0.0, new)
    _some_reads(draft, rng, draft.states[i].name, draft.emit(Call("divide", (multiple, scale)), 0))
    return True


def constant_state(draft: Draft, rng: np.random.Generator) -> bool:
    """A state that never changes, in place of a number or a hyperparameter."""
    numbers = {name for name in draft.origin.defaults if name != "lr"}
    sites = [site for site in draft.sites() if isinstance(draft.at(site), float) or draft.at(site) in numbers]
    if not sites:
        return False
    site = sites[rng.integers(len(sites))]
    value = draft.at(site)
    state = draft.add_state(value, value if rng.random() < 0.3 else None)
    draft.put(site, state)
    return True


def dead_state(draft: Draft, rng: np.random.Generator) -> bool:
    """A state that is kept up to date, or remembers the last value of something, and moves nothing."""
    place = Place(draft, (len(draft.body), 0), rng)
    x = _finite(place)
    start = "w" if place.kinds[x] == TENSOR and rng.random() < 0.2 else float(rng.choice((0.0, 0.0, 1.0, 0.5)))
    own = draft.add_state(start)
    new = (x, Call("ema", (own, x, 0.9)), Call("max", (own, x)), Call("mix", (0.5, own, 2.0, x)))[rng.integers(4)]
    draft.returns[-1] = draft.emit(new)
    return True


def dead_code(draft: Draft, rng: np.random.Generator) -> bool:
    """One or two statements that nobody reads."""
    site = _site(draft, rng)
    place = Place(draft, site, rng)
    p = PRIMITIVES[str(rng.choice(DEAD))]
    call = Call(p.name, tuple(_finite(place) for _ in p.args))
    try:
        kind_of(call, place.kinds)
    except KindError:
        return False
    value = draft.emit(call, site[0])
    if rng.random() < 0.5:
        draft.emit(Call("multiply", (value, 0.5)))
    return True


def _some_reads(draft: Draft, rng: np.random.Generator, old: str, new: Atom) -> None:
    for site in list(draft.sites()):
        if draft.at(site) == old and rng.random() < 0.6:
            draft.put(site, new)


def _finite(place: Place) -> str:
    rather = [name for name in place.known if place.kinds[name] != NUMBER]
    return rather[place.rng.integers(len(rather))]


REWRITINGS: dict[Rewriting, float] = {
    identity: 10,
    split_constant: 1,
    copied_state: 1,
    scaled_state: 1,
    constant_state: 1,
    dead_state: 1,
    dead_code: 1.5,
}
