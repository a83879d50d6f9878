"""A program as one stand-alone Python file: a torch optimizer that needs nothing but torch."""

from __future__ import annotations

import builtins
import hashlib
import keyword
import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from primitives.inference import state_kinds
from primitives.kinds import NUMBER, TENSOR, Kind
from primitives.program import Program, State
from primitives.python_text import exploded
from primitives.table import PRIMITIVES
from primitives.text import show, show_number
from primitives.torch_text import Body, body, needs_matrix, safe_names

MATRIX = '''
def as_matrix(x: Tensor) -> Tensor:
    """The first dimension by the rest; a vector is one row."""
    return x.flatten(1) if x.dim() > 1 else x.reshape(1, -1)
'''

TOGETHER = '''
def run_together(updates: Sequence[Generator[Tensor, float, Any]]) -> list[Any]:
    """What the updates return; each value that they yield is summed over all of them and sent back to all."""
    terms = [next(update) for update in updates]
    results: list[Any] = []
    while terms:
        total = sum(float(term) for term in terms)
        terms = []
        for update in updates:
            try:
                terms.append(update.send(total))
            except StopIteration as end:
                results.append(end.value)
    return results
'''

INIT = """
        super().__init__(params, defaults)
        for group in self.param_groups:
            if group["lr"] < 0:
                raise ValueError(f"lr must not be negative and is {group['lr']}.")
"""

READY = '''
    def _ready(self) -> list[tuple[dict[str, Any], Tensor, Tensor, dict[str, Any]]]:
        """Group, parameter, gradient and state of each parameter that has a gradient."""
        ready = []
        for group in self.param_groups:{first}
            for w in group["params"]:
                if w.grad is not None:
                    if w.grad.layout != torch.strided or w.grad.is_complex():
                        raise RuntimeError("{name} works with dense real gradients only.")
                    ready.append((group, w, -w.grad if group["maximize"] else w.grad, self.state[w]))
        for {group}, {w}, _, state in ready:
            if not state:
{start}
        return ready
'''

STEP = '''
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient; returns the loss of the closure, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
'''

NO_LOSS = """\
        if loss is None:
            raise RuntimeError("{name} reads the loss: call step(closure).")
"""


def source(program: Program, class_name: str | None = None, *, notes: Sequence[str] = ()) -> str:
    """The text of a Python file with the program as a `torch.optim.Optimizer`; it needs only torch."""
    name = _class_name(program.name) if class_name is None else class_name
    if not name.isidentifier() or keyword.iskeyword(name) or name in {*_TAKEN, *PRIMITIVES}:
        raise ValueError(f"'{name}' cannot be the name of a class.")
    writer = _File(program, name)
    parts = [_docstring(program, notes), writer.imports(), *writer.functions(), writer.optimizer()]
    return "\n\n\n".join(part.strip("\n") for part in parts).replace("\n\n\n", "\n\n", 1) + "\n"


