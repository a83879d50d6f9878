"""Pruning: what is proposed, what trainings keep, with which figures, and in which time."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

import proxies
from evosearch import tuning
from evosearch.breed import make_context
from evosearch.proposals import proposals, size
from evosearch.prune import FIRST_SEED, RATES, SEEDS_EACH, TOLERANCE, TOTAL_TOLERANCE, Pruned, Step, prune
from primitives.graph import canonical
from primitives.program import Program, ProgramError, calls, expressions
from primitives.reference import names, reference
from primitives.text import parse, problems, show
from tests.evosearch.small import SMALL

TASK = "least_squares"
RAW = parse(
    """
def raw(w, g, v, *, lr=1.0):
    x = arcsin(clip(g, -lr, lr))
    update = sign(interp(x, v, 0.8999999761581421)) + w * 0.4602
    v = interp(x, v, 0.99822)
    return w - lr * (0.0002 * update), v
""".lstrip()
)
JUNK = parse(
    """
def junk(w, g, m, *, lr=0.0001, beta1=0.9, beta2=0.99):
    x = arcsin(clip(g, -1, 1))
    update = sign(ema(m, x, beta1))
    m = ema(m, x, beta2)
    return w - lr * update, m
""".lstrip()
)


def ops(program: Program) -> set[str]:
    return {call.op for expr in expressions(program) for call in calls(expr)}


def raw(body: str) -> Program:
    return canonical(parse("def raw(w, g, v, *, lr=1.0):\n" + body), symbolic=True)


# What is proposed.


@pytest.mark.parametrize("name", names())
def test_proposals_are_valid_smaller_different_and_the_most_saving_first(name: str) -> None:
    flat = canonical(reference(name), symbolic=True)
    found = proposals(reference(name))
    sizes = [size(child) for _, child in found]
    assert sizes == sorted(sizes)
    assert all(smaller < size(flat) for smaller in sizes)
    assert len({show(child) for _, child in found}) == len(found)
    assert not [fault for _, child in found for fault in problems(child)]


@pytest.mark.parametrize(
    ("law", "body"),
    [
        (
            "dropped arcsin of clip(g, -lr, lr)",
            "    x = clip(g, -lr, lr)\n    u = sign(interp(x, v, 0.8999999761581421)) + w * 0.4602\n"
            "    return w - lr * (0.0002 * u), interp(x, v, 0.99822)\n",
        ),
        (
            "dropped clip of g",
            "    x = arcsin(g)\n    u = sign(interp(x, v, 0.8999999761581421)) + w * 0.4602\n"
            "    return w - lr * (0.0002 * u), interp(x, v, 0.99822)\n",
        ),
        (
            "0.8999999761581421 rounded to 0.9",
            "    x = arcsin(clip(g, -lr, lr))\n    u = sign(interp(x, v, 0.9)) + w * 0.4602\n"
            "    return w - lr * (0.0002 * u), interp(x, v, 0.99822)\n",
        ),
        (
            "0.99822 rounded to 0.998",
            "    x = arcsin(clip(g, -lr, lr))\n    u = sign(interp(x, v, 0.8999999761581421)) + w * 0.4602\n"
            "    return w - lr * (0.0002 * u), interp(x, v, 0.998)\n",
        ),
    ],
)
def test_the_published_program_without_one_thing(law: str, body: str) -> None:
    assert dict(proposals(RAW))[law] == raw(body)


def test_a_state_goes_where_a_value_is_a_number_or_an_average_gives_way() -> None:
    found = dict(proposals(reference("adam")))
    assert found["v became 0"].state_names == ("m",)
    assert found["ema(m, g, beta1) became g"].state_names == ("v",)
    assert all(len(child.states) < 2 for law, child in found.items() if law.endswith(("became 0", "became 1")))


def test_weight_decay_stays_and_so_does_its_size() -> None:
    assert not [law for law, _ in proposals(reference("adamw")) if "weight_decay" in law and "dropped" in law]
    apart = parse("def f(w, g, *, lr=1):\n    return w - lr * (0.0002 * sign(g) + 9.2e-5 * w)")
    laws = [law for law, _ in proposals(apart)]
    assert "dropped sign of g" in laws
    assert not [law for law in laws if law.endswith("* w") or "factor" in law]


def test_a_difference_without_what_it_starts_from_changes_sign() -> None:
    program = parse("def f(w, g, *, lr=1):\n    return w - lr * (sin(w) - sign(g))\n")
    without = dict(proposals(program))
    assert without["dropped the term sin(w)"] == canonical(
        parse("def f(w, g, *, lr=1):\n    return w - lr * -sign(g)\n"), symbolic=True
    )


def test_a_factor_of_the_whole_update_is_left_to_the_learning_rate() -> None:
    assert not [law for law, _ in proposals(RAW) if "factor 0.0002" in law]


# What is kept, where it is known what everything is worth.


class Planted:
    """Trainings whose outcome is known: log loss is what a program lacks, best at rate 0.01, and luck by seed."""

    def __init__(self, lacks: Callable[[Program], float], own: float = 0.002, seconds: float = 0.0) -> None:
        self.lacks, self.own, self.seconds = lacks, own, seconds
        self.asked: list[tuple[tuple[int, ...], list[str]]] = []

    def __call__(self, plan: tuning.Plan, items: Sequence[tuning.Item]) -> list[np.ndarray]:
        self.asked.append((plan.seeds, [item[0] for item in items]))
        time.sleep(self.seconds * sum(len(plan.seeds) * len(item[1]) for item in items))
        return [self._losses(plan.seeds, item[0], np.array(item[1])) for item in items]

    def _losses(self, seeds: tuple[int, ...], text: str, exponents: np.ndarray) -> np.ndarray:
        luck = [np.random.default_rng(seed).normal(0, 0.3) for seed in seeds]  # everybody's
        own = [np.random.default_rng([seed, zlib.crc32(text.encode())]).normal(0, self.own) for seed in seeds]
        away = np.minimum(0.02 * (exponents + 8) ** 2, 1.0)
        return np.exp(-3 + self.lacks(parse(text)) + np.add(luck, own)[:, None] + away)


def worth(averages: float = 0.0, **values: float) -> Callable[[Program], float]:
    """What a program lacks that has not these primitives, and for each of two averages of a state that is gone."""

    def lacks(program: Program) -> float:
        gone = sum(value for op, value in values.items() if op not in ops(program))
        kept = [call for expr in expressions(program) for call in calls(expr) if call.op == "ema" and "m" in call.args]
        return gone + averages * (2 - len(kept))

    return lacks


def pruned(program: Program, run: Callable[..., list], **more) -> Pruned:
    return prune(program, [TASK], run=run, **{"seeds": 16, "seconds": 60.0} | more)


def test_junk_goes_what_is_of_use_stays_and_figures_are_right() -> None:
    found = pruned(JUNK, Planted(worth(sign=0.2, averages=0.3, arcsin=-0.05)))
    assert ops(found.program) >= {"sign", "ema"}
    assert not ops(found.program) & {"arcsin", "clip"}
    assert found.program.state_names == ("m",)
    assert found.finished
    assert [step.law.split()[1] for step in found.steps] == ["clip", "arcsin"]
    assert found.steps[1].change == pytest.approx(0.05, abs=0.005)
    assert found.total is not None
    assert found.total.low < 0.05 < found.total.high
    [sign] = [step for step in found.refused if step.law.startswith("dropped sign")]
    assert sign.low < -0.2 < sign.high < -TOLERANCE


def test_the_chain_leads_from_the_given_program_to_the_found_one() -> None:
    found = pruned(JUNK, Planted(worth(sign=0.2, averages=0.3)))
    before = [step.before for step in found.steps]
    after = [step.after for step in found.steps]
    assert before[0] == canonical(JUNK, symbolic=True)
    assert before[1:] == after[:-1]
    assert canonical(found.program, symbolic=True) == after[-1]


def test_all_are_trained_on_the_same_seeds_and_the_last_figures_on_fresh_ones() -> None:
    planted = Planted(worth(sign=0.2, averages=0.3))
    pruned(JUNK, planted, seed=3)
    *earlier, (last, chain) = planted.asked
    assert len(chain) == 3
    assert len(last) == 16
    assert not set(last) & {seed for seeds, _ in earlier for seed in seeds}
    first = FIRST_SEED + 3 * SEEDS_EACH
    assert all(first <= seed < first + SEEDS_EACH for seeds, _ in planted.asked for seed in seeds)
    again = Planted(worth(sign=0.2, averages=0.3))
    assert pruned(JUNK, again, seed=3).steps == pruned(JUNK, again, seed=3).steps


def test_an_arcsin_that_needs_its_clip_goes_first() -> None:
    def lacks(program: Program) -> float:
        return worth(sign=0.2, averages=0.3)(program) + 5.0 * ("arcsin" in ops(program) and "clip" not in ops(program))

    found = pruned(JUNK, Planted(lacks))
    assert [step.law.split()[1] for step in found.steps] == ["arcsin", "clip"]


@pytest.mark.parametrize("gain", [0.0, 0.2])
def test_small_losses_that_add_up_are_undone_and_hide_behind_no_gain(gain: float) -> None:
    junk = {"arctan", "arcsinh", "sin", "tanh", "expm1", "sinh", "cbrt"}
    chained = parse(
        "def f(w, g, *, lr=1):\n    return w - lr * sign(floor(arctan(arcsinh(sin(tanh(expm1(sinh(cbrt(g)))))))))\n"
    )

    def lacks(program: Program) -> float:
        small = 0.006 * len(junk - ops(program))
        return small + 3.0 * ("sign" not in ops(program)) + gain * ("floor" in ops(program))

    found = pruned(chained, Planted(lacks, own=0.0005))
    lost = [step.change for step in found.steps if "floor" not in step.law]
    assert "floor" not in ops(found.program)
    assert 0 < len(lost) < len(junk)
    assert -TOTAL_TOLERANCE - 0.006 < sum(lost) < -0.01
    assert all(step.low > -TOLERANCE for step in found.steps)
    undone = [step for step in found.refused if step.low > -TOLERANCE]
    assert undone[0].before == found.steps[-1].after
    assert len(undone) + len(lost) == len(junk)


def test_doubt_keeps_what_is_there() -> None:
    assert pruned(JUNK, Planted(worth(sign=0.1, averages=0.1, arcsin=0.1, clip=0.1), own=0.3)).program == JUNK


def test_all_ends_in_time_and_says_so() -> None:
    began = time.monotonic()
    found = pruned(reference("adamw"), Planted(worth(ema=0.1), seconds=3e-4), seconds=0.3)
    assert time.monotonic() - began < 10  # it ends; how fast the machine is does not matter
    assert not found.finished
    assert "Time ended" in found.lines()[-1]


def test_lines_fit_and_say_where_lr_is_another() -> None:
    step = Step("dropped " + "x" * 300, JUNK, JUNK, -0.0012, -0.01, 3.25, 100)
    found = Pruned(JUNK, (step, step), (step,), 59.2, False, step, 12_345, rates=100.0)
    assert max(map(len, found.lines())) <= 100
    assert any("100 times" in line for line in found.lines())
    assert found.lines()[1].endswith("...: -0.001 [-0.010, +3.250]")


# Real trainings.


def real(plan: tuning.Plan, items: Sequence[tuning.Item]) -> list[np.ndarray]:
    return tuning.trainings(make_context(SMALL), plan, items)


def test_on_a_real_task_lion_loses_an_arcsin_and_keeps_its_sign_and_momentum() -> None:
    found = pruned(JUNK, real, seeds=48)
    assert {"sign", "ema"} <= ops(found.program)
    assert "arcsin" not in ops(found.program)
    assert found.program.state_names == ("m",)
    assert found.finished
    assert math.isfinite(found.rates)


def test_products_of_matrices_can_be_pruned() -> None:
    program = replace(JUNK, body=parse(show(JUNK).replace("sign(", "newton_schulz(")).body)
    found = pruned(program, real)
    assert "newton_schulz" in ops(program)
    assert "arcsin" not in ops(found.program)


def test_on_a_real_task_the_published_program_loses_clip_and_arcsin() -> None:
    found = pruned(RAW, real)
    assert not ops(found.program) & {"arcsin", "clip"}
    assert "sign" in ops(found.program)
    assert found.program.state_names == ("v",)
    assert found.total is not None
    assert found.total.low > 0


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (reference("adagrad_full"), "works on whole matrices"),
        (reference("newton"), "asks the loss itself"),
        (parse("def f(w, g, *, lr=1):\n    return w - lr * log(g - g)\n"), "trains at no learning rate on"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(program: Program, says: str) -> None:
    with pytest.raises(ProgramError, match=says) as error:
        pruned(program, real)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("wrong", [{"seeds": 3}, {"seed": -1}, {"seed": 100}])
def test_numbers_that_are_no_plan_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="pruning needs"):
        pruned(JUNK, real, **wrong)


def test_held_out_tasks_stay_sealed() -> None:
    with pytest.raises(proxies.TaskError, match="held out"):
        prune(JUNK, ["counts"], run=real)


def test_rates_are_those_of_a_search() -> None:
    assert RATES == (-2, -1, 0, 1, 2)
