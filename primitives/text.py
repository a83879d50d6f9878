"""The text of a program: `parse` reads it (with `ast`, never executing it), `show` writes it; exact inverses."""

from __future__ import annotations

from primitives.inference import kind_faults
from primitives.program import Call, Program, ProgramError
from primitives.reader import Reader
from primitives.show import show, show_expr, show_number

__all__ = ["parse", "parse_expr", "problems", "show", "show_expr", "show_number"]

Expr = str | float | Call


def parse(text: str) -> Program:
    """The program that a text means; ProgramError with every fault, one sentence each with line and column."""
    reader = Reader(text)
    program = reader.read()
    faults = [*reader.faults, *(kind_faults(program) if program is not None else [])]
    if faults or program is None:
        raise ProgramError(*faults)
    return program


def problems(program: Program | str) -> tuple[str, ...]:
    """Every fault of a program or text, one sentence each with line and column; empty means valid."""
    try:
        if isinstance(program, str):
            parse(program)
        elif parse(show(program)) != program:
            return ("line 1, column 1: the program is not the one that its own text means.",)
    except ProgramError as error:
        return error.faults
    return ()


def parse_expr(text: str, known: tuple[str, ...]) -> Expr:
    """The expression that a text means over the variables `known`; ProgramError with its faults."""
    reader = Reader(text)
    expr = reader.expression(known)
    if reader.faults:
        raise ProgramError(*reader.faults)
    return expr
