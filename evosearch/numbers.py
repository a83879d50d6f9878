"""Numbers by key in sixteen bytes each: a search meets millions of programs, and forgets none."""

from __future__ import annotations

from array import array

FIRST = 1 << 10  # places of an empty table
FULL = 0.7  # of the places at most; beyond, chains of neighbours get long


class Numbers:
    """A hash table in two arrays; keys are whole numbers of 64 bits that are not 0, which marks a free place."""

    def __init__(self) -> None:
        self.count = 0
        self._make(FIRST)

    def get(self, key: int) -> int | None:
        """The number of a key, or None."""
        place = self._place(key)
        return self.values[place] if self.keys[place] else None

    def put(self, key: int, number: int) -> None:
        """Keep the number of a key."""
        if self.count >= FULL * len(self.keys):
            old = zip(self.keys, self.values, strict=True)
            self._make(2 * len(self.keys))
            for k, n in old:
                if k:
                    self._set(k, n)
        self._set(key, number)

    def _make(self, size: int) -> None:
        self.mask = size - 1
        self.keys, self.values = array("Q", bytes(8 * size)), array("q", bytes(8 * size))
        self.count = 0

    def _set(self, key: int, number: int) -> None:
        place = self._place(key)
        self.count += not self.keys[place]
        self.keys[place], self.values[place] = key, number

    def _place(self, key: int) -> int:
        """Where the key is, or would be put."""
        keys, mask = self.keys, self.mask
        place = key & mask
        while (found := keys[place]) and found != key:
            place = (place + 1) & mask
        return place
