"""What root tells a worker at its birth, as one msgpack map."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any

from theater.errors import ProtocolError


class ExitStatus(IntEnum):
    """How a worker ends by itself. Signals and all other statuses are crashes too."""

    NORMAL = 0  # a `shutdown` has committed
    INTERNAL = 1  # a fault of Theater's own
    STOPPED = 10  # it obeyed a stop request
    GUEST_FAILED = 11  # trap, Err, fuel, memory, exit; the black box tells
    REFUSED = 12  # the broker did not take it
    START_FAILED = 13  # the component did not load or instantiate; the black box tells


@dataclass(frozen=True, slots=True)
class Order:
    actor: str
    incarnation: int
    secret: bytes
    endpoint: str  # of the broker
    memory_bytes: int
    fuel: int  # per turn
    turn_timeout_s: float  # of a turn, waiting in asks not counted
    turn_bytes: int
    message_max: int
    state_max: int
    handlers: dict[str, dict[str, Any]]  # granted: type -> settings
    world: dict[str, dict[str, str]]  # interface -> function -> `error` or `again`
    store: str  # the directory of all stores
    syncs: bool  # what is kept there is to survive power loss
    env: dict[str, str]
    args: list[str]
    # Handlers that authors have written: type -> facts of its `spec.Custom`.
    custom: dict[str, dict[str, Any]] = field(default_factory=dict)
    call_to: list[str] | None = None  # whom `rpc` may call; None: its neighbours
    component_fd: int = -1  # filled in by the zygote
    box_fd: int = -1

    @classmethod
    def read(cls, data: Any) -> Order:
        known = {each.name for each in fields(cls)}
        if not isinstance(data, dict) or not known - {"component_fd", "box_fd"} <= set(data):
            raise ProtocolError("not an order for a worker")
        return cls(**{key: value for key, value in data.items() if key in known})
