"""What an actor that runs as a unit test has spawned: who they are is said by the test.

A child here is a row and no actor: a test says what becomes of it (`InProcess.child_error` ...) and
what its state is. A request to it is answered as any other, by `answers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from theater_actor.calls import Event, NotDone

if TYPE_CHECKING:
    from theater.testing.inprocess import InProcess

Manifest = str | Exception


@dataclass(slots=True)
class Child:
    """One that was spawned. `state`: what the actor has given it, until a test says another."""

    manifest: str
    state: bytes | None
    resumed: bool
    running: bool = True
    restarts: int = 0  # that the actor has asked for
    subscribed: bool = False
    events: list[Event] = field(default_factory=list)  # what the actor is shown of its chain


class Children(dict[str, Child]):
    """Those of an actor, by their addresses. `manifests`: see `InProcess`."""

    def __init__(self, actor: InProcess, manifests: Mapping[str, Manifest]) -> None:
        super().__init__()
        self._actor = actor
        self.manifests = dict(manifests)
        self._names: set[str] = set()  # that were ever used

    def spawn(self, manifest: str, state: bytes | None, resumed: bool) -> str:
        self._actor.commit()
        if manifest not in self.manifests:
            raise RuntimeError(
                f"nothing says in this test whose manifest {manifest!r} is:"
                f" manifests={{{manifest!r}: 'worker'}}"
            )
        name = self.manifests[manifest]
        if isinstance(name, Exception):
            raise name
        path = first = f"{self._actor.address}/{name}"
        number = 1
        while path in self._names:
            number += 1
            path = f"{first}-{number}"
        self._names.add(path)
        self[path] = Child(manifest, state, resumed)
        return path

    def asked(self, child: str) -> Child:
        """The one that the actor asks about. An ask is a commit point."""
        self._actor.commit()
        found = self.get(child)
        if found is None:
            raise NotDone(f"no-actor: {child!r} is no child of {self._actor.address}")
        return found

    def of_test(self, child: str) -> Child:
        """The one that a test tells of."""
        if child not in self:
            raise RuntimeError(f"{self._actor.address} has not spawned {child!r} in this test")
        return self[child]
