"""What holds of the values of a draft at every step: sign, range and finiteness, as far as simple rules show it."""

from __future__ import annotations

from primitives.program import Call
from tests.primitives.algebra.draft import Atom, Draft

Facts = frozenset[str]  # out of "nonneg", "positive", "unit" (in [0, 1]) and "finite"
NOTHING: Facts = frozenset()
PASSED = ("sum", "mean", "row_mean", "column_mean", "transpose", "flatten", "unflatten")
NORMS = ("norm", "rms", "global_norm")
TRUTHS = (
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "is_matrix",
    "is_hidden",
    "is_embedding",
    "is_head",
)
FINITE = ("add", "subtract", "multiply", "abs", "square", "max", "min", "mix", "ema", "interp", "clip", "where", "sign",
          "negative", "dot", "global_dot", "sin", "cos", "tanh", "arctan", "sqrt_abs", *PASSED, *NORMS)  # fmt: skip


def facts(draft: Draft) -> dict[str, Facts]:
    """The facts of everything that has a name; of a state those that its start has and every step keeps."""
    fixed = {name: _of_hyper(value) for name, value in draft.origin.hyper}
    fixed |= {"w": frozenset({"finite"}), "g": frozenset({"finite"}), "lr": frozenset({"nonneg", "positive", "finite"})}
    fixed |= {"t": frozenset({"nonneg", "positive", "finite"})}
    states = {s.name: fixed[s.start] if isinstance(s.start, str) else _of_number(s.start) for s in draft.states}
    while True:
        known = {**fixed, **states}
        for assign in draft.body:
            known[assign.name] = _of_call(assign.value, known)
        kept = {
            state: states[state] & of_atom(new, known) for state, new in zip(states, draft.returns[1:], strict=True)
        }
        if kept == states:
            return known
        states = kept


def _of_number(x: float) -> Facts:
    holds = {"nonneg": x >= 0, "positive": x > 0, "unit": 0 <= x <= 1, "finite": True}
    return frozenset(name for name, true in holds.items() if true)


def _of_hyper(default: float) -> Facts:
    """What holds of every sensible value: one between 0 and 1 stays there."""
    return _of_number(default) if 0 < default < 1 else _of_number(default) - {"unit"}


def of_atom(x: Atom, known: dict[str, Facts]) -> Facts:
    """What holds of a value."""
    return known.get(x, NOTHING) if isinstance(x, str) else _of_number(x)


def _of_call(call: Call, known: dict[str, Facts]) -> Facts:
    args = [of_atom(arg, known) for arg in call.args]
    found = _signs(call, args)
    zero = call.op == "divide" and not (isinstance(call.args[1], float) and call.args[1])
    if call.op in FINITE or (call.op == "divide" and not zero) or (call.op == "sqrt" and "nonneg" in args[0]):
        found |= {"finite"} if all("finite" in arg for arg in args) else set()
    if call.op in (*TRUTHS, "rows", "columns", "size"):
        found |= {"finite"}
    return frozenset(found | ({"nonneg"} if "positive" in found else set()))


def _signs(call: Call, args: list[Facts]) -> set[str]:
    """Which of "nonneg", "positive" and "unit" hold of a call, from what holds of its arguments."""
    op, some = call.op, frozenset().union(*args)
    every = frozenset.intersection(*args) if args else NOTHING
    if op in ("square", "abs", *NORMS) or (op in ("multiply", "dot", "global_dot") and call.args[0] == call.args[1]):
        return {"nonneg"} | set(args[0] & {"positive"} if op in ("square", "abs") else ())
    if op == "sqrt":
        return {"nonneg"} | set(args[0] & {"positive"})
    if op in ("exp", "cosh", "rows", "columns", "size"):
        return {"positive"}
    if op in TRUTHS:
        return {"nonneg", "unit"}
    if op == "add" and "nonneg" in every:
        return {"nonneg"} | (some & {"positive"})
    if op in ("multiply", "divide"):
        return set(every & ({"nonneg", "positive", "unit"} if op == "multiply" else {"nonneg", "positive"}))
    if op in ("min", "where", *PASSED):
        return set(args[-1] & args[-2] if op == "where" else args[0] if op in PASSED else every) & {
            "nonneg",
            "positive",
        }
    if op == "max":
        return set(some & {"nonneg", "positive"})
    if op == "power" and "nonneg" in args[0]:
        return {"nonneg"} | (set(args[0] & {"unit"}) if "nonneg" in args[1] else set())
    if op == "subtract" and call.args[0] == 1 and "unit" in args[1]:
        return {"nonneg", "unit"}
    if op in ("ema", "interp", "bias_correct") and "unit" in (args[1] if op == "bias_correct" else args[2]):
        return set((args[0] if op == "bias_correct" else args[0] & args[1]) & {"nonneg"})
    if op == "clip":
        return set(args[1] & args[2] & {"nonneg", "positive"})
    return set()
