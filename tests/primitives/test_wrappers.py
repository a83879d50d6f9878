"""Wrapped programs against straight transcriptions in NumPy, and against other people's wrappers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from primitives.expressions import program_of
from primitives.graph import canonical
from primitives.program import Program, ProgramError
from primitives.reference import reference
from primitives.rewriting import reads
from primitives.schedules import SCHEDULES
from primitives.specialise import specialise
from primitives.text import parse, show
from primitives.wrappers import WRAPPERS, by_role, by_shape, clip_norm, lookahead, sam, scheduled
from tests.primitives.descents import PROBLEMS, agree, descend, norm

STEPS = 50
problems = pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)


def add(x, a, y):
    return [p + a * q for p, q in zip(x, y, strict=True)]


def clipped(g, most, margin=0.0):
    return [x * min(1.0, most / (norm(g) + margin)) for x in g]


def sharp(problem, x, rho):
    g = problem.gradient(x)
    return problem.gradient(add(x, rho / (norm(g) + 1e-12), g))


def run(problem, update):
    """The weights after each step of `update(t, w) -> w`."""
    w, found = [x.copy() for x in problem.begin], []
    for t in range(1, STEPS + 1):
        w = update(t, w)
        found.append(w)
    return found


def momentum(gradient, lr, beta):
    p = None

    def update(t, w):
        nonlocal p
        g = gradient(w)
        p = g if p is None else add(g, beta, p)
        return add(w, -lr(t), p)

    return update


@problems
def test_lookahead(problem):
    m = [0 * x for x in problem.begin]
    v = [0 * x for x in problem.begin]
    slow = problem.begin

    def update(t, w):
        nonlocal m, v, slow
        g = problem.gradient(w)
        m = [0.8 * a + 0.2 * b for a, b in zip(m, g, strict=True)]
        v = [0.95 * a + 0.05 * b * b for a, b in zip(v, g, strict=True)]
        step = [a / (1 - 0.8**t) / (np.sqrt(b / (1 - 0.95**t)) + 1e-6) for a, b in zip(m, v, strict=True)]
        w = add(w, -0.02, step)
        if t % 4 == 0:
            w = slow = [s + 0.3 * (x - s) for s, x in zip(slow, w, strict=True)]
        return w

    program = program_of("lookahead(adam(lr=0.02, beta1=0.8, beta2=0.95, eps=1e-6), k=4, alpha=0.3)")
    agree(descend(program, problem, STEPS), run(problem, update), 1e-10)


@problems
def test_sam(problem):
    program = program_of("sam(momentum(lr=0.003, beta=0.8), rho_sam=0.1)")
    update = momentum(lambda w: sharp(problem, w, 0.1), lambda t: 0.003, 0.8)
    agree(descend(program, problem, STEPS), run(problem, update), 1e-10)


@problems
@pytest.mark.parametrize("margin", [0, 1e-6, 0.5])
def test_clip_norm(problem, margin):
    program = program_of(f"clip_norm(momentum(lr=0.02, beta=0.8), max_norm=0.7, margin={margin})")
    update = momentum(lambda w: clipped(problem.gradient(w), 0.7, margin), lambda t: 0.02, 0.8)
    agree(descend(program, problem, STEPS), run(problem, update), 1e-10)


@problems
def test_which_wrapper_acts_first(problem):
    """sam(clip(P)) clips the gradient at the sharper point; clip(sam(P)) both gradients that SAM consumes."""

    def both(w):
        g = clipped(problem.gradient(w), 0.7)
        return clipped(problem.gradient(add(w, 2 / (norm(g) + 1e-12), g)), 0.7)

    inner = descend(program_of("sam(clip_norm(sgd(lr=0.02), max_norm=0.7), rho_sam=2)"), problem, STEPS)
    agree(inner, run(problem, lambda t, w: add(w, -0.02, clipped(sharp(problem, w, 2), 0.7))), 1e-10)
    outer = descend(program_of("clip_norm(sam(sgd(lr=0.02), rho_sam=2), max_norm=0.7)"), problem, STEPS)
    agree(outer, run(problem, lambda t, w: add(w, -0.02, both(w))), 1e-10)


@problems
@pytest.mark.parametrize("wrapper", ["clip_norm", "sam"])
def test_inside_nesterov_the_gradient_ahead_is_meant(problem, wrapper):
    """Nesterov's method takes its gradient at w - lr beta p, and that one is clipped, or taken once more."""
    p = [0 * x for x in problem.begin]

    def update(t, w):
        nonlocal p
        ahead = add(w, -0.01 * 0.7, p)
        g = sharp(problem, ahead, 0.3) if wrapper == "sam" else clipped(problem.gradient(ahead), 0.3)
        p = add(g, 0.7, p)
        return add(w, -0.01, p)

    option = "rho_sam=0.3" if wrapper == "sam" else "max_norm=0.3"
    program = program_of(f"{wrapper}(nesterov(lr=0.01, beta=0.7), {option})")
    agree(descend(program, problem, STEPS), run(problem, update), 1e-10)
    assert not reads(program, "g")  # nothing is paid for the gradient at w


