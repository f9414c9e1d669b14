"""What the broker knows of each path in the tree, as root has told it: adopted, removed.

An actor runs as it was told when it was started; a new specification holds from the next start on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from theater.spec import ActorSpec, ChildSpec, SystemSpec
from theater.supervisor import births, policy, view
from theater.supervisor.broker import Broker
from theater.supervisor.stock import Stock


class Registry:
    def __init__(self, broker: Broker, stock: Stock, system: SystemSpec) -> None:
        self._broker = broker
        self._stock = stock
        self._system = system
        self._told: dict[str, ChildSpec] = {}
        self.changed = False  # components may be in stock that nobody needs any more

    def introduce(self, path: str, state: policy.State | None) -> None:
        """The broker knows of it from now on."""
        if path not in self._told and state is not None:
            spec = view.spec_of(state, path)
            if spec is not None:
                self._adopt(path, spec)

    def renew(self, path: str, spec: ActorSpec) -> None:
        """It is about to be started by this specification."""
        if self._told.get(path) != spec:
            self._adopt(path, spec)

    def remove(self, path: str, reason: str) -> None:
        self.changed = True
        if self._told.pop(path, None) is not None:
            self._broker.say("remove", path, reason)

    def everything(self, state: policy.State, kept: Iterable[ActorSpec]) -> list[dict[str, Any]]:
        """What another broker has to be told. `kept`: what was spawned in an earlier run."""
        orders = [
            self._registration(path, self._told.get(path, spec)) for path, spec in view.specs(state)
        ]
        # They are not in the tree before their actors are started; but they are not gone.
        waiting = [spec for spec in kept if spec.path not in self._told]
        return orders + [self._registration(spec.path, spec) for spec in waiting]

    def components(self) -> set[str]:
        """By their hashes, those of actors that may still run as they were told."""
        told = (spec for spec in self._told.values() if isinstance(spec, ActorSpec))
        return {spec.component_sha256 for spec in told}

    def _adopt(self, path: str, spec: ChildSpec) -> None:
        self._broker.say("adopt", [self._registration(path, spec)])

    def _registration(self, path: str, spec: ChildSpec) -> dict[str, Any]:
        self.changed = self.changed or self._told.get(path, spec) != spec
        self._told[path] = spec
        if isinstance(spec, ActorSpec):
            exports = self._stock.exports(spec.component_sha256)
            return births.registration(spec, self._system, exports)
        return births.supervisor_registration(spec)
