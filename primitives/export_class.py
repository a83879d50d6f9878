"""The class of an exported file: its constructor, what it checks, the states of parameters, and the step."""

from __future__ import annotations

from functools import partial

from primitives.domains import domains
from primitives.export_update import Update, chosen, reads
from primitives.program import Program
from primitives.python_text import exploded
from primitives.text import show_number

USUAL = "step takes the usual closure: it clears the gradients, computes the loss, calls backward and returns the loss."
SMOOTH = "step takes a closure that returns the loss with its graph and does not call backward."

RUN = {
    "foreach": '''
    def _run(self, bucket: Bucket) -> Run:
        """By a kernel where that is chosen or pays, else together where that is chosen or on a GPU, else in turn."""
        if self._fused(bucket):
            return functools.partial(fused, {in_c})
        chosen = bucket.group["foreach"]
        at_once = bucket.w[0].is_cuda and not torch.is_grad_enabled() if chosen is None else chosen
        return together if at_once and not torch.compiler.is_compiling() else in_turn
''',
    "fused": '''
    def _run(self, bucket: Bucket) -> Run:
        """By a kernel where that is chosen or pays, else one by one."""
        return functools.partial(fused, {in_c}) if self._fused(bucket) else in_turn
''',
}

CHECK = '''
    def _check(self, group: dict[str, Any]) -> None:
        """ValueError where the options of a group make no sense."""
        super()._check(group)
'''

START = '''
    def _start(self, group: dict[str, Any], w: Tensor) -> dict[str, Tensor]:
        """The states of a parameter before its first step."""
'''

SORTS = '''
    def _sorts(self, group: dict[str, Any], w: list[Tensor], states: list[dict[str, Any]]) -> list[list[Any]]:
        """What parameters of a group must have in common to be updated together, in lists over the parameters."""
'''

STEP = '''
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
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

STEP_WITH_LOSS = '''
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter; returns what the closure returned first."""
        if closure is None:
            raise RuntimeError("{name} asks for the loss itself: call step(closure).")
'''

CALL = """\
        with torch.enable_grad():
            loss = closure()
