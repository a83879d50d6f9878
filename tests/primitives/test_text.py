"""The text of a program: parse and show are inverses, and every fault is a sentence with a place."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primitives.program import Assign, Call, Program, ProgramError, State, calls, expressions
from primitives.reader import LONGEST, LONGEST_FAULT, MAX_DEPTH, MOST_FAULTS
from primitives.reference import names, reference
from primitives.show import show_expr, show_number
from primitives.table import PRIMITIVES
from primitives.text import parse, parse_expr, problems, show
from tests.primitives.strategies import program_using, programs

quick = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
DOCS = st.text().map(inspect.cleandoc).filter(lambda doc: inspect.cleandoc(doc) == doc)


def body(*statements: str, signature: str = "w, g", result: str = "w") -> str:
    """A text with these statements."""
    return "\n".join([f"def f({signature}):", *(f"    {line}" for line in statements), f"    return {result}"])


def value(text: str) -> str | float | Call:
    """The expression that a text means, with three variables."""
    return parse_expr(text, ("x", "y", "z"))


# --- there and back


@quick
@given(programs(), DOCS)
def test_parse_inverts_show(program: Program, doc: str) -> None:
    program = replace(program, doc=doc)
    text = show(program)
    assert parse(text) == program
    assert show(parse(text)) == text
    assert not problems(program)


@pytest.mark.parametrize("op", PRIMITIVES)
def test_parse_inverts_show_for_every_primitive(op: str) -> None:
    @settings(quick, max_examples=5)
    @given(program_using(op))
    def check(program: Program) -> None:
        assert any(call.op == op for expr in expressions(program) for call in calls(expr))
        assert parse(show(program)) == program

    check()


@settings(quick, max_examples=30)
@given(programs())
def test_programs_pickle_copy_hash_and_compare(program: Program) -> None:
    for twin in (pickle.loads(pickle.dumps(program)), copy.deepcopy(program), eval(repr(program))):
        assert twin == program
        assert hash(twin) == hash(program)
    assert replace(program, name="other") != program


@pytest.mark.parametrize("name", names())
def test_reference_programs_stand_as_show_writes_them(name: str) -> None:
    program = reference(name)
    assert program.name == name
    assert program.doc
    assert parse(show(program)) == program
    assert show(parse(show(program))) == show(program)


@pytest.mark.parametrize(
    "doc",
    ['ends with "', '"', "a\\", "\\n", '"""', "'''", "a\n  b\nc", "a\n\nb", "a\n   \nb", "a\n  ", "é \U0001f600",
     "\x00\x07", "\r", "a\rb", "\ud800", "\x0c", "\u2028x", "# no comment", "{braces} %s", "a" * 500],
)  # fmt: skip
def test_awkward_docs(doc: str) -> None:
    doc = inspect.cleandoc(doc)
    program = Program("f", (), (), (), ("w",), doc)
    assert parse(show(program)) == program
    assert show(parse(show(program))) == show(program)


def test_an_empty_doc_is_no_doc() -> None:
    assert parse('def f(w, g):\n    """"""\n    return w') == parse("def f(w, g):\n    return w")


@pytest.mark.parametrize(
    "text",
    ["x + y + z", "x + (y + z)", "x - (y - z)", "x - y - z", "x / (y * z)", "x / y / z", "x * (y + z)", "-x", "--x",
     "-x + y",
     "-(x + y)", "-x**2", "(-x)**2", "(-2)**x", "-(2**x)", "2**-x", "x**-2", "x**y**z", "(x**y)**z", "-x * y",
     "-(x * y)",
     "x - -2", "x - -y", "x * -2", "x % y * z", "x % (y * z)", "(x < y) < z", "x < (y < z)", "x < y + z", "(x < y) + z",
     "-(x == y)", "x >= y", "abs(-x)", "negative(2)", "pi()", "x**-y**z", "(x % -3)**-0.5", "where(x < y, -1, z)"],
)  # fmt: skip
def test_precedence_keeps_only_the_parentheses_it_needs(text: str) -> None:
    assert show_expr(value(text)) == text.replace("-(2**x)", "-2**x")
    assert value(show_expr(value(text))) == value(text)


