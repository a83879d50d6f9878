"""A user's own primitives: what may be one, what each mistake is told, and that every machine then knows it.

What enters the table stays for the life of a process, so whoever enters one does so in a process of its own.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from primitives import own
from primitives.agreement import disagreements
from primitives.primitive import Primitive, composite, primitive, times
from primitives.record import FUNCTIONS, faults
from primitives.table import PRIMITIVES

ROOT = Path(__file__).parents[2]
IMPORTS = "from primitives.primitive import composite, primitive\n"
EXAMPLE = ROOT / "experiments" / "own-primitive" / "bounded.py"


def softsign(name: str = "softsign", args: str = "x", **changes: Any) -> Primitive:
    """A good record, with some of it changed."""
    record: dict[str, Any] = {
        "meaning": lambda f, x: x / (1 + f.abs(x)), "formula": "x/(1 + Abs(x))", "kernel": "x/(F(1) + abs(x))",
        "torch": "x / (1 + torch.abs(x))", "cost": 2.5,
    }  # fmt: skip
    return primitive(name, args, **record | changes)


def test_a_good_record_has_no_fault() -> None:
    assert faults(softsign(), set(PRIMITIVES)) == []
    assert disagreements(softsign()) == []
    assert faults(composite("mean_size", "x", "mean(abs(x))"), set(PRIMITIVES)) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "tanh"}, "tanh is a primitive already"),
        ({"name": "lr"}, "lr means something else"),
        ({"name": "soft sign"}, "'soft sign' is no name"),
        ({"form": "reduction"}, "has the form 'reduction'; a primitive of your own is pointwise, or a composite"),
        ({"infix": "@"}, "leave `infix` out"),
        ({"cost": -1}, "costs -1"),
        ({"args": "x:heavy"}, "the role 'heavy'; roles are any, weight"),
        ({"args": "x x"}, "the arguments of softsign are x x"),
        ({"args": ""}, "has 0 arguments; it may have 1 to 4"),
        ({"meaning": None}, "softsign has no meaning"),
        ({"meaning": lambda x: x}, "the meaning of softsign takes x; it must take f, x"),
        ({"meaning": lambda f, x: f.soft(x)}, "softsign cannot be computed: AttributeError"),
        ({"meaning": lambda f, x: x.sum()}, "gives an array of the shape"),
        ({"kernel": "x/(F(1) + "}, "the kernel of softsign is 'x/(F(1) + ' and no expression"),
        ({"kernel": "F(1)"}, "the kernel of softsign does not read x"),
        ({"kernel": "x/(F(1) + fabs(x))"}, "the kernel of softsign reads fabs; a kernel has F, abs, exp"),
        ({"kernel": "[x for x in x]"}, "it may have arithmetic, comparisons"),
        ({"kernel": "x/(F(1) + x)"}, "the kernel of softsign gives"),
        ({"torch": "x / (1 + numpy.abs(x))"}, "an exported file has torch and math"),
        ({"torch": ""}, "softsign has no text for torch"),
        ({"degree": times(1)}, "the degree of softsign is 1 for arguments of the degrees 1"),
    ],
)
def test_a_mistake_is_a_sentence_that_says_what_to_do(changes: dict[str, Any], says: str) -> None:
    found = faults(softsign(**changes), set(PRIMITIVES))
    assert any(says in fault for fault in found), found
    assert all(fault.endswith((".", "...")) and "\n" not in fault for fault in found)


def halfway(name: str, right: float, **changes: Any) -> Primitive:
    text = f"0.5*x + {right}*y"
    return primitive(name, "x y", lambda f, x, y: 0.5 * x + right * y, text, torch=text, **changes)


def test_what_is_marked_commutative_is() -> None:
    assert faults(halfway("middle", 0.5, commutative=True), set(PRIMITIVES)) == []
    assert faults(halfway("tilt", -1.0), set(PRIMITIVES)) == []
    [fault] = faults(halfway("tilt", -1.0, commutative=True), set(PRIMITIVES))
    assert "the other order of arguments (commutative=True) of tilt gives" in fault
    for other in (softsign(commutative=True), composite("span", "x y", "abs(x - y)", commutative=True)):
        [fault] = faults(other, set(PRIMITIVES))
        assert fault.endswith("is marked commutative, which only a pointwise function of two arguments can be.")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"torch": "torch.tanh(x)"}, "the text for torch of softsign gives"),
        ({"torch": "torch.soft(x)"}, "the text for torch of softsign fails: AttributeError"),
        ({"formula": "x/(1 + x)"}, "the formula of softsign gives"),
        ({"formula": "softsign(x)"}, "the formula of softsign fails: ProgramError: SymPy has no softsign"),
    ],
    ids=str,
)
def test_readings_that_disagree(changes: dict[str, Any], says: str) -> None:
    [fault] = disagreements(softsign(**changes))
    assert says in fault


def test_a_meaning_for_numpy_alone() -> None:
    import numpy as np

    found = disagreements(softsign(meaning=lambda f, x: x / (1 + np.abs(np.asarray(x) + 1) - 1)))
    assert found


@pytest.mark.parametrize("name", ["tanh", "log_abs", "max", "sqrt", "cbrt", "where"])
def test_our_own_table_agrees_too(name: str) -> None:
    assert disagreements(dataclasses.replace(PRIMITIVES[name], infix="")) == []


def test_kernels_may_call_what_the_machines_have() -> None:
    from primitives.machines.elementary import DOUBLE

    assert {*FUNCTIONS} == {*DOUBLE, "abs"}


# --- files


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import nothing_of_this_name\n", "bad.py, line 1: ModuleNotFoundError"),
        ("x = 1\ny = (\n", "bad.py, line 2: SyntaxError"),
        ("primitives = 3\n", "has no list of records `primitives`"),
        ("", "has no list of records `primitives`"),
        (f"{IMPORTS}primitives = [primitive('f', 'x', kernal='x')]\n", "line 2: TypeError"),
        (f"{IMPORTS}primitives = [composite('f', 'x', 'sgin(x)')]\n", "the expansion of f: line 1, column 1: unknown"),
        (f"{IMPORTS}primitives = [composite('f', 'x', '2.0')]\n", "the expansion of f applies no primitive"),
        (f"{IMPORTS}primitives = [composite('f', 'x', 'abs(x)')] * 2\n", "f stands twice"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, says: str) -> None:
    before = dict(PRIMITIVES)
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(own.PrimitiveError) as error:
        own.use([str(tmp_path / "bad.py")])
    assert says in str(error.value)
    assert before == PRIMITIVES
    assert not own.used()


def test_names_without_a_file() -> None:
    with pytest.raises(own.PrimitiveError, match="there is no file"):
        own.use(["nowhere.py"])
    with pytest.raises(own.PrimitiveError, match=r"no entry point 'nobodys' in evosearch.primitives"):
        own.use(["nobodys"])


def test_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("lists", "tests.primitives.test_own_primitives:NOT_ALLOWED", own.GROUP)]
    monkeypatch.setattr(own, "entry_points", lambda group, name=None: [p for p in points if name in (None, p.name)])
    with pytest.raises(own.PrimitiveError, match="lists: tanh is a primitive already"):
        own.use(["lists"])
    with pytest.raises(own.PrimitiveError, match="there are lists"):
        own.use(["others"])


NOT_ALLOWED = [composite("tanh", "x", "abs(x)")]


# --- in a process of its own


def in_a_process(script: str) -> str:
    text = f"EXAMPLE = {str(EXAMPLE)!r}\n{script}"
    done = subprocess.run([sys.executable, "-W", "error", "-c", text], capture_output=True, text=True, cwd=ROOT)
    assert not done.returncode, done.stderr
    return done.stdout


def test_every_reading_of_a_program_knows_them() -> None:
    """Text, analysis, algebra, kernels' texts, export for torch and for optax; and the table is the old one and two."""
    in_a_process("""
from primitives import own
from primitives.machines import kernels, gpu_source
from primitives.table import PRIMITIVES
before, opcodes, text = list(PRIMITIVES), len(kernels.OPCODES), kernels.source("float32")
assert own.use([EXAMPLE]) == own.use([EXAMPLE]) == ("softsign", "mean_size")
assert list(PRIMITIVES) == [*before, "softsign", "mean_size"]
assert len(kernels.OPCODES) == opcodes + 1 and kernels.source("float32") != text
assert "softsign" in gpu_source.source("float32", 128)
assert own.digest(EXAMPLE) and own.names() == {"softsign", "mean_size"}

import evosearch
from evosearch.inspecting import SECTIONS
from primitives.algebra.same import same
from primitives.algebra.simplify import simplify
from primitives.analysis.nature import nature
from primitives.export import source
from primitives.text import parse, show
program = evosearch.load("experiments/own-primitive/soft_lion.opt")
assert parse(show(program)) == program
for section in SECTIONS:
    assert section.derive(program).lines()
assert nature(program).momentum
simpler = simplify(parse(show(program).replace("softsign(", "softsign(1 * "))).program
assert same(simpler, program).answer == "same"
assert same(program, evosearch.load("lion")).answer == "different"
scope = {}
exec(compile(source(program), "x", "exec"), scope)
import numpy as np, torch
from primitives.interpreter import start, step
weight = torch.nn.Parameter(torch.tensor([[0.5, -1.0], [2.0, 0.1]], dtype=torch.float64))
optimizer = scope["SoftLion"]([weight], lr=0.1)
w = [weight.detach().numpy().copy()]
states = start(program, w, 0.1)
for t in (1, 2, 3):
    g = np.random.default_rng(t).normal(size=(2, 2))
    weight.grad = torch.tensor(g)
    optimizer.step()
    w, states = step(program, w, [g], states, t=t, lr=0.1)
np.testing.assert_allclose(weight.detach().numpy(), w[0], rtol=1e-12)
""")


