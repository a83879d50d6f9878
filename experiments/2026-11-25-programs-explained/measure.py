"""How many obfuscations come back, and whether `same` ever says yes to a pair that differs: `measure.py [PART]`.

PART is `obfuscations` (about 3 minutes), `near-misses` (about 15) or `inspect`; without one all of them run.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from evosearch.inspecting import answers, tidy
from primitives.algebra.difference import difference
from primitives.algebra.proofs import prove
from primitives.algebra.same import same
from primitives.algebra.simplify import simplify, statements
from primitives.reference import names, reference
from primitives.text import show
from tests.primitives.algebra.near_misses import near_misses
from tests.primitives.algebra.obfuscation import obfuscated


def obfuscations(count: int = 200) -> None:
    """Simplify obfuscated reference programs, and tell how many are proved to be their origin."""
    seen, seconds, lengths = Counter(), [], []
    for k in range(40, 40 + count):
        program = reference(names()[k % len(names())])
        raw = obfuscated(program, np.random.default_rng(k), 3 + k % 13)
        found = simplify(raw, seconds=20)
        seconds.append(found.seconds)
        lengths.append((statements(raw), statements(found.program), statements(program)))
        if difference(program, found.program, tolerance=1e-5) is not None:
            seen["another map"] += 1
        elif prove(found.program, program, time.monotonic() + 20) is not None:
            seen["back"] += 1
        else:
            seen[f"not back: {program.name}"] += 1
    raw, short, origin = np.mean(lengths, axis=0)
    print(f"{count} obfuscations: {dict(seen)}")
    print(f"statements: {raw:.1f} obfuscated, {short:.1f} simplified, {origin:.1f} of their origins (means)")
    print(f"seconds: median {statistics.median(seconds):.2f}, longest {max(seconds):.1f}")


def near_miss_pairs(count: int = 10_000) -> None:
    """Ask `same` of pairs that differ by one edit; a yes is checked by more and longer trajectories."""
    seen, began = Counter(), time.monotonic()
    for p, q in islice(near_misses(np.random.default_rng(0)), count):
        verdict = same(p, q, agreement=False, seconds=5)
        seen[verdict.answer] += 1
        if verdict.answer == "same" and difference(p, q, trials=10, steps=25, seed=99) is not None:
            seen["false yes"] += 1
            print(show(p), show(q), sep="\n")
    print(f"{count} near misses in {time.monotonic() - began:.0f} s: {dict(seen)}, {seen['false yes']} false yes")


def inspections() -> None:
    """Seconds that `inspect` takes for each reference program, after import."""
    times = {}
    for name in names():
        began = time.monotonic()
        list(answers(tidy(reference(name))))
        times[name] = time.monotonic() - began
    slowest = sorted(times, key=times.__getitem__, reverse=True)[:4]
    print(f"inspect: median {statistics.median(times.values()):.2f} s; slowest", end=" ")
    print(", ".join(f"{name} {times[name]:.2f} s" for name in slowest))


PARTS = {"inspect": inspections, "obfuscations": obfuscations, "near-misses": near_miss_pairs}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
