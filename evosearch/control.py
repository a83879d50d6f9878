"""The control of a search: random search of the same size, by the same machinery, that never asks for a score."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from evosearch import directory
from evosearch.archive import Archive
from evosearch.config import Config, to_toml
from evosearch.files import CONTROL
from evosearch.score import Baseline
from evosearch.search import Search
from evosearch.store import Store
from evosearch.workers import Workers

OTHER_SEEDS = 2**32  # added to the seed: else it would begin with the run's own candidates


def at_random(config: Config, programs: int) -> Config:
    """The same search with any member of the population for a parent, and no restarts from the best.

    The best of what is known is still measured again, so that its score can be believed as the search's can.
    """
    evolution = dataclasses.replace(config.evolution, tournament=1, restart_after=2**62)
    seed = config.seed + OTHER_SEEDS
    # Validations train on CPUs, whose workers need no GPU.
    return dataclasses.replace(config, seed=seed, programs=programs, budget=0.0, device="cpu", evolution=evolution)


def random_search(
    config: Config,
    path: Path,
    store: Store,
    workers: Workers,
    bar: Baseline,
    watch: Callable[[Search], None] = lambda search: None,
) -> Archive:
    """What `config`, of `at_random`, finds: made in a directory of its own in that of the run, or gone on with.

    The workers' context is of `config`. Founders and tuned baselines are those of the run in `store`, whose bar this
    is: to tune them again would give the same.
    """
    place = path / CONTROL
    place.mkdir(exist_ok=True)
    begun = (place / "store.sqlite").exists()
    own = Store(place / "store.sqlite", create=not begun, drive=begun)
    try:
        directory.write(place / "config.toml", to_toml(config))
        if own.get("prologue") is None:
            own.add(store.rows(end=0), prologue=store.get("prologue"))
        search = Search(config, own, workers, bar, own.founders())
        search.run(config.programs, lambda: False, watch)
        directory.write_best(place, search.archive, config)
        return search.archive
    finally:
        own.close()
