"""What a manifest asks for: the supervision tree and its settings, as plain frozen data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MIB = 1024 * 1024


class Strategy(StrEnum):
    ONE_FOR_ONE = "one_for_one"


class Restart(StrEnum):
    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class ShutdownKind(StrEnum):
    TIMEOUT = "timeout"
    BRUTAL_KILL = "brutal_kill"
    INFINITY = "infinity"


@dataclass(frozen=True, slots=True)
class Shutdown:
    """How a child is stopped: asked and given `timeout_s`, killed at once, or waited for."""

    kind: ShutdownKind = ShutdownKind.TIMEOUT
    timeout_s: float = 5.0  # meant only with TIMEOUT


class Durability(StrEnum):
    DISK = "disk"  # an acknowledged commit survives power loss
    PROCESS = "process"  # it survives the death of any process


class OnFull(StrEnum):
    BLOCK = "block"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Handler:
    """One granted capability and its settings, e.g. ("message-server", {"send_to": [...]})."""

    type: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    memory_bytes: int = 256 * MIB  # linear memory of the guest, all memories together
    fuel: int = 10_000_000_000  # per turn
    turn_timeout_s: float = 30.0  # wall time per turn, waiting in asks not counted
    turn_bytes: int = 16 * MIB  # events of one turn
    start_timeout_s: float = 30.0  # from fork to ready
    max_deliveries: int = 3  # a message that has killed this many times is set aside


@dataclass(frozen=True, slots=True)
class MailboxBounds:
    max_messages: int = 10_000
    max_bytes: int = 64 * MIB
    on_full: OnFull = OnFull.BLOCK


@dataclass(frozen=True, slots=True)
class ActorSpec:
    path: str  # the actor's address, e.g. "pool/worker-1"
    component: str  # absolute path of the .wasm or .wat file
    restart: Restart = Restart.PERMANENT
    shutdown: Shutdown = Shutdown()
    initial_state: bytes | None = None
    handlers: tuple[Handler, ...] = ()
    env: dict[str, str] = field(default_factory=dict)  # what wasi:cli/environment answers
    args: tuple[str, ...] = ()
    limits: Limits = Limits()
    mailbox: MailboxBounds = MailboxBounds()
    request_timeout_s: float = 5.0  # of the requests this actor makes
    where: str = ""  # the TOML path that said so, for error messages: "child[0]"

    def handler(self, type: str) -> Handler | None:
        return next((handler for handler in self.handlers if handler.type == type), None)


@dataclass(frozen=True, slots=True)
class SupervisorSpec:
    path: str  # "" for the root supervisor
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int = 3  # this many restarts ...
    period_s: float = 5.0  # ... within this window are allowed
    restart: Restart = Restart.PERMANENT  # as a child of the supervisor above
    shutdown: Shutdown = Shutdown(ShutdownKind.INFINITY)
    children: tuple[ActorSpec | SupervisorSpec, ...] = ()
    where: str = ""

    def actors(self) -> Iterator[ActorSpec]:
        """Every actor below, in start order."""
        for child in self.children:
            if isinstance(child, SupervisorSpec):
                yield from child.actors()
            else:
                yield child


@dataclass(frozen=True, slots=True)
class SystemSpec:
    name: str
    root: SupervisorSpec
    durability: Durability = Durability.DISK
    message_max_bytes: int = 16 * MIB
    state_max_bytes: int = 64 * MIB
    compile_memory_bytes: int = 2048 * MIB
    compile_timeout_s: float = 120.0
