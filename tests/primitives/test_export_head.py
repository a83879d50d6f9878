"""What an exported file says of itself: complete, true, and a docstring whatever is in it."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primitives.export_head import elementwise, head
from primitives.expressions import program_of
from primitives.facts import facts
from primitives.program import Program
from primitives.reference import names, reference
from primitives.rest import stays_at_rest
from primitives.text import parse, show
from tests.primitives.strategies import programs

WRAPPED = ("lookahead(sam(clip_norm(adam)))", "by_shape(muon, ranger)", "scheduled(nadamw, warmup_cosine)")
PROGRAMS = {name: reference(name) for name in names()} | {text: program_of(text) for text in WRAPPED}


def read(text: str) -> str:
    """The docstring that a file with this head has."""
    [statement] = ast.parse(text).body
    assert isinstance(statement, ast.Expr)
    return ast.literal_eval(statement.value)


def flat(text: str) -> str:
    """The words, however lines are broken."""
    return " ".join(text.split())


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_says_what_the_program_is(name):
    program = PROGRAMS[name]
    said = read(head(program))
    assert flat(said).startswith(flat(program.doc))
    assert flat(show(replace(program, doc=""))) in flat(said)
    assert ("needs a closure" in said) == (facts(program).closure != "no")
    assert ("may be sharded" in said) == elementwise(program)
    assert ("may move weights" in said) == (not stays_at_rest(program))
    assert all(state in said for state, _ in facts(program).states)
    assert max(map(len, said.split("\n"))) <= 120
    assert not any(line != line.rstrip() for line in said.split("\n"))


def test_formula_settings_memory_origin_and_how_to_cite():
    said = read(head(reference("adamw")))
    assert "    mₜ = β₁ mₜ₋₁ + (1 - β₁) gₜ\n" in said
    assert "lr = 0.001 is the default; tune it for your task." in said
    assert 'fine-tuning of a trained network: "AdamW with small eta (1e-5 to 1e-4), minimal weight decay."' in said
    assert "Floats remembered for each parameter: 2 (m, v), as AdamW." in said
    assert "from this program, whose text has sha256 83c9dcc80be1c8ea." in said
    assert "To cite it: the work named at the top, and evosearch" in said
    own = parse("def adamw(w, g, *, lr=0.5):\n    return w - lr * g\n")  # a name does not make it the method
    assert "ecommended" not in read(head(own))
    assert "To cite it: evosearch" in read(head(own))


def test_the_program_can_be_copied_out_of_it():
    program = replace(reference("lion"), doc="")
    text = read(head(program)).split("As a program:\n\n")[1].split("\n\n")[0]
    assert parse(textwrap.dedent(text)) == program


def test_notes_of_a_run_take_the_place_of_the_default_rate():
    said = read(head(reference("adamw"), ["Best learning rates in the search: 0.01 on digits."]))
    assert "Best learning rates in the search: 0.01 on digits.\n" in said
    assert "tune it for your task" not in said


def test_a_file_for_something_else_does_not_speak_of_torch():
    said = head(reference("newton"), torch=False)
    assert not any(word in said for word in ("closure", "sharded", "checkpoint"))
    assert "One step:" in said


def test_a_program_without_a_short_formula_is_left_to_its_text():
    assert "One step:" not in head(PROGRAMS["by_shape(muon, ranger)"])
    lines = "".join(f"    m = sin(m) * cos(g + {i}) * m\n" for i in range(60))
    said = head(parse(f"def f(w, g, m, *, lr=1):\n{lines}    return w - lr * m, m\n"))
    assert "One step:" not in said
    assert "m = sin(m) * cos(g + 59) * m" in said


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("adamw", True), ("nadam", True), ("by_shape(sgd, adam)", True), ("scheduled(adam, cosine)", True),
        ("lookahead(adam)", True), ("clip_norm(adam)", False), ("muon", False), ("adagrad_full", False),
        ("nesterov", False), ("newton", False), ("by_role(muon_everywhere, adam)", False),
    ],
)  # fmt: skip
def test_what_works_element_by_element(text, answer):
    assert elementwise(program_of(text)) == answer


@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(programs(), st.text(), st.text())
def test_any_program_doc_and_note_is_a_docstring(program: Program, doc: str, note: str) -> None:
    assert show(replace(program, doc="")).split("\n")[0].split("(")[0] in read(
        head(replace(program, doc=doc.strip()), [note, 'A "quoted" \\ note """.'])
    )


def test_it_takes_neither_torch_nor_sympy():
    code = "import sys; from primitives.export_head import head; from primitives.reference import reference; "
    code += "head(reference('adamw')); print(sorted({'torch', 'sympy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
