"""A cluster without processes, for what no test can wait for: its clock moves only where somebody waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from evosearch import crew
from evosearch.handshake import introduction
from evosearch.workers import Died, Failure, attempt


@dataclass(eq=False)
class FakeActor:
    node: str = ""  # empty while it waits for a place
    dead: bool = False
    node_lost: bool = False
    stuck: bool = False
    calls: deque[Any] = field(default_factory=deque)  # that nobody has collected


@dataclass(eq=False)
class Call:
    actor: FakeActor
    method: str
    args: tuple[Any, ...]


class FakeCluster:
    """Nodes with so many places each; what is asked of an actor is there at once, or never if it is stuck."""

    def __init__(self, **nodes: int) -> None:
        self.nodes = nodes
        self.facts = {node: introduction() | {"host": node} for node in nodes}
        self.actors: list[FakeActor] = []
        self.clock = 1000.0
        self.late = 0.0  # how much too late the next wait ends
        self.on_start: Callable[[FakeActor], None] = lambda actor: None

    def join(self, node: str, places: int, **facts: str) -> None:
        self.nodes[node] = places
        self.facts[node] = introduction() | {"host": node} | facts
        for actor in self.living():
            actor.node = actor.node or self._place(())

    def lose(self, node: str) -> None:
        del self.nodes[node]
        for actor in self.living():
            if actor.node == node:
                actor.dead = actor.node_lost = True

    def living(self) -> list[FakeActor]:
        return [actor for actor in self.actors if not actor.dead]

    def placed(self) -> list[FakeActor]:
        return [actor for actor in self.living() if actor.node]

    def _place(self, barred: Collection[str]) -> str:
        taken = [actor.node for actor in self.living()]
        return next((n for n, places in self.nodes.items() if n not in barred and taken.count(n) < places), "")

    def room(self, barred: Collection[str]) -> int:
        return sum(places for node, places in self.nodes.items() if node not in barred)

    def hire(self, barred: Collection[str]) -> FakeActor:
        self.actors.append(FakeActor(self._place(barred)))
        return self.actors[-1]

    def call(self, actor: FakeActor, method: str, *args: Any) -> Call:
        call = Call(actor, method, args)
        actor.calls.append(call)
        return call

    def wait(self, references: Sequence[Call], timeout: float) -> list[Call]:
        ready = [call for call in references if call.actor.dead or (call.actor.node and not call.actor.stuck)]
        if self.late or not ready:
            self.clock += timeout + self.late
            self.late = 0.0
        return ready

    def result(self, call: Call) -> Any:
        call.actor.calls.remove(call)
        if call.method == "start":
            self.on_start(call.actor)
        if call.actor.dead:
            what = "node" if call.actor.node_lost else "worker"
            raise Died(Failure("crash", "the worker process died"), RuntimeError("killed"), what)
        if call.method == "introduce":
            return call.actor.node, self.facts[call.actor.node]
        return attempt(call.args[0], None, *call.args[1:]) if call.method == "run" else None

    def dismiss(self, actor: FakeActor) -> None:
        actor.dead = True

    def cores(self) -> str:
        return f"of the cluster's {self.room(())} cores 0 are free"

    def close(self) -> None: ...


def crew_on(cluster: FakeCluster, n: int, monkeypatch: pytest.MonkeyPatch) -> crew.Crew:
    """A crew whose clock is the cluster's."""
    monkeypatch.setattr(crew, "monotonic", lambda: cluster.clock)
    return crew.Crew(cluster, n, "builtins:dict", ())
