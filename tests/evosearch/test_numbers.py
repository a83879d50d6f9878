"""The compact table of numbers: against a dictionary."""

from __future__ import annotations

import random

from evosearch.numbers import FIRST, FULL, Numbers


def test_as_a_dictionary_with_keys_that_collide_and_growth() -> None:
    rng, table, expected = random.Random(0), Numbers(), dict[int, int]()
    some = [rng.getrandbits(64) or 1 for _ in range(3000)]
    keys = some + [(key + (1 << 40)) % 2**64 or 1 for key in some] + [1, 2**64 - 1]
    for number, key in enumerate(keys):
        assert table.get(key) is None
        table.put(key, number - 5)
        expected[key] = number - 5
    for key in keys[::3]:
        table.put(key, 7)
        expected[key] = 7
    assert {key: table.get(key) for key in keys} == expected
    assert table.count == len(expected) <= FULL * len(table.keys)
    assert len(table.keys) > 4 * FIRST