def test_another_text_under_the_same_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(EXAMPLE.read_text())
    (tmp_path / "b.py").write_text(EXAMPLE.read_text().replace("1 +", "2 +"))
    script = """
import sys
from primitives import own
own.use([EXAMPLE, FOLDER + "/a.py"])
try:
    own.use([FOLDER + "/b.py"])
except own.PrimitiveError as error:
    print(error)
"""
    out = in_a_process(f"FOLDER = {str(tmp_path)!r}\n{script}")
    assert "softsign is in use already, from" in out


@pytest.mark.slow
def test_the_compiled_machines_and_the_torch_machine_know_them() -> None:
    """Which compiles machines once more; the quick form compiles the kernel alone (`disagreements`)."""
    in_a_process("""
import numpy as np
from primitives import own
own.use([EXAMPLE])
import evosearch
from primitives.machines.numba_machine import NumbaMachine
from primitives.machines.torch_machine import TorchMachine
from tests.primitives.test_machines import check_agreement
from primitives.machines.gpu_emulator import compiler
from tests.primitives.batches import Problem
from tests.primitives.gpu import Emulated
program = evosearch.load("experiments/own-primitive/soft_lion.opt")
machines = [NumbaMachine, TorchMachine]
if compiler():
    machines.append(Emulated)
for machine in machines:
    for dtype in (np.float64, np.float32):
        check_agreement(machine, [program] * 2, Problem(2, 4, dtype), [1e-3, 1e-2])
""")
