"""A register for every value of a tensor: new states straight in place of the old ones where nothing reads those."""

from __future__ import annotations

from dataclasses import dataclass

from primitives.schedule import Schedule

IN_PLACE = ("add", "subtract", "multiply", "divide", "mix", "max", "min")  # may overwrite their first register


@dataclass(frozen=True, slots=True)
class Registers:
    """Where values are: w, g, the states, then wide temporaries, then those of a block."""

    place: dict[int, int]  # node -> register
    moves: list[tuple[int, int]]  # (to, from) at the end of the last stage
    wide: int
    local: int


class _Allocator:
    def __init__(self, s: Schedule) -> None:
        self.s = s
        self.order = [i for work in s.stages.values() for i in (*work.whole, *work.body, *work.reductions)]
        self.last_use: dict[int, int] = {}  # node -> position in the order
        # Nodes that are whole tensors, or read in a later stage than their own.
        self.crossing: set[int] = {i for work in s.stages.values() for i in work.whole}
        self.home_of = {i: home for home, i in s.homes.items()}
        self.old = {register: i for i, register in s.inputs.items()}
        self.temporary: dict[int, tuple[bool, int]] = {}  # node -> is it wide, which one
        self.free: dict[bool, list[int]] = {True: [], False: []}
        self.count = {True: 0, False: 0}
        self.moved: list[tuple[int, int]] = []

    def registers(self, base: int) -> Registers:
        self._find_uses()
        last_stage = next(reversed(self.s.stages))
        place = dict(self.s.inputs)
        for position, i in enumerate(self.order):
            if self.s.vector[i]:
                home = self.home_of.get(i)
                if home is not None and self._may_go_home(i, position, home):
                    place[i] = home
                else:
                    late = home is not None and self.s.runs[i] != last_stage
                    self._take_temporary(i, position, wide=late or i in self.crossing)
                    if home is not None:
                        self.moved.append((home, i))
            self._release(i, position)
        for i, (is_wide, k) in self.temporary.items():
            place[i] = base + k + (0 if is_wide else self.count[True])
        moves = [(home, place[i]) for home, i in self.moved]
        return Registers(place, moves, self.count[True], self.count[False])

    def _find_uses(self) -> None:
        s = self.s
        for position, i in enumerate(self.order):
            for a in s.nodes[i].args:
                if s.vector[a]:
                    self.last_use[a] = position
                    if s.runs[a] != s.runs[i]:
                        self.crossing.add(a)

    def _overwritable(self, i: int, position: int) -> int | None:
        """The argument that node i may replace element by element, in any machine: read here, once, and never again."""
        vectors = [a for a in self.s.nodes[i].args if self.s.vector[a]]
        if self.s.nodes[i].op not in IN_PLACE or vectors.count(vectors[0]) > 1:
            return None
        return vectors[0] if self.last_use[vectors[0]] == position else None

    def _may_go_home(self, i: int, position: int, home: int) -> bool:
        """Whether nothing will read the old value that is there."""
        old = self.old.get(home)
        last = -1 if old is None else self.last_use.get(old, -1)
        return last < position or (last == position and self._overwritable(i, position) == old)

    def _take_temporary(self, i: int, position: int, wide: bool) -> None:
        argument = self._overwritable(i, position)
        if argument in self.temporary and argument not in self.home_of and self.temporary[argument][0] == wide:
            self.temporary[i] = self.temporary[argument]
            return
        if not self.free[wide]:
            self.free[wide].append(self.count[wide])
            self.count[wide] += 1
        self.temporary[i] = (wide, self.free[wide].pop())

    def _release(self, i: int, position: int) -> None:
        """Frees the temporaries that node i was the last to read; those that will move home stay."""
        for a in set(self.s.nodes[i].args):
            if a in self.temporary and self.last_use[a] == position and a not in self.home_of:
                wide, k = self.temporary[a]
                if self.temporary.get(i) != (wide, k):
                    self.free[wide].append(k)


def allocate(s: Schedule, base: int) -> Registers:
    """Registers for a schedule; temporaries come from `base` on."""
    return _Allocator(s).registers(base)
