"""The command `stop`: a search is ended from another terminal, on any machine that has its disk."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from evosearch import stopping
from evosearch.config import ConfigError
from evosearch.files import STORE, driver, is_control
from evosearch.mistakes import StoreError
from evosearch.shell import command


def stop(args: argparse.Namespace) -> None:
    """Ask the driver of a search to end, and wait until it has."""
    path = Path(args.directory)
    if not (path / STORE).is_file():
        raise ConfigError(f"{path} is not a run directory; name the one that the search was begun with.")
    who = driver(path)
    if not who:
        print(f"No search is under way in {path}; nothing is to be stopped.")
        return
    if is_control(path):
        raise ConfigError(f"{path} is the control of a validation, which {who} makes; end that one with Ctrl-C.")
    if _asks(path / STORE):
        raise ConfigError(f"{path} is an ask/tell loop, which {who} drives; end that process: what was told is kept.")
    request = path / stopping.REQUEST
    _ask(request)
    print(f"Asked {who} to stop; everything that was committed is kept.", flush=True)
    if args.no_wait:
        return
    while driver(path) == who:
        _ask(request)  # again, for a driver that has just begun may have taken it for an old one
        time.sleep(stopping.EVERY)
    request.unlink(missing_ok=True)
    print(f"It has ended. Go on with: {command('resume', path)}")


def _asks(path: Path) -> bool:
    """Whether it is the store of an ask/tell loop; where it cannot be read, a search is to be stopped all the same."""
    from evosearch import told  # imports torch
    from evosearch.store import Store

    try:
        store = Store(path, look=True)
    except StoreError:
        return False
    try:
        return bool(store.get(told.KIND))
    finally:
        store.close()


def _ask(request: Path) -> None:
    try:
        request.touch()
    except OSError as error:
        raise ConfigError(f"cannot write {request}: {error.strerror}; end the search by Ctrl-C or SIGTERM.") from error