@problems
def test_scheduled(problem):
    program = program_of("scheduled(momentum(lr=0.003, beta=0.8), cosine(end=0.1))")

    def rate(t):
        return 0.003 * (0.1 + 0.9 * (1 + math.cos(math.pi * (t - 1) / STEPS)) / 2)

    update = momentum(problem.gradient, rate, 0.8)
    agree(descend(program, problem, STEPS), run(problem, update), 1e-10)


@problems
@pytest.mark.parametrize("ratio", [1, 0.3])
def test_by_shape_with_sums_over_the_own_branch(problem, ratio):
    """The matrix by clipped momentum, the vector by SAM: each norm is over its own branch, SAM moves no matrix."""
    p, q = 0 * problem.begin[0], 0 * problem.begin[1]

    def update(t, w):
        nonlocal p, q
        matrix, vector = problem.gradient(w)
        p = 0.8 * p + clipped([matrix], 0.7)[0]
        q = 0.6 * q + problem.gradient([w[0], w[1] + 0.2 * vector / (norm([vector]) + 1e-12)])[1]
        return [w[0] - 0.01 * p, w[1] - 0.01 * ratio * q]

    first, second = "clip_norm(momentum(beta=0.8, lr=0.01), max_norm=0.7)", "sam(momentum(beta=0.6), rho_sam=0.2)"
    program = program_of(f"by_shape({first}, {second}, lr_ratio={ratio})")
    assert program.state_names == ("p", "p_2")
    agree(descend(program, problem, STEPS), run(problem, update), 1e-10)


@problems
def test_by_role(problem):
    """A matrix that is no hidden one belongs to the rest."""
    program = program_of("by_role(sgd(lr=0.001), lion(weight_decay=0.1))")
    lion = program_of("lion(weight_decay=0.1, lr=0.001)")
    agree(descend(program, problem, STEPS, roles=("head", "vector")), descend(lion, problem, STEPS), 1e-12)
    by_hand = descend(program_of("by_shape(sgd(lr=0.001), lion(weight_decay=0.1))"), problem, STEPS)
    agree(descend(program, problem, STEPS, roles=("hidden", "vector")), by_hand, 0)


@problems
def test_branches_share_lr_and_no_other_number(problem):
    numbers = {"beta1": 0.7, "beta2": 0.9, "eps": 0.1}
    first, second = program_of("adam(lr=0.02)"), program_of("adam(beta1=0.7, beta2=0.9, eps=0.1)")
    program = by_shape(first, second)
    assert program.defaults == {**first.defaults, **{f"{key}_2": value for key, value in numbers.items()}}
    assert program.state_names == ("m", "v", "m_2", "v_2")
    m, v = [0 * x for x in problem.begin], [0 * x for x in problem.begin]

    def update(t, w):
        for i, (g, a, b, e) in enumerate(zip(problem.gradient(w), (0.9, 0.7), (0.999, 0.9), (1e-8, 0.1), strict=True)):
            m[i], v[i] = a * m[i] + (1 - a) * g, b * v[i] + (1 - b) * g * g
            step = m[i] / (1 - a**t) / (np.sqrt(v[i] / (1 - b**t)) + e)
            w = [x - 0.02 * step if i == k else x for k, x in enumerate(w)]
        return w

    agree(descend(program, problem, STEPS), run(problem, update), 1e-10)


def test_a_branch_costs_nothing_where_it_is_not_taken():
    program = program_of("by_shape(sgd, adam)")
    assert specialise(program, {"is_matrix": 1.0}).states == ()
    assert len(specialise(program, {"is_matrix": 0.0}).states) == 2


def test_what_solves_for_the_whole_model_has_no_place_in_a_branch():
    with pytest.raises(ProgramError, match="no place in a branch"):
        program_of("by_shape(newton, sgd)")


def test_ranger_is_lookahead_of_radam():
    ours, written = lookahead(reference("radam")), reference("ranger")
    assert canonical(ours).body == canonical(written).body
    assert canonical(ours).returns == canonical(written).returns
    assert ours.defaults == written.defaults


@pytest.mark.parametrize("wrapper", ["clip_norm(sgd)", "sam(sgd)", "clip_norm(sam(sgd), margin=1e-6)"])
def test_a_zero_gradient_stays_zero(wrapper):
    [still] = [p for p in PROBLEMS if p.name == "quadratic"]
    still = type(still)("still", still.loss, lambda x: [0 * part for part in x], still.begin)
    agree(descend(program_of(wrapper), still, 2), [still.begin] * 2, 0)


def test_names_do_not_clash():
    text = "def own(w, g, slow, k=w, *, lr=0.1, alpha=0.5, fast=1, max_norm=1):\n"
    text += "    synced = g + alpha * slow\n    clipped = synced * fast * max_norm\n"
    text += "    return w - lr * clipped, synced, k\n"
    program = lookahead(clip_norm(parse(text), max_norm=2))
    assert program.state_names == ("slow", "k", "slow_2")
    assert [name for name, _ in program.hyper] == ["lr", "alpha", "fast", "max_norm", "max_norm_2", "k_2", "alpha_2"]
    assert parse(show(program)) == program