@pytest.mark.parametrize(
    ("text", "expr"),
    [
        ("-2", -2.0),
        ("--2", 2.0),
        ("-x**2", Call("negative", (Call("power", ("x", 2.0)),))),
        ("-2**x", Call("negative", (Call("power", (2.0, "x")),))),
        ("x - y - z", Call("subtract", (Call("subtract", ("x", "y")), "z"))),
        ("x**y**z", Call("power", ("x", Call("power", ("y", "z"))))),
        ("(x)", "x"),
        ("1_000", 1000.0),
        ("0x10", 16.0),
        ("add(x, y)", Call("add", ("x", "y"))),
    ],
)
def test_what_an_expression_means(text: str, expr: str | float | Call) -> None:
    assert value(text) == expr


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_numbers_read_back_exactly(number: float) -> None:
    text = show_number(number)
    assert repr(value(text)) == repr(number)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (-0.0, "-0.0"),
        (0.1, "0.1"),
        (1e-8, "1e-8"),
        (1e16, "1e16"),
        (1e15, "1000000000000000"),
        (-2.5e300, "-2.5e300"),
    ],
)
def test_numbers_are_short(number: float, text: str) -> None:
    assert show_number(number) == text


def test_starts_of_states() -> None:
    text = "def f(w, g, a, b=0, c=w, d=lr, e=-1.5, h=0, *, lr=0.1):\n    return w, a, b, c, d, e, h\n"
    program = parse(text)
    assert [state.start for state in program.states] == [0, 0, "w", "lr", -1.5, 0]
    assert show(program) == text.replace("b=0, c", "b, c")
    assert parse(show(program)) == program


# --- faults


ONE_FUNCTION = "only one function definition may stand here; a program is never executed as Python."
NO_STATEMENT = "a statement is 'name = expression'; imports, loops and calls alone are not allowed."
DEEP = "expressions may be nested 100 deep; use statements."

