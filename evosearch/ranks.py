"""How programs rank, as columns of numbers: the first of them, their order, and the Pareto front."""

from __future__ import annotations

from typing import Any

import numpy as np

from evosearch.numbers import Numbers

Array = np.ndarray[Any, Any]
OFFSET = 1 << 62  # makes a key of a number that may be negative
FIRST = 1 << 10  # rows of an empty table
ROW = np.dtype([("believed", "f8"), ("length", "i4"), ("states", "i4"), ("cost", "f8"), ("number", "i8")])


class Ranks:
    """A row for each program that passed every hurdle: the more it is believed the better; of equals, the simpler."""

    def __init__(self) -> None:
        self.table = np.empty(FIRST, ROW)
        self.count = 0
        self.rows = Numbers()  # by number
        self.best: int | None = None  # row of the first

    def set(self, number: int, believed: float, length: int, states: int, cost: float) -> None:
        """Enter a program, or say what is believed of it now."""
        row = self.rows.get(number + OFFSET)
        if row is None:
            row = self.count
            if row == len(self.table):
                self.table = np.concatenate([self.table, np.empty_like(self.table)])
            self.rows.put(number + OFFSET, row)
            self.count += 1
        self.table[row] = believed, length, states, cost, number
        if self.best is None or row == self.best or self._key(row) < self._key(self.best):
            self.best = row if row != self.best else self._first()

    def leader(self) -> int | None:
        """The number of the first program."""
        return None if self.best is None else int(self.table["number"][self.best])

    def order(self) -> list[int]:
        """All numbers, the best first."""
        return [int(number) for number in _ordered(self.table[: self.count])["number"]]

    def front(self) -> list[int]:
        """Numbers of those of whom none other is as good in belief, length, states and cost, and better in one."""
        table = self.table[: self.count]
        sizes = [table[name] for name in ("cost", "states", "length")]
        by_size = np.lexsort([table["number"], -table["believed"], *sizes])
        changed = [np.diff(size[by_size]) != 0 for size in sizes]
        firsts = by_size[np.flatnonzero(np.concatenate([[self.count > 0], np.any(changed, axis=0)]))]  # of each size
        front: list[tuple[int, int, float, int]] = []
        for _, length, states, cost, number in _ordered(table[firsts]).tolist():
            if not any(n <= length and s <= states and c <= cost for n, s, c, _ in front):
                front.append((length, states, cost, number))
        return [number for *_, number in front]

    def _first(self) -> int:
        table = self.table[: self.count]
        equal = np.flatnonzero(table["believed"] == table["believed"].max())
        return min(equal.tolist(), key=self._key)

    def _key(self, row: int) -> tuple[float, int, int, float, int]:
        believed, length, states, cost, number = self.table[row].tolist()
        return -believed, length, states, cost, number


def _ordered(table: Array) -> Array:
    """Rows by rank."""
    keys = table["number"], table["cost"], table["states"], table["length"], -table["believed"]
    return table[np.lexsort(keys)]
