"""The panel that says how to have the same rows again: commands, configuration, seed, versions, machine."""

from __future__ import annotations

from dataclasses import replace

import evosearch
from evosearch.config import to_toml
from evosearch.report.facts import Facts
from evosearch.report.markup import Html, joined, scrolling, table, tag


def panel(facts: Facts) -> Html:
    """Commands that can be typed, and on what the same rows are promised."""
    generated = facts.history.generated
    config = replace(facts.config, programs=generated, budget=0.0)
    commands = "evosearch run config.toml --out again\nevosearch validate again\nevosearch report again"
    intro = (
        f"A search depends on its configuration and its seed, {config.seed}, not on the number of workers nor on time. "
        f"With this configuration, which asks for the {generated:,} candidates that there are, the same rows come out "
        "again, bit for bit, on the same kind of processor with the same versions."
    )
    versions = [["evosearch, of this report", evosearch.__version__], *([k, v] for k, v in facts.machine.items())]
    digests = [[name, mark] for name, mark in facts.digests.items()]
    return joined(
        tag("p", intro if generated else "There is nothing to have again yet; this is the configuration."),
        tag("h3", "Commands"),
        scrolling("Commands", tag("pre", tag("code", commands))),
        tag("h3", "config.toml"),
        scrolling("Configuration", tag("pre", tag("code", to_toml(config)))),
        tag("h3", "Versions and machine"),
        table("On what the run was begun", ["", ""], versions, numbers=False),
        table("Files of own tasks", ["task", "digest"], digests, numbers=False) if digests else None,
        tag("h3", "To use what was found"),
        scrolling("Commands", tag("pre", tag("code", _uses(facts)))),
    )


def _uses(facts: Facts) -> str:
    best = facts.program("best")
    return "\n".join(
        (
            f"evosearch inspect {best}",
            f"evosearch export {best} -o best.py",
            facts.command("resume", "--budget", "+10m"),
        )
    )