class _File:
    """The parts of the file, which all look at the same few facts about the program."""

    def __init__(self, program: Program, class_name: str) -> None:
        self.program, self.class_name = program, class_name
        self.names = safe_names(program)
        self.kinds = state_kinds(program)
        self.body: Body = body(program)
        self.matrix = needs_matrix(program)
        self.model = any("yield" in line for line in self.body.lines)
        self.states = [self.names[name] for name in program.state_names]
        taken = {*_TAKEN, *PRIMITIVES, class_name, "new_w", *(f"new_{name}" for name in self.states)}
        self.function = program.name
        while self.function in taken:
            self.function += "_"
        self.readable = [name for name in ("t", "T", "loss", "base_lr") if name in self.body.reads]

    def imports(self) -> str:
        collections = ["Callable", *(["Generator", "Sequence"] if self.model else [])]
        text = "\n".join([*self.body.lines, *self.body.helpers])
        return "\n".join(
            [
                "from __future__ import annotations\n",
                *(["import math"] if re.search(r"\bmath\.", text) else []),
                f"from collections.abc import {', '.join(collections)}",
                "from typing import Any\n",
                "import torch",
                "from torch import Tensor",
                "from torch.optim.optimizer import ParamsT",
            ]
        )

    def functions(self) -> list[str]:
        helpers = [*self.body.helpers, *([MATRIX] if self.matrix else []), *([TOGETHER] if self.model else [])]
        return [*helpers, self.update()]

    def arguments(self) -> tuple[list[str], list[str]]:
        """The tensors and numbers that the update reads: by position, and by name."""
        states = [name for name in self.states if name in self.body.reads]
        hyper = [self.names[name] for name in self.program.defaults]
        by_name = [*(name for name in hyper if name in self.body.reads), *self.readable]
        return [*(name for name in "wg" if name in self.body.reads), *states], by_name

    def update(self) -> str:
        """The function that is the program."""
        positional, by_name = self.arguments()
        numbers = {self.names[name] for name, kind in self.kinds.items() if kind == NUMBER}
        typed = [f"{name}: {'float' if name in numbers else 'Tensor'}" for name in positional]
        typed += [*(["*"] if by_name else []), *(f"{name}: {'int' if name == 't' else 'float'}" for name in by_name)]
        kinds = ["Tensor", *("float" if kind == NUMBER else "Tensor" for kind in self.kinds.values())]
        result = f"tuple[{', '.join(kinds)}]" if self.states else "Tensor"
        result = f"Generator[Tensor, float, {result}]" if self.model else result
        what = f"the new w{''.join(f', {name}' for name in self.states)}"
        what = f"yields what is summed over the model, returns {what}" if self.model else what
        what = what if len(what) < 100 else "the new w and the new states"
        lines = exploded(f"def {self.function}(", typed, f") -> {result}:")
        lines += [f'    """{what[0].upper()}{what[1:]}."""'] + [f"    {line}" for line in self.body.lines]
        return "\n".join(lines)

    def optimizer(self) -> str:
        name = self.program.name
        head = (
            f'class {self.class_name}(torch.optim.Optimizer):\n    """The program {name} as a torch optimizer."""\n\n'
        )
        return head + "\n".join(part.strip("\n") + "\n" for part in (self.init(), self.ready(), self.step()))

    def init(self) -> str:
        """The constructor: every hyperparameter is an option of a group of parameters."""
        options = {self.names[name]: show_number(value) for name, value in self.program.hyper}
        options = {"lr": options.pop("lr", "0.001"), **options}
        total = ["total_steps"] if "T" in self.readable else []
        signature = ["self", "params: ParamsT", *(f"{key}: float = {value}" for key, value in options.items()), "*"]
        signature += [*(f"{name}: int" for name in total), "maximize: bool = False"]
        lines = exploded("    def __init__(", signature, ") -> None:")
        pairs = [f'"{key}": {key}' for key in (*options, *total, "maximize")]
        lines += exploded("        defaults: dict[str, Any] = {", pairs, "}")
        return "\n".join(lines) + INIT

    def ready(self) -> str:
        """The method that looks at all parameters before anything moves, and makes missing states."""
        starts = [f'state["{self.names[s.name]}"] = {self.start(s, self.kinds[s.name])}' for s in self.program.states]
        lines = "\n".join(f"                {line}" for line in ['state["step"] = 0', *starts])
        base = "base_lr" in self.readable or "lr" in {state.start for state in self.program.states}
        first = '\n            group.setdefault("base_lr", group.get("initial_lr", group["lr"]))' if base else ""
        group = "group" if 'group["' in lines else "_"
        w = "w" if re.search(r"\bw\b", lines) else "_"
        return READY.format(name=self.class_name, start=lines, first=first, group=group, w=w)

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

    def step(self) -> str:
        lines = [STEP.strip("\n")]
        lines += [NO_LOSS.rstrip().format(name=self.class_name)] if "loss" in self.readable else []
        new = ["new_w", *(f"new_{name}" for name in self.states)]
        targets = (
            exploded("            (", new, ") = ") if len(", ".join(new)) > 60 else [f"{' ' * 12}{', '.join(new)} = "]
        )
        group, w, g = self.used()
        if self.model:
            lines += ["        ready = self._ready()", "        updates = []"]
            lines += [f"        for {group}, {w}, {g}, state in ready:", '            state["step"] += 1']
            lines += [*self.call("            update = "), "            updates.append(update)"]
            state, result = ("state", "new") if self.states else ("_", "new_w")
            lines += [f"        for (_, w, _, {state}), {result} in zip(ready, run_together(updates), strict=True):"]
            lines += [*targets[:-1], f"{targets[-1]}new"] if self.states else []
        else:
            lines += [f"        for {group}, w, {g}, state in self._ready():", '            state["step"] += 1']
            lines += [*targets[:-1], *self.call(targets[-1])]
        return "\n".join([*lines, *self.stores(), "        return loss"])

    def used(self) -> tuple[str, str, str]:
        """The loop variables group, w and g, or _ in the place of one that the call does not read."""
        text = "\n".join(self.call(""))
        group, w, g = (word if re.search(rf"\b{word}\b(?!=)", text) else "_" for word in ("group", "w", "g"))
        return group, w, g

    def call(self, start: str) -> list[str]:
        """The call of the update for one parameter."""
        positional, by_name = self.arguments()
        tensors = {"w": "w", "g": "g"} | {self.names[name]: self.load(name, kind) for name, kind in self.kinds.items()}
        readable = {"t": 'state["step"]', "T": 'group["total_steps"]', "base_lr": 'group["base_lr"]'}
        readable["loss"] = '-float(loss) if group["maximize"] else float(loss)'
        items = [f"as_matrix({name})" if self.matrix and name in "wg" else tensors[name] for name in positional]
        options = {name: f'group["{name}"]' for name in by_name} | readable
        items += [f"{name}={options[name]}" for name in by_name]
        return exploded(f"{start}{self.function}(", items, ")")

    def load(self, name: str, kind: Kind) -> str:
        value = f'state["{self.names[name]}"]'
        if kind.single and kind != NUMBER:
            return f"torch.tensor({value}, dtype=torch.float64, device=w.device)"
        return f"as_matrix({value})" if self.matrix and kind == TENSOR else value

    def stores(self) -> list[str]:
        """The lines that take over what the update returned. Numbers are kept as floats: no dtype rounds them."""
        shape = ".reshape(w.shape)" if self.matrix else ""
        lines = [f"w.copy_(new_w{shape})"]
        for name, kind in zip(self.states, self.kinds.values(), strict=True):
            if kind.single:
                lines.append(f'state["{name}"] = {f"new_{name}" if kind == NUMBER else f"float(new_{name})"}')
            else:
                lines.append(f'state["{name}"].copy_(new_{name}{shape if kind == TENSOR else ""})')
        return [f"            {line}" for line in lines]


