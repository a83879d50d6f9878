"""One update function of an exported file, and the lines around its call: what it gets, and who keeps what it gives."""

from __future__ import annotations

import re
from collections.abc import Callable

from primitives.export_variants import Variant
from primitives.inference import state_kinds
from primitives.kinds import NUMBER, TENSOR, Kind
from primitives.program import State
from primitives.python_text import exploded
from primitives.roles import CONSTANTS
from primitives.text import show_number
from primitives.torch_text import body, needs_matrix

READABLE = ("t", "T", "loss", "base_lr")


class Update:
    """A variant of the program as a Python function `name`; `names` are those of all variables in Python."""

    def __init__(self, variant: Variant, name: str, names: dict[str, str], keep: frozenset[str], loss: str) -> None:
        self.program, self.condition = variant.program, variant.condition
        self.name, self.names, self.loss = name, names, loss
        self.kinds = state_kinds(self.program)
        self.body = body(self.program, names, keep, loss or "Loss")
        self.matrix = needs_matrix(self.program)
        self.generator = any("yield" in line for line in self.body.lines)
        self.states = [names[state] for state in self.program.state_names]

    @property
    def uses_matrix(self) -> bool:
        """Whether the file needs as_matrix for it."""
        return "as_matrix(" in "\n".join([*self.call(""), *self.starts()])

    def arguments(self) -> tuple[list[str], list[str]]:
        """The tensors and numbers that the function reads: by position, and by name."""
        states = [name for name in self.states if name in self.body.reads]
        hyper = [self.names[name] for name in self.program.defaults]
        by_name = [name for name in (*hyper, *READABLE, *CONSTANTS) if name in self.body.reads]
        return [*(name for name in "wg" if name in self.body.reads), *states], by_name

    def function(self) -> str:
        """The function that is the program."""
        positional, by_name = self.arguments()
        numbers = {self.names[name] for name, kind in self.kinds.items() if kind == NUMBER}
        typed = [f"{name}: {'float' if name in numbers else 'Tensor'}" for name in positional]
        typed += [*(["*"] if by_name else []), *(f"{name}: {'int' if name == 't' else 'float'}" for name in by_name)]
        kinds = ["Tensor", *("float" if kind == NUMBER else "Tensor" for kind in self.kinds.values())]
        result = f"tuple[{', '.join(kinds)}]" if self.states else "Tensor"
        if self.generator:
            result = f"Generator[{'Any, Any' if self.loss else 'Tensor, float'}, {result}]"
        lines = exploded(f"def {self.name}(", typed, f") -> {result}:")
        return "\n".join([*lines, f'    """{self.title()}"""', *(f"    {line}" for line in self.body.lines)])

    def title(self) -> str:
        """One sentence on what the function returns, and yields."""
        what = f"the new w{''.join(f', {name}' for name in self.states)}"
        if self.generator:
            summed = "asks the loss" if self.loss else "yields what is summed over the model"
            what = f"{summed}, returns {what}"
        what = what if len(what) < 100 else "the new w and the new states"
        return f"{what[0].upper()}{what[1:]}."

    def starts(self) -> list[str]:
        """The lines that make the states."""
        return [f'state["{self.names[s.name]}"] = {self.start(s, self.kinds[s.name])}' for s in self.program.states]

    def start(self, state: State, kind: Kind) -> str:
        """What a state is before the first step."""
        if state.start == "w":
            return "w.clone()"
        if isinstance(state.start, str):
            value = f'group["{"base_lr" if state.start == "lr" else self.names[state.start]}"]'
        else:
            value = show_number(state.start)
        if kind.single:
            return f"float({value})" if isinstance(state.start, str) else repr(float(state.start))
        if kind == TENSOR:
            return "torch.zeros_like(w)" if value == "0" else f"torch.full_like(w, {value})"
        sizes = {"1": "1", "m": "as_matrix(w).shape[0]", "n": "as_matrix(w).shape[1]", "mn": "w.numel()"}
        shape = f"{sizes[kind.rows]}, {sizes[kind.columns]}"
        return f"w.new_zeros({shape})" if value == "0" else f"w.new_full(({shape}), {value})"

    def call(self, start: str) -> list[str]:
        """The call of the function for one parameter, after the start of the line."""
        positional, by_name = self.arguments()
        tensors = {"w": "w", "g": "g"} | {self.names[name]: self.load(name, kind) for name, kind in self.kinds.items()}
        readable = {"t": 'state["step"]', "T": 'group["total_steps"]', "base_lr": 'group["base_lr"]'}
        readable["loss"] = '-float(loss) if group["maximize"] else float(loss)'
        facts = {name: f'float(role == "{name[3:]}")' for name in CONSTANTS} | {"is_matrix": "float(w.dim() > 1)"}
        items = [f"as_matrix({name})" if self.matrix and name in "wg" else tensors[name] for name in positional]
        options = {name: f'group["{name}"]' for name in by_name} | readable | facts
        items += [f"{name}={options[name]}" for name in by_name]
        return exploded(f"{start}{self.name}(", items, ")")

    def load(self, name: str, kind: Kind) -> str:
        """A state as the function gets it."""
        value = f'state["{self.names[name]}"]'
        if kind.single and kind != NUMBER:
            return f"torch.tensor({value}, dtype=torch.float64, device=w.device)"
        return f"as_matrix({value})" if self.matrix and kind == TENSOR else value

    def targets(self, indent: int) -> list[str]:
        """The names that take what the function returned: the beginning of an assignment."""
        new = ["new_w", *(f"new_{name}" for name in self.states)]
        space = " " * indent
        return exploded(f"{space}(", new, ") = ") if len(", ".join(new)) > 60 else [f"{space}{', '.join(new)} = "]

    def called(self, indent: int) -> list[str]:
        """The lines that call the function and keep what it returns."""
        targets = self.targets(indent)
        return [*targets[:-1], *self.call(targets[-1]), *self.stores(indent)]

    def finished(self, indent: int, new: str) -> list[str]:
        """The lines that keep what a generator returned."""
        targets = self.targets(indent)
        named = [*targets[:-1], f"{targets[-1]}{new}"] if self.states else []
        return [*named, *self.stores(indent)]

    def stores(self, indent: int) -> list[str]:
        """The lines that take over what the function returned. Numbers are kept as floats: no dtype rounds them."""
        shape = ".reshape(w.shape)" if self.matrix else ""
        lines = [f"w.copy_(new_w{shape})"]
        for name, kind in zip(self.states, self.kinds.values(), strict=True):
            if kind.single:
                lines.append(f'state["{name}"] = {f"new_{name}" if kind == NUMBER else f"float(new_{name})"}')
            else:
                lines.append(f'state["{name}"].copy_(new_{name}{shape if kind == TENSOR else ""})')
        return [f"{' ' * indent}{line}" for line in lines]


def reads(lines: list[str], word: str) -> bool:
    """Whether Python lines read a variable; `word=` in a call is none."""
    return bool(re.search(rf"(?<![\w.\"])\b{word}\b(?![\w\"]|=[^=])", "\n".join(lines)))


def chosen(updates: list[Update], block: Callable[[Update, int], list[str]], indent: int) -> list[str]:
    """The lines of each update under the condition for which it is meant; the last is the rest."""
    if len(updates) == 1:
        return block(updates[0], indent)
    blocks = [block(update, indent + 4) for update in updates]
    shared = [line for line in blocks[0] if all(line in block for block in blocks)]
    shared = shared if all(block[: len(shared)] == shared for block in blocks) else []
    lines = [line[4:] for line in shared]
    pairs = [(update, block[len(shared) :]) for update, block in zip(updates, blocks, strict=True)]
    filled = [(update, block) for update, block in pairs if block]
    for i, (update, own) in enumerate(filled):
        rest = i == len(filled) - 1 and len(filled) == len(pairs)
        word = "else" if rest else f"{'elif' if i else 'if'} {update.condition}"
        lines += [f"{' ' * indent}{word}:", *own]
    return lines