def test_a_program_that_assigns_w_keeps_its_meaning():
    moved = parse("def moved(w, g, *, lr=0.01):\n    w = w - lr * g\n    return w - lr * grad_at(w)\n")
    for problem in PROBLEMS:
        both = descend(by_shape(moved, moved), problem, 5)

        def update(t, w, problem=problem):
            first = add(w, -0.01, problem.gradient(w))
            matrix = problem.gradient([first[0], w[1]])[0]
            vector = problem.gradient([w[0], first[1]])[1]
            return add(first, -0.01, [matrix, vector])

        agree(both, run(problem, update)[:5], 1e-12)
        assert isinstance(by_role(moved, moved), Program)
        agree(descend(clip_norm(moved, max_norm=1e9), problem, 5), descend(moved, problem, 5), 0)


@pytest.mark.parametrize("wrapper", [sam, clip_norm, scheduled])
def test_a_wrapper_that_changes_nothing_is_refused(wrapper):
    program = parse("def decay(w, g, *, lr=0.01):\n    return 0.9 * w\n")
    schedules = [SCHEDULES["cosine"] for kind in wrapper.takes if kind == "schedule"]
    with pytest.raises(ProgramError, match="has no place in decay"):
        wrapper(program, *schedules)


@pytest.mark.parametrize("wrapper", WRAPPERS.values(), ids=lambda w: w.name)
def test_options_are_checked(wrapper):
    operands = [SCHEDULES["cosine"] if kind == "schedule" else reference("sgd") for kind in wrapper.takes]
    program = wrapper(*operands)
    assert parse(show(program)) == program
    assert program.name.startswith(wrapper.name)
    assert wrapper.doc.split(":")[0] in program.doc
    for option in wrapper.options:
        with pytest.raises(ProgramError, match=f"{option.name} is .* must be"):
            wrapper(*operands, **{option.name: option.low - 1})
    with pytest.raises(ProgramError, match="no option 'wrong'"):
        wrapper(*operands, wrong=1)
    with pytest.raises(ProgramError, match="takes"):
        wrapper()


def torch_run(problem, make):
    """The weights after each step of a torch optimizer that is fed the problem's gradients by a closure."""
    weights = [torch.nn.Parameter(torch.tensor(x)) for x in problem.begin]

    def closure():
        for w, g in zip(weights, problem.gradient([w.detach().numpy() for w in weights]), strict=True):
            w.grad = torch.tensor(g)
        return torch.tensor(problem.loss([w.detach().numpy() for w in weights]))

    advance = make(weights, closure)
    return run(problem, lambda t, _: (closure(), advance(), [w.detach().numpy().copy() for w in weights])[-1])


@problems
def test_clipping_of_torch(problem):
    def make(weights, closure):
        sgd = torch.optim.SGD(weights, lr=0.02, momentum=0.8)

        def advance():
            torch.nn.utils.clip_grad_norm_(weights, 0.7)
            sgd.step()

        return advance

    program = program_of("clip_norm(momentum(lr=0.02, beta=0.8), max_norm=0.7, margin=1e-6)")
    agree(descend(program, problem, STEPS), torch_run(problem, make), 1e-10)


@problems
def test_lookahead_of_pytorch_optimizer(problem):
    found = pytest.importorskip("pytorch_optimizer")

    def make(weights, closure):
        return found.Lookahead(torch.optim.Adam(weights, lr=0.02), k=4, alpha=0.3).step

    program = program_of("lookahead(adam(lr=0.02), k=4, alpha=0.3)")
    agree(descend(program, problem, STEPS), torch_run(problem, make), 1e-10)


@problems
def test_sam_of_pytorch_optimizer(problem):
    found = pytest.importorskip("pytorch_optimizer")

    def make(weights, closure):
        optimizer = found.SAM(weights, torch.optim.SGD, rho=0.1, lr=0.003, momentum=0.8)
        return lambda: optimizer.step(closure)

    program = program_of("sam(momentum(lr=0.003, beta=0.8), rho_sam=0.1)")
    agree(descend(program, problem, STEPS), torch_run(problem, make), 1e-7)


@problems
def test_clipping_of_optax(problem):
    optax, jax = pytest.importorskip("optax"), pytest.importorskip("jax")
    with jax.enable_x64(True):
        chain = optax.chain(optax.clip_by_global_norm(0.7), optax.sgd(0.02, momentum=0.8))
        state = chain.init(problem.begin)

        def update(t, w):
            nonlocal state
            updates, state = chain.update(problem.gradient(w), state, w)
            return add(w, 1, [np.asarray(u) for u in updates])

        program = program_of("clip_norm(momentum(lr=0.02, beta=0.8), max_norm=0.7)")
        agree(descend(program, problem, STEPS), run(problem, update), 1e-10)