FAULTS = [
    ("import os", f"line 1, column 1: {ONE_FUNCTION}"),
    ("", "line 1, column 1: the text is empty; a program is one function, def name(w, g): ..."),
    ("x = 1", "line 1, column 1: no function found; a program is def name(w, g, ...): ..."),
    ("class A: pass", "no function found"),
    ("async def f(w, g):\n    return w", "no function found"),
    ("def f(w, g):\n    return w\ndef h(w, g):\n    return w", "line 3, column 1: 'h' is a second function; a text"),
    ("def f(w, g:\n    return w", "line 1, column 6: '(' was never closed."),
    ("def f(w, g):\n    return w\n  x", "line 3, column 4: unindent does not match any outer indentation level."),
    ("def f(w, g):\n    return w\x00", "null bytes"),
    ("\x00\xff\xfe\x01", "null bytes"),
    ("\ud800", "this is no program text"),
    ("def f(w, g):\n    return " + "(" * 10_000 + "w" + ")" * 10_000, "too many nested parentheses"),
    ("def f(w, g):\n    return " + "-" * 10_000 + "w", "nested too deeply"),
    ("def f(w, g):\n    return " + "+".join(["w"] * 10_000), "nested too deeply"),
    ("def f(w, g):\n    return " + "+".join(["w"] * 300), DEEP),
    ("def f(w, g):\n    return " + "sign(" * 120 + "w" + ")" * 120, DEEP),
    ("def f(w, g):\n    return w + " + "1" * 4000, "line 2, column 16: a number must be finite."),
    ("def f(w, g):\n    return w + " + "1" * 5000, "line 2"),
    ("def f(x, y):\n    return 1", "line 1, column 1: the first two arguments must be w and g, then the states."),
    ("def f(w):\n    return w", "the first two arguments must be w and g, then the states."),
    ("def f(w, g, /):\n    return w", "line 1, column 7: 'w': a program has no '/', *args or **kwargs."),
    ("def f(w, g, *args):\n    return w", "line 1, column 14: 'args': a program has no '/', *args or **kwargs."),
    ("def f(w, g, **more):\n    return w", "line 1, column 15: 'more': a program has no '/', *args or **kwargs."),
    ("@cache\ndef f(w, g):\n    return w", "line 1, column 2: a program has no decorators."),
    ("def f(w: int, g):\n    return w", "line 1, column 10: 'w' has an annotation; a program has none."),
    ("def f(w, g) -> int:\n    return w", "line 1, column 16: a program has no annotations."),
    ("def f(w, g, m, m):\n    return w, m, m", "line 1, column 16: 'm' is declared twice."),
    ("def f(w, g, m, *, m=1):\n    return w, m", "line 1, column 19: 'm' is declared twice."),
    ("def f(w, g, g):\n    return w, g", "line 1, column 13: 'g' has a meaning of its own and cannot be declared."),
    ("def f(w, g, *, t=1):\n    return w", "line 1, column 16: 't' has a meaning of its own and cannot be declared."),
    ("def f(w, g, sign):\n    return w, g", "line 1, column 13: 'sign' is a primitive; choose another name."),
    ("def sqrt(w, g):\n    return w", "line 1, column 1: 'sqrt' is a primitive; choose another name."),
    ("def f(w, g, __x):\n    return w, g", "line 1, column 13: '__x' begins with two underscores; choose"),
    ("def f(w=1, g=2):\n    return w", "line 1, column 9: w and g have no default."),
    ("def f(w, g, m=t):\n    return w, m", "line 1, column 13: state 'm' must start at a number, a hyper"),
    ("def f(w, g, m=True):\n    return w, m", "state 'm' must start at a number, a hyperparameter or w."),
    ("def f(w, g, *, lr):\n    return w", "line 1, column 16: hyperparameter 'lr' needs a number as its default."),
    ("def f(w, g, *, lr='a'):\n    return w", "hyperparameter 'lr' needs a number as its default."),
    ("def f(w, g, *, lr=False):\n    return w", "hyperparameter 'lr' needs a number as its default."),
    ("def f(w, g, *, lr=1e999):\n    return w", "line 1, column 19: a number must be finite."),
    ("def f(w, g):\n    x = g", "line 1, column 1: the return is missing; it gives the new w, then the new states."),
    ("def f(w, g, m):\n    return w", "line 2, column 5: the return gives 1 value and must give 2: the new w, m."),
    ("def f(w, g):\n    return", "line 2, column 5: the return gives 0 values and must give 1: the new w."),
    ("def f(w, g):\n    return w\n    x = 1", "line 3, column 5: nothing may follow the return."),
    (body("lr = 3", signature="w, g, *, lr=1"), "line 2, column 5: 'lr' cannot be assigned."),
    (body("t = 3"), "line 2, column 5: 't' cannot be assigned."),
    (body("sign = 3"), "line 2, column 5: 'sign' is a primitive; choose another name."),
    (body("x = sing(g)"), "line 2, column 9: unknown primitive 'sing'; did you mean 'sin'."),
    (body("x = interpp(g, w, 1)"), "line 2, column 9: unknown primitive 'interpp'; did you mean 'interp'."),
    (body("x = __import__(g)"), "line 2, column 9: unknown primitive '__import__'."),
    (body("update = g", "x = updat * 2"), "line 3, column 9: unknown variable 'updat'; did you mean 'update'."),
    (body("x = pi * g"), "line 2, column 9: unknown variable 'pi'; the constant is written pi()."),
    (body("x = y", "y = 1"), "line 2, column 9: unknown variable 'y'."),
    (body("x = sign(g, g)"), "line 2, column 9: sign(x) takes 1 argument and was given 2."),
    (body("x = interp(g, w)"), "line 2, column 9: interp(x, y, a) takes 3 arguments and was given 2."),
    (body("x = sign(x=g)"), "line 2, column 16: sign() takes its arguments by position."),
    (body("x = sign(*g)"), "line 2, column 14: '*g' is not an expression of the language."),
    (body("ö = 1", "xö = ö + ü"), "line 3, column 14: unknown variable 'ü'"),
] + [
    (body(f"x = {text}"), f"line 2, column 9: '{text}' is not an expression of the language.")
    for text in (
        "True", "None", "'a'", "b'a'", "1j", "...", "lambda: g", "w.real", "w[0]", "[g]", "(g, w)", "{g}", "f'{w}'",
        "+w", "~w",
        "[y for y in w]", "w if g else w", "w and g", "not w", "w < g < w", "w // g", "w @ g", "w != g", "w is g",
        "w in g",
        "w << 2", "w.__class__()", "(lambda: 0)()", "f()()",
    )
] + [
    (body(statement), f"line 2, column 5: {NO_STATEMENT}")
    for statement in (
        "import os", "x += 1", "x: int = 1", "a, b = w, g", "x = y = w", "w[0] = g", "w.data = g", "print(w)",
        "pass", "del w",
        "global w", "for x in w: pass", "while w: pass", "if w: x = 1", "with w: pass", "def h(): pass", "raise w",
        "assert w",
        "yield w", "await w", "try: pass\n    finally: pass",
    )
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), FAULTS, ids=[repr(text[:40]) for text, _ in FAULTS])
def test_faults(text: str, sentence: str) -> None:
    found = problems(text)
    assert any(sentence in fault for fault in found), found
    assert all(fault.startswith("line ") and fault.endswith(".") for fault in found)
    with pytest.raises(ProgramError) as error:
        parse(text)
    assert error.value.faults == found


