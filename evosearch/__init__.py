"""Discovers optimizers for neural networks: evolves short programs, scored by really training with them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from evosearch.api import Run, Settings
    from evosearch.asktell import AskTell
    from evosearch.callbacks import Callback, Moment, TensorBoard
    from primitives.program import Program

__all__ = ["AskTell", "Moment", "Run", "TensorBoard", "load", "open_run", "search", "to_torch", "use"]
__version__ = "0.1.0"

_PLACES = {"AskTell": "asktell", "Moment": "callbacks", "Run": "api", "TensorBoard": "callbacks"}


def load(spec: str | os.PathLike[str]) -> Program:
    """The program that `spec` names: "lion", a path, "runs/today:best", "runs/today:17", "runs/today:front[0]".

    Raises primitives.program.ProgramError, a ValueError, with one sentence for each fault.
    """
    from evosearch.resolve import resolve

    return resolve(os.fspath(spec))


def to_torch(program: Program | str | os.PathLike[str]) -> type[torch.optim.Optimizer]:
    """A torch.optim.Optimizer subclass that does what the program says; hyperparameters are its arguments.

    The program may also be named, as for `load`.
    """
    from primitives.optimizer import to_torch as convert
    from primitives.program import Program

    return convert(program if isinstance(program, Program) else load(program))


def search(
    config: Settings = None,
    *,
    out: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callback] = (),
    quiet: bool = False,
    **settings: Any,
) -> Run:
    """Search as `evosearch run` does, and give the run; settings are the fields of evosearch.config.Config.

    `config` is a Config, a dictionary or the path of a TOML file, over which settings stand: `programs=1000`,
    `budget="10m"`, `evolution={"population": 100}`. Each callback gets a Moment after each block, and ends the search
    by returning True. Wrong input raises evosearch.config.ConfigError, a ValueError, with one sentence.
    """
    from evosearch import api

    return api.search(config, out=out, callbacks=callbacks, quiet=quiet, **settings)


def open_run(directory: str | os.PathLike[str]) -> Run:
    """The run of a directory, under way or ended; StoreError, a ValueError, where there is none."""
    from evosearch import api

    return api.Run(directory)


def use(*files: str) -> tuple[str, ...]:
    """Let the primitives of files or entry points join the language in this process; their names.

    Raises primitives.own.PrimitiveError, a ValueError, with one sentence for each fault.
    """
    from primitives import own

    return own.use(files)


def __getattr__(name: str) -> Any:
    """The classes, imported when first asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module 'evosearch' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"evosearch.{_PLACES[name]}"), name)
