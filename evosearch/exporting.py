"""The command `export`: a program as a stand-alone file; that of a run comes with what the search knows."""

from __future__ import annotations

import argparse
import re
import sys
from keyword import iskeyword

from evosearch import arguments, found
from evosearch.config import ConfigError
from evosearch.files import write
from evosearch.resolve import place_in_run, resolve
from primitives.export import source
from primitives.export_optax import optax_source

TAKEN = sys.stdlib_module_names | {"torch", "numpy", "jax", "optax"}  # a file of such a name would hide the module


def export(args: argparse.Namespace) -> None:
    """Write the file, and say how to import from it."""
    program = resolve(args.program)
    if args.class_name is not None and (not args.class_name.isidentifier() or iskeyword(args.class_name)):
        raise ConfigError(f"'{args.class_name}' is no name for a class.")
    path = arguments.output(args.output)
    if path.suffix != ".py" or not path.stem.isidentifier() or iskeyword(path.stem) or path.stem in TAKEN:
        raise ConfigError(f"{path.name} cannot be imported as a module of its own; name the file as lion.py.")
    write_source = optax_source if args.target == "optax" else source
    text = write_source(program, args.class_name, notes=notes(args.program))
    try:
        write(path, text)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}.") from error
    name = re.search(r"^class (\w+)\(ListOptimizer\)|^def (\w+)\(\s*learning_rate:", text, re.MULTILINE)
    print(f"Wrote {path}: from {path.stem} import {name[1] or name[2] if name else program.name}")


def notes(spec: str) -> list[str]:
    """What a run knows of the program that `spec` names in it; nothing of other programs."""
    in_run = place_in_run(spec)
    if in_run is None or not (in_run[0] / "store.sqlite").is_file():
        return []
    directory, which = in_run
    if re.fullmatch(r"-?\d+", which):
        return found.of_number(directory, int(which)).notes()
    index = 0 if which == "best" else int(which.removeprefix("front[").rstrip("]"))
    return found.of_number(directory, int(found.front(directory)[index]["number"])).notes()
