"""What there is to start from: the command `list`; and what a step of a program needs."""

from __future__ import annotations

import argparse
import dataclasses
import json
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from primitives import own
from primitives.analysis.nature import nature
from primitives.bytecode import compile_program
from primitives.facts import Facts, facts
from primitives.graph import canonical
from primitives.options import Option
from primitives.program import Program
from primitives.recommended import RECOMMENDED
from primitives.reference import found, names, reference
from primitives.schedules import SCHEDULES
from primitives.table import PRIMITIVES
from primitives.text import show_number
from primitives.wrappers import WRAPPERS

WIDTH = 200  # of tables, where no terminal says how wide it is
WIDE = 198  # from which on no row of the table of methods is cut


def list_programs(args: argparse.Namespace) -> None:
    """Reference programs with what their texts say of them, what searches led to, wrappers, schedules and settings."""
    console = Console(highlight=False, markup=False)
    console = console if console.is_terminal else Console(highlight=False, markup=False, width=WIDTH)
    programs, ours = ([(name, reference(name)) for name in some] for some in (names(), found()))
    if args.json:
        print(json.dumps([{"name": name, **_record(program)} for name, program in programs + ours], indent=2))
        return
    console.print(_methods(programs, console.width))
    rows = [(name, _title(program.doc)) for name, program in ours]
    console.print(_titled("What searches led to, better on held-out tasks (experiments/README.md)", rows))
    rows = [(f"{w.name}({', '.join([*w.takes, *_options(w.options)])})", _title(w.doc)) for w in WRAPPERS.values()]
    console.print(_titled("Wrappers, from programs to a program", rows))
    rows = [(f"{s.name}({', '.join(_options(s.options))})", _title(s.doc)) for s in SCHEDULES.values()]
    console.print(_titled("Schedules, for scheduled(PROGRAM, SCHEDULE)", rows))
    rows = [(r.name, f"{r.use}: {r.expression}") for r in RECOMMENDED.values()]
    console.print(_titled("Recommended settings", rows))
    if mine := [(name, p) for name, p in PRIMITIVES.items() if name in own.names()]:
        rows = [(f"{name}({', '.join(p.args)})", p.formula) for name, p in mine]
        console.print(_titled("Primitives of your own", rows))


def _methods(programs: list[tuple[str, Program]], width: int) -> Table:
    """A row for each; where a row would be cut, a paragraph."""
    columns = ("states", "memory", "adaptive", "momentum", "gradients", "closure", "shapes")
    table = Table(box=None, pad_edge=False)
    table.add_column("method", no_wrap=True)
    if width < WIDE:
        table.add_column("what")
    else:
        for column in columns:
            table.add_column(column)
        table.add_column("what", no_wrap=True)
    for name, program in programs:
        cells, title = _cells(program), _title(program.doc)
        if width < WIDE:
            listed = "; ".join(f"{column} {cell}" for column, cell in zip(columns, cells, strict=True))
            table.add_row(name, Text(title) + Text(f"\n{listed}", "dim"))
        else:
            table.add_row(name, *cells, title)
    return table


def _cells(program: Program) -> list[str]:
    """What a method's text says of it."""
    f, of = facts(program), nature(program)
    states = ", ".join(state for state, _ in f.states) or "-"
    return [states, f.memory, _word(of.adaptive), _word(of.momentum), f.gradients, f.closure, f.shapes]


def _word(answer: bool | None) -> str:
    return "?" if answer is None else "yes" if answer else "no"


def _titled(title: str, rows: list[tuple[str, str]]) -> Table:
    table = Table("\n" + title, "\n", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table


def _options(options: tuple[Option, ...]) -> list[str]:
    return [f"{option.name}={show_number(option.default)}" for option in options]


def _title(doc: str) -> str:
    return doc.split("\n")[0]


@dataclass(frozen=True)
class Needs:
    """What a step of a program needs, as its text says it; length and cost are of the canonical form."""

    facts: Facts
    length: int  # statements
    cost: float  # additions for each element

    def lines(self) -> list[str]:
        """A line for each but states and memory, of which the analysis of memory says more."""
        f = self.facts
        return [
            f"gradients  {f.gradients} a step; closure: {f.closure}",
            f"shapes     {f.shapes}",
            f"length     {self.length} statement{'s' * (self.length != 1)} in canonical form",
            f"cost       {self.cost:g} additions for each element, as a search counts this text",
        ]


def needs(program: Program) -> Needs:
    """What can be read off a program without running it."""
    return Needs(facts(program), len(canonical(program).body), compile_program(program).cost)


def _record(program: Program) -> dict[str, object]:
    """What can be read off a program, for JSON."""
    found, of = needs(program), nature(program)
    return {
        **dataclasses.asdict(found.facts),
        "states": dict(found.facts.states),
        "length": found.length,
        "cost": found.cost,
        "adaptive": of.adaptive,
        "momentum": of.momentum,
        "hyperparameters": program.defaults,
    }