_TAKEN = {
    *dir(builtins),
    *"torch math Tensor Any Callable Generator Sequence ParamsT as_matrix run_together minimum maximum".split(),
    *"self params group state w g closure loss ready updates update new".split(),
}


def _class_name(name: str) -> str:
    """The name of a program in CamelCase."""
    camel = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
    free = camel.isidentifier() and not keyword.iskeyword(camel) and camel not in _TAKEN
    return camel if free else f"{camel if camel.isidentifier() else f'Program{camel}'}Optimizer"


def _docstring(program: Program, notes: Sequence[str]) -> str:
    """The program's doc, its text, the hash of that text and the notes."""
    digest = hashlib.sha256(show(program).encode()).hexdigest()[:16]
    title = program.doc or f"The optimizer {program.name}."
    lines = show(replace(program, doc="")).rstrip().split("\n")
    text = "\n".join(_indented(line) for line in lines)
    origin = f"Exported by evosearch from this program, whose text has sha256 {digest}."
    parts = [_wrapped(title), text, "\n".join(map(_wrapped, (origin, *notes)))]
    inside = _escaped("\n\n".join(parts))
    return f'"""{inside}\n"""'


def _indented(line: str) -> str:
    """A line of program text, four columns in; a long one is broken for the eye."""
    indent = " " * (4 + len(line) - len(line.lstrip()))
    return textwrap.fill(line.strip(), 116, initial_indent=indent, subsequent_indent=f"{indent}    ")


def _wrapped(text: str) -> str:
    lines = [textwrap.fill(line, 110, break_long_words=False) for line in text.strip().split("\n")]
    return "\n".join(line.rstrip() for line in lines)


def _escaped(text: str) -> str:
    """The text as it must stand between triple double quotes."""
    text = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    text = f" {text}" if text.startswith('"') else text
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
