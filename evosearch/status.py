"""The command `status`: a search seen from another terminal, on any machine with its disk."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from evosearch.console import printer
from evosearch.live.look import Looking, Seen
from evosearch.live.screen import is_live, screen
from evosearch.live.text import Shown
from evosearch.live.view import Member
from evosearch.meter import Meter
from evosearch.plain import plain

EVERY = 2.0  # seconds between two looks
WIDTH = 100  # where no terminal says how wide it is

console = printer(WIDTH)


def status(args: argparse.Namespace) -> None:
    """Show how a search stands; with --watch until it ends."""
    looking = Looking(Path(args.directory))
    seen = _first(looking)
    if args.watch and seen.driver:
        seen = _watch(looking, seen, _print_json if args.json else None)
    if args.json:
        _print_json(seen)
    else:
        console.print(Shown(seen.view, whole=True))


def _first(looking: Looking) -> Seen:
    """The first look, which takes seconds where there are many candidates."""
    errors = Console(stderr=True, highlight=False, markup=False)
    if not is_live(errors):
        return looking.look()
    with Meter(errors, time.monotonic()) as meter:
        meter.say(f"reading {looking.path}")
        return looking.look()


def _watch(looking: Looking, seen: Seen, each: Callable[[Seen], None] | None) -> Seen:
    """Look until no driver is at work; the last look."""
    shown = None if each else screen(console)
    if shown is not None:
        shown.start()
    try:
        while seen.driver:
            if each is not None:
                each(seen)
            if shown is not None:
                shown.show(partial(replace, seen.view))
            time.sleep(EVERY)
            seen = looking.look()
    finally:
        if shown is not None:
            shown.stop()
    return seen


def _print_json(seen: Seen) -> None:
    print(json.dumps(record(seen), allow_nan=False), flush=True)


def record(seen: Seen) -> dict[str, Any]:
    """A look as plain values."""
    view = seen.view
    generated, trained = view.speed or (None, None)
    return {
        "directory": view.place,
        "state": seen.state,
        "driver": seen.driver or None,
        "seconds": view.gone,
        "seconds_left": view.left,
        "part": view.part,
        "generated": view.generated,
        "trained": view.trained,
        "hits": view.hits,
        "generated_per_second": generated,
        "trained_per_second": trained,
        "refused": dict(view.refused),
        "best": None if view.best is None else {**_member(view.best), **plain(view.explained)},
        "front": [_member(one) for one in view.front],
        "curve": [list(moment) for moment in view.curve],
        "verdict": view.verdict or None,
    }


def _member(one: Member) -> dict[str, Any]:
    return dict(plain(one))
