"""The class of an exported file: its constructor, the states of parameters, and the step."""

from __future__ import annotations

from primitives.export_update import Update, chosen, reads
from primitives.program import Program
from primitives.python_text import exploded
from primitives.text import show_number

USUAL = "step takes the usual closure: it clears the gradients, computes the loss, calls backward and returns the loss."
SMOOTH = "step takes a closure that returns the loss with its graph and does not call backward."

INIT = """
        super().__init__(params, defaults)
        for group in self.param_groups:
            if group["lr"] < 0:
                raise ValueError(f"lr must not be negative and is {group['lr']}.")
"""

READY = '''
    def _ready(self) -> list[tuple[{types}]]:
        """{what}"""
        ready = []
        for group in self.param_groups:{first}
            for w in group["params"]:
                if {test}:
                    if {x}.layout != torch.strided or {x}.is_complex():
                        raise RuntimeError("{name} works with dense real gradients only.")
                    ready.append(({items}))
        for {names} in ready:
            if not state:
{start}
        return ready
'''

WITH_GRADIENT = {
    "types": "dict[str, Any], Tensor, Tensor, dict[str, Any]",
    "what": "Group, parameter, gradient and state of each parameter that has a gradient.",
    "test": "w.grad is not None",
    "x": "w.grad",
    "items": 'group, w, -w.grad if group["maximize"] else w.grad, self.state[w]',
}
WITHOUT_GRADIENT = {
    "types": "dict[str, Any], Tensor, dict[str, Any]",
    "what": "Group, parameter and state of each parameter that requires a gradient.",
    "test": "w.requires_grad",
    "x": "w",
    "items": "group, w, self.state[w]",
}

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
        self, program: Program, name: str, updates: list[Update], names: dict[str, str], loss: str = ""
    ) -> None:
        self.program, self.name, self.updates, self.names, self.loss = program, name, updates, names, loss
        read = frozenset().union(*(update.body.reads for update in updates))
        self.readable = [name for name in ("t", "T", "loss", "base_lr") if name in read]
        self.gradient = "g" in read
        self.generator = any(update.generator for update in updates)
        self.twice = loss == "SmoothLoss"
        calls = [line for update in updates for line in [*update.call(""), update.condition]]
        self.role = reads(calls, "role")
        self.listed = not loss or (self.gradient and not self.twice)  # gradients are there before the updates

    def parts(self) -> set[str]:
        """The common parts that the file needs."""
        parts = set().union(*(update.body.parts for update in self.updates))
        parts |= {"as_matrix"} if any(update.uses_matrix for update in self.updates) else set()
        parts |= {"role_of"} if self.role else set()
        parts |= {"run_with_loss", self.loss} if self.loss else {"run_together"} if self.generator else set()
        return parts

    def text(self) -> str:
        """The class."""
        lines = [f"class {self.name}(torch.optim.Optimizer):"]
        first = f'    """The program {self.program.name} as a torch optimizer.'
        if self.loss:
            lines += [first, "", f"    {SMOOTH if self.twice else USUAL}", '    """', ""]
        else:
            lines += [f'{first}"""', ""]
        lines += ["    needs_closure = True"] if self.loss or "loss" in self.readable else []
        lines += ["    differentiates_twice = True"] if self.twice else []
        lines += [""] if lines[-1] else []
        return "\n".join([*lines, *(f"{part.strip(chr(10))}\n" for part in (self.init(), self.ready(), self.step()))])

    def init(self) -> str:
        """The constructor: every hyperparameter is an option of a group of parameters."""
        options = {self.names[name]: show_number(value) for name, value in self.program.hyper}
        options = {"lr": options.pop("lr", "0.001"), **options}
        total = ["total_steps"] if "T" in self.readable else []
        role = ["role"] if self.role else []
        signature = ["self", "params: ParamsT", *(f"{key}: float = {value}" for key, value in options.items()), "*"]
        signature += [*(f"{name}: int" for name in total), *(f"{name}: str | None = None" for name in role)]
        lines = exploded("    def __init__(", [*signature, "maximize: bool = False"], ") -> None:")
        pairs = [f'"{key}": {key}' for key in (*options, *total, *role, "maximize")]
        lines += exploded("        defaults: dict[str, Any] = {", pairs, "}")
        check = '            for w in group["params"]:\n                role_of(group, w)\n' if role else ""
        return "\n".join(lines) + INIT + check

    def ready(self) -> str:
        """The method that looks at all parameters before anything moves, and makes missing states."""
        start = [f'{" " * 16}state["step"] = 0']
        own = chosen(self.updates, lambda update, indent: [f"{' ' * indent}{line}" for line in update.starts()], 16)
        start += [f"{' ' * 16}role = role_of(group, w)"] if reads(own, "role") else []
        start += own
        base = "base_lr" in self.readable or "lr" in {state.start for state in self.program.states}
        first = '\n            group.setdefault("base_lr", group.get("initial_lr", group["lr"]))' if base else ""
        group, w = (word if reads(start, word) else "_" for word in ("group", "w"))
        names = f"{group}, {w}, _, state" if self.listed else f"{group}, {w}, state"
        kind = WITH_GRADIENT if self.listed else WITHOUT_GRADIENT
        return READY.format(name=self.name, start="\n".join(start), first=first, names=names, **kind)

    def step(self) -> str:
        """The step: all updates, one by one or together."""
        head = self.step_with_loss() if self.loss else self.plain_step()
        end = "loss" if not self.loss or "loss = " in "\n".join(head) else "oracle.first"
        loops = self.together() if self.generator else self.one_by_one()
        return "\n".join([*head, *loops, f"        return {end}"])

    def plain_step(self) -> list[str]:
        """What comes before the updates where the gradient at w is all that is asked for."""
        no_loss = [NO_LOSS.rstrip().format(name=self.name)] if "loss" in self.readable else []
        ready = ["        ready = self._ready()"] if self.generator else []
        return [STEP.strip("\n"), *no_loss, *ready]

    def step_with_loss(self) -> list[str]:
        """What comes before the updates where these ask for the loss."""
        lines = [STEP_WITH_LOSS.strip("\n").format(name=self.name)]
        at_w = self.gradient or "loss" in self.readable
        lines += [CALL.rstrip()] if at_w and not self.twice else []
        lines += ["        ready = self._ready()"]
        lines += [f'        oracle = {self.loss}(closure, [(w, group["maximize"]) for group, w, *_ in ready])']
        if self.twice and at_w:
            lines += [f"        {'gradients = ' if self.gradient else ''}oracle.gradient()"]
            lines += ["        loss = oracle.first"] if "loss" in self.readable else []
        return lines

    def begun(self, update: Update, indent: int) -> list[str]:
        """The lines that make the generator of one parameter."""
        return update.call(f"{' ' * indent}update = ")

    def one_by_one(self) -> list[str]:
        """The loop in which each parameter is updated as it comes."""
        body = chosen(self.updates, Update.called, 12)
        group, _, g = self.used(body)
        head = [f"        for {group}, w, {g}, state in self._ready():", f'{" " * 12}state["step"] += 1']
        return [*head, *self.role_line(body), *body]

    def together(self) -> list[str]:
        """The two loops around the run of all generators together."""
        begin = chosen(self.updates, self.begun, 12)
        names = self.used(begin)
        if self.listed:
            loop = f"{', '.join(names)}, state in ready"
        elif self.gradient and self.twice:
            loop = f"({names[0]}, {names[1]}, state), g in zip(ready, gradients, strict=True)"
        else:
            loop = f"{names[0]}, {names[1]}, state in ready"
        lines = ["        update: Generator[Any, Any, Any]"] if len(self.updates) > 1 else []
        lines += ["        updates = []", f"        for {loop}:", f'{" " * 12}state["step"] += 1']
        lines += [*self.role_line(begin), *begin, f"{' ' * 12}updates.append(update)"]
        stateless = not any(update.states for update in self.updates)
        new = "new_w" if stateless else "new"
        end = chosen(self.updates, lambda update, indent: self.ended(update, indent, stateless), 12)
        role = self.role_line(end)
        group = "group" if role else "_"
        state = "_" if stateless else "state"
        items = [group, "w", "_", state] if self.listed else [group, "w", state]
        run = "run_with_loss(updates, oracle)" if self.loss else "run_together(updates)"
        lines += [f"        for ({', '.join(items)}), {new} in zip(ready, {run}, strict=True):"]
        return [*lines, *role, *end]

    def ended(self, update: Update, indent: int, stateless: bool) -> list[str]:
        """The lines that keep what the generator of one parameter returned."""
        lines = update.finished(indent, "new")
        return lines if update.states or stateless else [f"{' ' * indent}new_w = new", *lines]

    def role_line(self, lines: list[str]) -> list[str]:
        """The line that finds out what a parameter is for, where the lines ask that."""
        return [f"{' ' * 12}role = role_of(group, w)"] if reads(lines, "role") else []

    def used(self, lines: list[str]) -> tuple[str, str, str]:
        """The loop variables group, w and g, or _ in the place of one that the lines do not read."""
        lines = [*lines, *self.role_line(lines)]
        group, w, g = (word if reads(lines, word) else "_" for word in ("group", "w", "g"))
        return group, w, g