def test_what_would_take_long_to_read_is_refused_at_once() -> None:
    [fault] = problems("def f(w, g):\n    return w" + " " * LONGEST)
    assert fault.endswith("and may have 100,000.")
    many = problems(body(*(f"x{i} = f(a{i}=1)" for i in range(2 * MOST_FAULTS))))
    assert len(many) == MOST_FAULTS
    [fault] = problems(body(f"x = {'a' * 50_000}"))
    assert len(fault) < 2 * LONGEST_FAULT


def test_a_walrus_is_no_expression() -> None:
    assert problems(body("x = (y := g)")) == ("line 2, column 10: 'y := g' is not an expression of the language.",)


def test_all_faults_come_at_once_those_of_kinds_too() -> None:
    text = body(
        "x = sing(g)",
        "y = sqrt(g, g) + nothing",
        "import os",
        "z = norm(t)",
        signature="w, g, m: int, *, lr",
        result="w, g, g",
    )
    assert [fault.partition(":")[0] for fault in problems(text)] == [
        "line 1, column 16",
        "line 1, column 24",
        "line 2, column 9",
        "line 3, column 9",
        "line 3, column 22",
        "line 4, column 5",
        "line 6, column 5",
    ]
    assert "line 3, column 9: norm cannot be applied" in " ".join(problems(body("x = sing(g)", "z = norm(t)")))


def test_the_deepest_program_that_parses_can_be_used() -> None:
    text = body(result="sign(" * MAX_DEPTH + "w" + ")" * MAX_DEPTH)
    program = parse(text)
    assert parse(show(program)) == program
    assert pickle.loads(pickle.dumps(program)) == program
    assert copy.deepcopy(program) == program
    assert hash(program) == hash(parse(text))
    assert repr(program)


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        (Program("f", (), (("lr", float("nan")),), (), ("w",)), "needs a number"),
        (Program("f", (), (("lr", float("inf")),), (), ("w",)), "a number must be finite"),
        (
            Program("f", (), (), (Assign("x", Call("add", ("w",))),), ("w",)),
            "add(x, y) takes 2 arguments and was given 1",
        ),
        (
            Program("f", (), (), (Assign("x", Call("negative", ())),), ("w",)),
            "negative(x) takes 1 argument and was given 0",
        ),
        (Program("f", (), (), (Assign("x", Call("nothing", ("w",))),), ("w",)), "unknown primitive 'nothing'"),
        (Program("f", (), (), (Assign("x = 1\n    y", 1.0),), ("w",)), "is not the one that its own text means"),
        (Program("f", (State("m"),), (), (), ("w",)), "must give 2"),
        (Program("two words", (), (), (), ("w",)), "line 1"),
        (Program("f", (), (), (), ()), "the return gives 0 values"),
    ],
)
def test_problems_of_a_program_that_was_never_text(program: Program, sentence: str) -> None:
    found = problems(program)
    assert len(found) == 1
    assert sentence in found[0]


@quick
@given(st.text())
def test_any_text_gives_a_program_or_faults(text: str) -> None:
    for candidate in (text, body(f"x = {text}"), body(text)):
        found = problems(candidate)
        assert found or show(parse(candidate))


def test_a_text_may_assign_g_and_the_record_has_another_name_for_it():
    program = parse("def f(w, g, *, lr=1):\n    g = sign(g)\n    g_2 = g\n    g = g + g_2\n    return w - lr * g")
    assert show(program).splitlines()[1:] == ["    g_3 = sign(g)", "    g_2 = g_3", "    g_3 = g_3 + g_2",
                                              "    return w - lr * g_3"]  # fmt: skip


def test_a_fault_after_other_line_ends_has_its_place():
    for end in ("\r", "\r\n", "\n"):
        assert problems(f"def f(w, g, *, lr=1):{end}    x = nosuch(g){end}    return w - x")[0].startswith(
            "line 2, column 9"
        )