"""


class Optimizer:
    """The class around the update functions; `loss` names the class that answers for the loss, if somebody asks."""

    def __init__(
        self, program: Program, name: str, updates: list[Update], names: dict[str, str], loss: str, elementwise: bool
    ) -> None:
        self.program, self.name, self.updates, self.names, self.loss = program, name, updates, names, loss
        self.elementwise = elementwise and not loss
        calls = [line for update in updates for line in [update.condition, *self.called(update, 0)]]
        calls += [line for u in updates for total in u.body.totals for line in self.summed(total.name, u, 0)]
        marks = {"T": '["total_steps"]', "loss": "(-loss if", "base_lr": '"base_lr"'}
        self.readable = [name for name, mark in marks.items() if mark in "\n".join(calls)]
        self.gradient = any(reads([line.strip() for line in update.body.lines], "g") for update in updates)
        self.twice = loss == "SmoothLoss"
        self.listed = not loss or (self.gradient and not self.twice)  # gradients are there before the updates
        self.role, self.shape, self.timed = reads(calls, "role"), reads(calls, "w"), reads(calls, "bucket.t")
        self.in_c = [bool(update.in_c()) for update in updates if not (loss or update.matrix)]

    def text(self) -> str:
        """The class."""
        methods = [self.init(), self.check(), self.sorts(), self.start(), self.run(), self.step()]
        return "\n".join([*self.head(), *(f"{method.strip(chr(10))}\n" for method in methods if method)])

    def head(self) -> list[str]:
        """The first lines, with what tells others how to treat it."""
        lines = [f"class {self.name}(ListOptimizer):"]
        first = f'    """The program {self.program.name} as a torch optimizer.'
        lines += (
            [first, "", f"    {SMOOTH if self.twice else USUAL}", '    """', ""] if self.loss else [f'{first}"""', ""]
        )
        lines += ["    needs_closure = True"] if self.loss or "loss" in self.readable else []
        lines += ["    differentiates_twice = True"] if self.twice else []
        lines += ["    allowed = ()"] if self.loss else []
        foreach = '    allowed = ("foreach", "capturable", "differentiable", "fused")'
        lines += ["    elementwise = True", foreach] if self.elementwise else []
        lines += ["    timed = True"] if self.timed else []
        lines += ["    fused_from = 0"] if self.in_c and all(self.in_c) else []
        names = [f'"{key}"' for key in self.options()]
        return [*lines, *exploded("    hyperparameters = (", names, ",)" if len(names) == 1 else ")"), ""]

    def options(self) -> dict[str, str]:
        """Every hyperparameter with its default."""
        options = {self.names[name]: show_number(value) for name, value in self.program.hyper}
        return {"lr": options.pop("lr", "0.001"), **options}

    def init(self) -> str:
        """The constructor: every hyperparameter is an option of a group of parameters."""
        options = {key: f"{'float | Tensor' if key == 'lr' else 'float'} = {v}" for key, v in self.options().items()}
        total = {"total_steps": "int"} if "T" in self.readable else {}
        role = {"role": "str | None = None"} if self.role else {}
        flags = {"maximize": "bool = False", "foreach": "bool | None = None"}
        flags |= {"capturable": "bool = False", "differentiable": "bool = False", "fused": "bool | None = None"}
        named = {**total, **role, **flags}
        signature = ["self", "params: ParamsT", *(f"{key}: {hint}" for key, hint in options.items()), "*"]
        lines = exploded(
            "    def __init__(", [*signature, *(f"{k}: {hint}" for k, hint in named.items())], ") -> None:"
        )
        pairs = [f'"{key}": {key}' for key in (*options, *named)]
        lines += exploded("        defaults: dict[str, Any] = {", pairs, "}")
        return "\n".join([*lines, "        super().__init__(params, defaults)"])

    def check(self) -> str:
        """The method that refuses what makes no sense."""
        known = {self.names[name]: domain for name, domain in domains(self.program).items()}
        keys = list(self.options())
        lines = [CHECK.strip("\n")]
        for key in keys:
            if key in known:
                lines.append(f'        {key} = group["{key}"]')
                lines.append(f"        if not {known[key].condition(key)}:")
                lines += _raised(f'f"{key} {known[key].must} and is {{{key}}}."')
        if self.role:
            lines += ['        for w in group["params"]:', "            role_of(group, w)"]
        if "base_lr" in self.readable or "lr" in {state.start for state in self.program.states}:
            lines.append('        group.setdefault("base_lr", as_float(group["lr"]))')
        return "\n".join(lines)

    def start(self) -> str:
        """The method that makes the states of a parameter."""
        if not self.program.states:
            return ""

        def block(update: Update, indent: int) -> list[str]:
            return exploded(f"{' ' * indent}return {{", update.starts(), "}") if update.states else []

        lines = chosen(self.updates, block, 8)
        lines += [] if all(update.states for update in self.updates) else ["        return {}"]
        role = ["        role = role_of(group, w)"] if reads(lines, "role") else []
        return "\n".join([START.strip("\n"), *role, *lines])

    def sorts(self) -> str:
        """The method that tells apart what the updates or their numbers tell apart."""
        sorts = ["[x.dim() > 1 for x in w]"] if self.shape else []
        sorts += ["[role_of(group, x) for x in w]"] if self.role else []
        numbers = [] if self.loss else list(dict.fromkeys(n for update in self.updates for n in update.numbers))
        sorts += [f'[as_float(state["{n}"]) if "{n}" in state else None for state in states]' for n in numbers]
        return "\n".join([SORTS.strip("\n"), *exploded("        return [", sorts, "]")]) if sorts else ""

    def run(self) -> str:
        """The method that chooses how tensors are updated."""
        if self.loss or all(update.matrix for update in self.updates):
            return ""
        return RUN["foreach" if self.elementwise else "fused"].format(in_c="IN_C" if any(self.in_c) else "{}")

    def step(self) -> str:
        """The step."""
        return "\n".join(self.asking_step() if self.loss else self.plain_step())

    def plain_step(self) -> list[str]:
        """The step of a program that takes gradients as they are: totals first, then the updates of all buckets."""
        lines = [STEP.strip("\n")]
        lines += [NO_LOSS.rstrip().format(name=self.name)] if "loss" in self.readable else []
        lines += ['        with torch.set_grad_enabled(any(group["differentiable"] for group in self.param_groups)):']
        totals = list(dict.fromkeys(each.name for update in self.updates for each in update.body.totals))
        buckets = "self._buckets()"
        if totals:
            lines += [f"            buckets = {buckets}"]
            buckets = "buckets"
        for total in totals:
            block = chosen(self.updates, partial(self.summed, total), 16)
            lines += [f"            {total}: Number = 0.0", f"            for bucket in {buckets}:"]
            lines += [*self.looked_at(block, 16), *block]
        block = chosen(self.updates, self.called, 16)
        lines += [f"            for bucket in {buckets}:", *self.looked_at(block, 16), *block]
        return [*lines, "        return loss"]

    def summed(self, total: str, update: Update, indent: int) -> list[str]:
        """The lines that add to a total, where the update does."""
        for each in update.body.totals:
            if each.name == total:
                lines = [*update.early(each.numbers, each.lines, total), *each.lines]
                call = update.call(f"{' ' * indent}term = ", update.summing(each), lines)
                return [*call, f"{' ' * indent}{total} += bucket.number(term)"]
        return []

    def called(self, update: Update, indent: int) -> list[str]:
        """The lines that update a bucket and keep the numbers that the function returned."""
        space, body = " " * indent, update.body
        lines = [*body.lines, *update.early(body.numbers, body.lines, "")]
        targets = [f"new_{name}" for name in update.numbers]
        new = "update = " if update.loss else f"{', '.join(targets)} = " if len(targets) > 1 else ""
        new = f"({targets[0]},) = " if len(targets) == 1 else new
        call = update.call(f"{space}{new}", update.name, lines, update.body.kept, not (update.matrix or update.loss))
        return [*call, *(f'{space}bucket.keep("{name}", new_{name})' for name in update.numbers)]

    def looked_at(self, lines: list[str], indent: int) -> list[str]:
        """The lines that find what a bucket's parameters are, where that is asked."""
        w = [f"{' ' * indent}w = bucket.w[0]"] if reads(lines, "w") else []
        return [*w, *([f"{' ' * indent}role = role_of(bucket.group, bucket.w[0])"] if reads(lines, "role") else [])]

    def asking_step(self) -> list[str]:
        """The step of a program that asks the loss: one generator for each parameter, run together."""
        lines = [STEP_WITH_LOSS.strip("\n").format(name=self.name)]
        at_w = self.gradient or "loss" in self.readable
        lines += [CALL.rstrip()] if at_w and not self.twice else []
        lines += [f"        buckets = self._buckets(alone=True{'' if self.listed else ', gradient=False'})"]
        lines += [f'        oracle = {self.loss}(closure, [(each.w[0], each.group["maximize"]) for each in buckets])']
        if self.twice and at_w:
            lines += ["        gradients = oracle.gradient()", "        loss = oracle.first"]
            lines += [
                "        for bucket, g in zip(buckets, gradients, strict=True):",
                "            bucket.g.append(g)",
            ]
        lines += ["        update: Generator[Any, Any, Any]"] if len(self.updates) > 1 else []
        block = chosen(self.updates, self.called, 12)
        lines += ["        updates = []", "        for bucket in buckets:"]
        lines += [*self.looked_at(block, 12), *block, "            updates.append(update)"]
        lines += ["        for bucket, new in zip(buckets, run_with_loss(updates, oracle), strict=True):"]
        end = chosen(self.updates, self.finished, 12)
        lines += [*self.looked_at(end, 12), *end]
        known = "loss = " in "\n".join(lines)
        return [*lines, f"        return {'loss' if known else 'oracle.first'}"]

    def finished(self, update: Update, indent: int) -> list[str]:
        """The line that keeps what the generator of one parameter returned."""
        names = ", ".join(f'"{name}"' for name in update.states) + ("," if len(update.states) == 1 else "")
        return [f"{' ' * indent}take_over(bucket, new, ({names}))"]


def _raised(sentence: str) -> list[str]:
    """The lines of a refusal."""
    line = f"            raise ValueError({sentence})"
    return (
        [line]
        if len(line) <= 120
        else ["            raise ValueError(", f"                {sentence}", "            )"]
    )
