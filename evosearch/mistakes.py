"""Errors whose text is a sentence for the user; importing them imports nothing heavy."""

from __future__ import annotations

from evosearch.config import ConfigError
from evosearch.flat import MutationError
from evosearch.workers import WorkerError
from primitives.bytecode import UnsupportedError
from primitives.program import ProgramError
from proxies import TaskError


class StoreError(ValueError):
    """A run directory that cannot be used; the message is one sentence that says what to do."""


MISTAKES = (ConfigError, MutationError, ProgramError, StoreError, TaskError, UnsupportedError, WorkerError)
"""What a command may raise: the command line prints it and ends with 2."""
