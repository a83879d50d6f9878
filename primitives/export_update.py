"""The functions of an exported file that are the program: the rule of one tensor, and what updates lists of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from primitives.c_text import c_text
from primitives.export_variants import Variant
from primitives.inference import state_kinds
from primitives.kinds import NUMBER, TENSOR, Kind
from primitives.program import READABLE, State
from primitives.python_text import exploded
from primitives.roles import CONSTANTS
from primitives.text import show_number
from primitives.torch_lines import names_in, needed, target
from primitives.torch_names import needs_matrix
from primitives.torch_text import Total, body


class Update:
    """A variant of the program as Python functions; `names` are those of all variables in Python."""

    def __init__(self, variant: Variant, name: str, names: dict[str, str], keep: frozenset[str], loss: str) -> None:
        self.program, self.condition = variant.program, variant.condition
        self.name, self.names, self.loss = name, names, loss
        self.kinds = state_kinds(self.program)
        self.body = body(self.program, names, keep, loss or None)
        self.matrix = needs_matrix(self.program)
        self.states = [names[state] for state in self.program.state_names]
        self.numbers = [] if loss else [names[state] for state, kind in self.kinds.items() if kind == NUMBER]
        self.tensors = ["w", "g", *(state for state in self.states if state not in self.numbers)]
        if loss:
            read = names_in("\n    ".join(self.body.lines))
            self.tensors = [name for name in self.tensors if name in read]
        options = [self.names[name] for name in self.program.defaults]
        self.outside = [*options, *READABLE, *CONSTANTS, *self.numbers, *(each.name for each in self.body.totals)]

    def _each(self) -> list[tuple[str, tuple[str, ...], tuple[str, ...], str]]:
        """Name, early numbers and lines of the update and of each total, with the name of the latter."""
        each = [(self.summing(total), total.numbers, total.lines, total.name) for total in self.body.totals]
        each += [(self.name, self.body.numbers, self.body.lines, "")]
        return [(name, self.early(numbers, lines, total), lines, total) for name, numbers, lines, total in each]

    def early(self, numbers: Sequence[str], lines: Sequence[str], total: str) -> tuple[str, ...]:
        """The early numbers that are read by a rule, or kept with the update."""
        kept = () if total else self.body.kept
        return tuple(needed([*numbers], names_in("\n    ".join([*lines, *kept]))))

    def rules(self) -> list[str]:
        """The text of the functions of one tensor."""
        if self.loss:
            return [self.generator()]
        return [self.rule(name, lines, bool(total)) for name, _, lines, total in self._each()]

    def listed_functions(self) -> list[str]:
        """The text of the functions of lists of tensors."""
        return [] if self.loss else [self.listed(*each) for each in self._each()]

    def in_c(self) -> dict[str, str]:
        """The name of the rule and its text in C, where it works element by element."""
        if (
            self.loss
            or self.matrix
            or any(self.kinds[state] != TENSOR for state in self.kinds if state not in self.numbers)
        ):
            return {}
        text = c_text(self.body.lines, self.tensors, self.read(self.body.lines))
        return {} if text is None else {f"{self.name}_rule": text}

    def summing(self, each: Total) -> str:
        """The name of the function that gives a total."""
        return f"{self.name}_{each.name.removesuffix('_total')}"

    def read(self, lines: Sequence[str]) -> list[str]:
        """The numbers that a rule reads, in the order in which they come in."""
        found = names_in("\n    ".join(lines))
        early = [target(line) for line in self.body.numbers]
        return [name for name in dict.fromkeys([*self.outside, *early]) if name in found]

    def rule(self, name: str, lines: Sequence[str], summed: bool) -> str:
        """The function of one tensor."""
        typed = [f"{tensor}: Tensor" for tensor in self.tensors]
        typed += [f"{number}: Number" for number in self.read(lines)]
        typed.insert(len(self.tensors), "*") if len(typed) > len(self.tensors) else None
        head = exploded(f"def {name}_rule(", typed, ") -> tuple[Tensor, ...]:")
        given = ", ".join(self.tensors[:1] + self.tensors[2:])
        title = "What one tensor adds to the sum." if summed else f"The new {given} of one tensor."
        return "\n".join([*head, f'    """{title}"""', *self.indented([*self.as_matrices(lines), *lines])])

    def as_matrices(self, lines: Sequence[str]) -> list[str]:
        """The lines after which tensors are matrices."""
        if not self.matrix:
            return []
        kinds = {"w": TENSOR, "g": TENSOR} | {self.names[name]: kind for name, kind in self.kinds.items()}
        read = names_in("\n    ".join(lines))
        seen = [name for name, kind in kinds.items() if kind == TENSOR and name in read]
        views = [f"{', '.join(seen)} = {', '.join(f'as_matrix({name})' for name in seen)}"] if seen else []
        return [*(["shape = w.shape"] if "shape" in read else []), *views]

    def listed(self, name: str, numbers: Sequence[str], lines: Sequence[str], total: str) -> str:
        """The function of lists of tensors."""
        kept = [] if total else self.body.kept
        wanted = self.read(lines)
        inside = names_in("\n    ".join([*numbers, *kept])) if [*numbers, *kept] else set()
        given = [each for each in self.outside if each in inside or each in wanted]
        typed = [f"{tensor}: Sequence[Tensor]" for tensor in self.tensors]
        plain = self.matrix or bool(total)
        options = [*(f"{each}: Number" for each in given), *([] if plain else ["run: Run = in_turn"])]
        result = "Tensor" if total else "tuple[Number, ...]" if kept else "None"
        head = exploded(f"def {name}(", [*typed, *(["*"] if options else []), *options], f") -> {result}:")
        title = f"The sum {total.removesuffix('_total')} needs, over lists of tensors." if total else self.title()
        runner = "sum_over" if total else "in_turn" if self.matrix else "run"
        pairs = ", ".join(f'"{each}": {each}' for each in wanted)
        indent = " " * (8 if self.matrix else 4)
        items = [f"{name}_rule", f"[{', '.join(self.tensors)}]", f"{{{pairs}}}"]
        call = exploded(f"{indent}{'return ' if total else ''}{runner}(", items, ")")
        if self.matrix:
            call = ["    with torch.autocast(w[0].device.type, enabled=False):", *call]
        end = [f"return {', '.join(kept)}" if len(kept) > 1 else f"return ({kept[0]},)"] if kept else []
        return "\n".join([*head, f'    """{title}"""', *self.indented(numbers), *call, *self.indented(end)])

    def title(self) -> str:
        """One sentence on what the function of lists does."""
        states = f" and their states {', '.join(self.tensors[2:])}" if self.tensors[2:] else ""
        text = f"Update parameters w with gradients g{states} in place"
        text += f"; returns the new {', '.join(self.numbers)}." if self.numbers else "."
        return text if len(text) < 110 else "Update parameters w with gradients g and their states in place."

    def generator(self) -> str:
        """The function of one tensor that asks the loss."""
        options = [each for each in self.outside if each in names_in("\n    ".join(self.body.lines))]
        numbers = {self.names[name] for name, kind in self.kinds.items() if kind == NUMBER}
        typed = [f"{name}: {'Number' if name in numbers else 'Tensor'}" for name in self.tensors]
        typed += [*(["*"] if options else []), *(f"{name}: Number" for name in options)]
        head = exploded(f"def {self.name}(", typed, ") -> Generator[Any, Any, tuple[Any, ...]]:")
        title = f"Asks the loss, returns the new {', '.join(['w', *self.states])}."
        title = title if len(title) < 110 else "Asks the loss, returns the new w and the new states."
        lines = [*self.as_matrices(self.body.lines), *self.body.lines]
        return "\n".join([*head, f'    """{title}"""', *self.indented(lines)])

    @staticmethod
    def indented(lines: Sequence[str]) -> list[str]:
        """The lines of a function."""
        return [f"    {line}" for line in lines]

    def starts(self) -> list[str]:
        """A pair of name and first value for each state."""
        return [f'"{self.names[s.name]}": {self.start(s, self.kinds[s.name])}' for s in self.program.states]

    def start(self, state: State, kind: Kind) -> str:
        """What a state is before the first step."""
        if state.start == "w":
            return "wide(w).clone()"
        if isinstance(state.start, str):
            value = f'as_float(group["{"base_lr" if state.start == "lr" else self.names[state.start]}"])'
        else:
            value = show_number(state.start)
        if kind == NUMBER:
            return f"self._number(group, w, {value})"
        if kind.single:
            return f"torch.full((), {value}, dtype=torch.float64, device=w.device)"
        if kind == TENSOR:
            return "torch.zeros_like(wide(w))" if value == "0" else f"torch.full_like(wide(w), {value})"
        sizes = {"1": "1", "m": "as_matrix(w).shape[0]", "n": "as_matrix(w).shape[1]", "mn": "w.numel()"}
        shape = f"{sizes[kind.rows]}, {sizes[kind.columns]}"
        return f"wide(w).new_zeros({shape})" if value == "0" else f"wide(w).new_full(({shape}), {value})"

    def call(
        self, start: str, name: str, lines: Sequence[str], kept: Sequence[str] = (), run: bool = False
    ) -> list[str]:
        """The call of a function of lists, or of the generator, for one bucket, after the start of the line."""
        one = bool(self.loss)
        tensors = {"w": "wide(bucket.w[0])", "g": "wide(bucket.g[0])"} if one else {"w": "bucket.w", "g": "bucket.g"}
        numbers = {self.names[name] for name, kind in self.kinds.items() if kind == NUMBER}
        for state in self.states:
            value = f'bucket.states[0]["{state}"]'
            alone = f"bucket.number({value})" if state in numbers else value
            tensors[state] = alone if one or state in numbers else f'bucket.state("{state}")'
        known = {
            "t": "bucket.t", "T": 'bucket["total_steps"]',
            "base_lr": 'bucket.number(bucket.group.get("initial_lr", bucket.group["base_lr"]))',
            "loss": 'bucket.number(-loss if bucket.group["maximize"] else loss)',
            "is_matrix": "float(w.dim() > 1)",
        } | {each: f'float(role == "{each[3:]}")' for each in CONSTANTS[1:]}  # fmt: skip
        known |= {each: tensors[each] for each in self.numbers}
        known |= {each.name: f"bucket.number({each.name})" for each in self.body.totals}
        read = names_in("\n    ".join([*lines, *kept])) if [*lines, *kept] else set()
        given = [each for each in self.outside if each in read]
        items = [tensors[each] for each in self.tensors]
        items += [f"{each}={known.get(each, f'bucket[{chr(34)}{each}{chr(34)}]')}" for each in given]
        return exploded(f"{start}{name}(", [*items, *(["run=bucket.run"] if run else [])], ")")


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
