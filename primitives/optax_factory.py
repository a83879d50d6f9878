"""The function of an exported optax file that gives the transformation of a tree, and the tuple of its state."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from primitives.optax_step import Step
from primitives.program import Program, calls, expressions
from primitives.python_text import exploded
from primitives.roles import CONSTANTS
from primitives.table import PRIMITIVES
from primitives.text import show_number


class Factory:
    """The function that gives the transformation, and the tuple of its state."""

    def __init__(self, program: Program, name: str, steps: list[Step], names: dict[str, str]) -> None:
        self.program, self.name, self.steps, self.names = program, name, steps, names
        self.states = [names[state] for state in program.state_names]
        self.class_name = class_name(name)
        self.generator = any(step.generator for step in steps)
        self.numbers = {number for step in steps for number in step.arguments()[1]}
        self.base = "base_lr" in self.numbers or "lr" in {s.start for step in steps for s in step.program.states}
        self.matrix = any(step.matrix or "rows" in " ".join(step.starts(program)) for step in steps)
        text = " ".join(step.condition for step in steps)
        self.role = "role" in text or bool(self.numbers & set(CONSTANTS[1:]))

    def state(self) -> str:
        """The class of the state."""
        what = "The number of steps done" + (", and for each state a tree like the parameters." if self.states else ".")
        fields = ["count: Array  # type: ignore[assignment]", *(f"{name}: Any" for name in self.states)]
        return "\n".join([f"class {self.class_name}(NamedTuple):", f'    """{what}"""', "", *_indented(fields, 4)])

    def function(self) -> str:
        """The function that a user calls with hyperparameters."""
        defaults = self.program.defaults
        arguments = [f"learning_rate: optax.ScalarOrSchedule = {show_number(defaults.get('lr', 0.001))}"]
        arguments += [f"{self.names[n]}: float = {show_number(v)}" for n, v in self.program.hyper if n != "lr"]
        more = ["base_lr: float | None = None"] if self.base else []
        more += ["total_steps: int"] if "T" in self.numbers else []
        more += ["roles: Any = None"] if self.role else []
        more += ["output_last: bool = False"] if self.matrix else []
        kind = "optax.GradientTransformation" + ("ExtraArgs" if "loss" in self.numbers else "")
        signature = exploded(f"def {self.name}(", [*arguments, *(["*"] if more else []), *more], f") -> {kind}:")
        lines = [*signature, *_indented(self.title(), 4)]
        if self.base:
            sentence = f"{self.name} reads base_lr: give the constant that the schedule learning_rate comes from."
            lines += ["    base = learning_rate if base_lr is None else base_lr", "    if callable(base):"]
            lines += [f'        raise TypeError("{sentence}")']
        return "\n".join([*lines, "", *self.init(), "", *self.update(), "", f"    return {kind}(init, update)"])

    def title(self) -> list[str]:
        """The docstring: what the arguments mean that are no hyperparameters of the program."""
        counts = [self.names[name] for name in _counts(self.program)]
        notes = ["learning_rate is a number, or a schedule: a function of the number of steps done."]
        if self.base:
            notes += ["base_lr is the constant that a schedule comes from; without one it is learning_rate."]
        if "T" in self.numbers:
            notes += ["total_steps is the number of steps that are planned."]
        if self.role:
            notes += [
                'roles says what tensors are for ("hidden", "embedding", "head" or "vector"): a tree like the '
                'parameters, or a function of a path such as "layer/kernel". Where it says None, a matrix is hidden, '
                "all else a vector.",
            ]
        if self.matrix:
            notes += [
                "A tensor is a matrix with a row for each output: the first axis by the rest, or with output_last the "
                "last axis, as in kernels of Flax."
            ]
        if "loss" in self.numbers:
            notes += ["update wants the loss too: update(updates, state, params, value=loss)."]
        static = [*counts, *(["roles"] if self.role else [])]
        if static:
            notes += [f"In optax.inject_hyperparams, name as static_args: {', '.join(static)}."]
        first = f'"""The program {self.program.name} as a gradient transformation of optax.'
        return [first, "", *(line for note in notes for line in textwrap.wrap(note, 112)), '"""']

    def init(self) -> list[str]:
        """The lines of the function that makes the state."""
        head = f"    def init(params: optax.Params) -> {self.class_name}:"
        if not self.states:
            return [head, f"        return {self.class_name}(jnp.zeros([], jnp.int32))"]
        body = self.chosen(lambda step, indent: _returned(step.starts(self.program), indent), 8)
        text = "\n".join(body)
        shape = ", ".join(name if name in text else "_" for name in ("rows", "columns"))
        role = "role" in text
        rows = "start(wide(w)) for w in jax.tree.leaves(params)"
        if role:
            rows = (
                "start(wide(w), role) for w, role in zip(jax.tree.leaves(params), roles_of(params, roles), strict=True)"
            )
        return [
            f"    def start(w: Array{', role: str' if role else ''}) -> tuple[Any, ...]:",
            '        """The states of one tensor before the first step."""',
            *([f"        {shape} = as_matrix(w, output_last).shape"] if shape != "_, _" else []),
            *body,
            "",
            head,
            "        tree: Any = jax.tree.structure(params)",
            f"        rows = [{rows}]",
            f"        return {self.class_name}(jnp.zeros([], jnp.int32), *trees(tree, rows, {len(self.states)}))",
        ]

    def update(self) -> list[str]:
        """The lines of the function that makes a step."""
        arguments = ["updates: optax.Updates", f"state: {self.class_name}", "params: optax.Params | None = None"]
        arguments += ["*", "value: ArrayLike", "**extra: Any"] if "loss" in self.numbers else []
        lines = exploded("    def update(", arguments, f") -> tuple[optax.Updates, {self.class_name}]:")
        sentence = f"{self.name} needs the parameters: call update(updates, state, params)."
        lines += ["        if params is None:", f'            raise ValueError("{sentence}")']
        lines += ["        count = optax.safe_increment(state.count)"]
        if "lr" in self.numbers:
            lines += ["        lr = learning_rate(state.count) if callable(learning_rate) else learning_rate"]
        lines += ["        t = count.astype(float)"] if "t" in self.numbers else []
        trees = ["params", "updates", *(f"state.{name}" for name in self.states)]
        items = [f"tree.flatten_up_to({each})" for each in trees]
        items += ["roles_of(params, roles)"] if self.role else []
        new = "[moved(*row) for row in rows]"
        new = f"run_together({new})" if self.generator else new
        return [
            *lines,
            "",
            *self.moved(),
            "",
            "        tree: Any = jax.tree.structure(params)",
            *exploded("        rows = zip(", [*items, "strict=True"], ")"),
            f"        changes, *states = trees(tree, {new}, {1 + len(self.states)})",
            f"        return changes, {self.class_name}(count, *states)",
        ]

    def moved(self) -> list[str]:
        """The lines of the function inside `update` that serves one tensor."""
        typed = ["w: Array", "g: Array", *(f"{name}: Any" for name in self.states)]
        typed += ["role: str"] if self.role else []
        values = "Generator[Array, Array, tuple[Any, ...]]" if self.generator else "tuple[Any, ...]"
        states = list(self.program.state_names)
        return [
            *exploded("        def moved(", typed, f") -> {values}:"),
            '            """The change of one tensor and its new states."""',
            *self.chosen(lambda step, indent: [*step.call(indent), *_returned(step.result(states), indent)], 12),
        ]

    def chosen(self, block: Callable[[Step, int], list[str]], indent: int) -> list[str]:
        """The lines of each variant, all of which end in a return, under its condition; the last is the rest."""
        blocks = [block(step, indent) for step in self.steps]
        if all(each == blocks[0] for each in blocks):
            return blocks[0]
        lines = []
        for step in self.steps[:-1]:
            lines += [f"{' ' * indent}if {step.condition}:", *block(step, indent + 4)]
        return [*lines, *blocks[-1]]


def class_name(function: str) -> str:
    """The name of the class of the state."""
    return f"{''.join(word[:1].upper() + word[1:] for word in function.split('_'))}State"


def _returned(items: list[str], indent: int) -> list[str]:
    """The return of a tuple."""
    one_line = f"{' ' * indent}return {', '.join(items) if len(items) > 1 else f'({items[0]},)'}"
    return [one_line] if len(one_line) <= 120 else exploded(f"{' ' * indent}return (", items, ")")


def _indented(lines: list[str], indent: int) -> list[str]:
    return [f"{' ' * indent}{line}" if line else "" for line in lines]


def _counts(program: Program) -> list[str]:
    """The hyperparameters that are numbers of steps, which must be known before anything is traced."""
    found = [
        arg
        for expr in expressions(program)
        for call in calls(expr)
        for arg, role in zip(call.args, PRIMITIVES[call.op].roles, strict=True)
        if role == "count" and isinstance(arg, str)
    ]
    return list(dict.fromkeys(found))
