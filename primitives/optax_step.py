"""One function of an exported optax file: the program for one tensor, and the lines around its call."""

from __future__ import annotations

from primitives.export_variants import Variant
from primitives.inference import state_kinds
from primitives.jax_text import body
from primitives.kinds import PER_TENSOR, TENSOR, Kind
from primitives.program import READABLE, Program, State
from primitives.python_text import exploded
from primitives.roles import CONSTANTS
from primitives.text import show_number
from primitives.torch_names import needs_matrix

GIVEN = {  # what a program may read without declaring it, as the transformation has it
    "lr": "lr",
    "t": "t",
    "T": "1.0 * total_steps",
    "loss": "jnp.asarray(value, float)",
    "base_lr": "base",
    "is_matrix": "float(w.ndim > 1)",
    **{name: f'float(role == "{name[3:]}")' for name in CONSTANTS[1:]},
}


class Step:
    """A variant of the program as a Python function `name` of one tensor; `names` are those of variables in Python."""

    def __init__(self, variant: Variant, name: str, names: dict[str, str], keep: frozenset[str]) -> None:
        self.program, self.name, self.names = variant.program, name, names
        self.condition = variant.condition.replace("w.dim()", "w.ndim")
        self.kinds = state_kinds(self.program)
        self.body = body(self.program, names, keep)
        self.matrix = needs_matrix(self.program)
        self.generator = any("yield" in line for line in self.body.lines)

    def arguments(self) -> tuple[list[str], list[str]]:
        """The names of the arrays and of the numbers that the function reads, as the program has them."""
        arrays = [name for name in ("w", "g", *self.kinds) if self.names.get(name) in self.body.reads]
        hyper = [name for name in ("lr", *self.program.defaults) if self.names[name] in self.body.reads]
        given = [name for name in (*READABLE, *CONSTANTS) if name in self.body.reads]
        return arrays, [*dict.fromkeys(hyper), *given]

    def function(self) -> str:
        """The function that is the program."""
        arrays, numbers = self.arguments()
        typed = [f"{self.names[name]}: Array" for name in arrays]
        typed += ["*"] if numbers else []
        typed += [f"{self.names.get(name, name)}: {'Array' if name == 't' else 'Number'}" for name in numbers]
        result = f"tuple[{', '.join(['Array'] * (1 + len(self.kinds)))}]" if self.kinds else "Array"
        result = f"Generator[Array, Array, {result}]" if self.generator else result
        lines = exploded(f"def {self.name}(", typed, f") -> {result}:")
        return "\n".join([*lines, f'    """{self.title()}"""', *(f"    {line}" for line in self.body.lines)])

    def title(self) -> str:
        """One sentence on what the function returns, and yields."""
        what = f"the new w{''.join(f', {self.names[name]}' for name in self.kinds)}"
        what = what if len(what) < 70 else "the new w and the new states"
        what = f"{'yields what is summed over the model, returns ' if self.generator else ''}{what} of one tensor"
        return f"{what[0].upper()}{what[1:]}."

    def call(self, indent: int) -> list[str]:
        """The lines that call the function for one tensor."""
        arrays, numbers = self.arguments()
        items = [self.given(name) for name in arrays]
        items += [f"{self.names.get(n, n)}={GIVEN.get(n) or self.names[n]}" for n in numbers]
        targets = ", ".join(["new_w", *(f"new_{self.names[name]}" for name in self.kinds)])
        start = f"{' ' * indent}{targets} = "
        head = []
        if len(start) > 100:
            head = exploded(f"{' ' * indent}(", targets.split(", "), ") = ")
            head, start = head[:-1], head[-1]
        return [*head, *exploded(f"{start}{'yield from ' if self.generator else ''}{self.name}(", items, ")")]

    def given(self, name: str) -> str:
        """An array as the function gets it."""
        if name in ("w", "g"):
            return f"as_matrix(wide({name}), output_last)" if self.matrix else f"wide({name})"
        whole = self.matrix and self.kinds[name] == TENSOR
        return f"as_matrix({self.names[name]}, output_last)" if whole else self.names[name]

    def result(self, states: list[str]) -> list[str]:
        """The change of one tensor and all states of the file, those that this variant lacks as they are."""
        change = "as_tensor(new_w, w, output_last)" if self.matrix else "new_w"
        items = [f"fitted({change} - wide(w), w)"]
        for state in states:
            name = self.names[state]
            if state not in self.kinds:
                items.append(name)
            elif self.matrix and self.kinds[state] == TENSOR:
                items.append(f"fitted(as_tensor(new_{name}, {name}, output_last), {name})")
            elif self.matrix and self.kinds[state] == PER_TENSOR:  # may be a matrix of one
                items.append(f"fitted(jnp.reshape(new_{name}, ()), {name})")
            else:
                items.append(f"fitted(new_{name}, {name})")
        return items

    def starts(self, program: Program) -> list[str]:
        """What each state of the whole program is for one tensor before the first step."""
        kept = {state.name: state for state in self.program.states}
        return [
            self.start(kept[state.name], self.kinds[state.name]) if state.name in kept else "optax.MaskedNode()"
            for state in program.states
        ]

    def start(self, state: State, kind: Kind) -> str:
        """What a state is before the first step."""
        if state.start == "w":
            return "jnp.array(w)"
        if isinstance(state.start, str):
            value = "base" if state.start == "lr" else self.names[state.start]
        else:
            value = show_number(state.start)
        if kind.single:
            return f"jnp.asarray({value}, float)"
        if kind == TENSOR:
            return "jnp.zeros_like(w)" if value == "0" else f"jnp.full_like(w, {value})"
        sizes = {"1": "1", "m": "rows", "n": "columns", "mn": "w.size"}
        return f"jnp.full(({sizes[kind.rows]}, {sizes[kind.columns]}), {value}, w.dtype)"
