"""What a chain says of one turn: its call, what it asks, how it ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theater import calls
from theater.events import EventType, ref_hash
from theater.fsck.chain import Crossing
from theater.fsck.rows import AskRow

if TYPE_CHECKING:
    pass

WAITING, OPEN, DONE, FAILED = "waiting", "open", "done", "failed"
RENUMBERED = "renumbered"  # its actor began anew, its message has another turn
BEGAN_ANEW = "its actor began anew: its message has another turn"
INIT, SEND, REQUEST = "init", "send", "request"
CHANNEL_OPEN, CHANNEL_CLOSE = "channel-open", "channel-close"
CALL = calls.CALL
ASKED = (REQUEST, CHANNEL_OPEN, CALL)
TICK = "tick"
LOOP = "loop"
ANSWERED = (*ASKED, LOOP)  # their turns return something beside a state
CHILDREN = ("child-error", "child-exit", "child-external-stop", "child-event")
KINDS = (
    *(INIT, SEND, REQUEST, CHANNEL_OPEN, "channel-message", CHANNEL_CLOSE, TICK, LOOP, CALL),
    *CHILDREN,
)
QUEUED, OUTSTANDING, DEAD = "queued", "outstanding", "dead"


CANCELLED = "cancelled: "


@dataclass(slots=True)
class Ask:
    at: Crossing
    row: AskRow | None
    answer_index: int  # of the event that has to be its answer
    carried_on: bool = False  # the answer is told by an incarnation that has not asked

    def is_world(self) -> bool:
        """Whether the worker itself does it: none of Theater's own interfaces has such calls."""
        return not self.at.interface.startswith(calls.OURS)

    def may_wait_for(self, at: Crossing) -> bool:
        """Whether its answer may come after this: that another incarnation goes on, and what a
        fresh instance does before it comes to the world call."""
        if not self.is_world():
            return False
        if at.type == EventType.CARRIED_ON:
            self.carried_on = True
            return True
        is_local = at.type == EventType.LOG or (
            at.type == EventType.HOST_CALL and at.interface.startswith("wasi:") and not at.asks()
        )
        return self.carried_on and is_local


@dataclass(slots=True)
class Turn:
    """What a chain says of one turn."""

    number: int
    sure: bool = True  # nothing of it is missing
    after_gap: bool = False  # turns before it may be missing, which is told
    incarnation: int = 0
    index: int = 0  # of its next event
    kind: str = ""
    call: Crossing | None = None
    initial_state: bytes | None = None  # as it was when an init was called
    steps: int = 0
    ask: Ask | None = None  # that has no answer yet
    result: Crossing | None = None
    state: bytes | None = None
    reply: Any = None
    answered: tuple[str, Any] | None = None  # its request was, by this call with this, before
    fuel: int = 0
    failures: int = 0  # turn-failed events
    failed_by: int = 0  # incarnation of the last of them
    failed_reason: Any = None
    set_aside: bool = False  # one of them after a step
    anew: bool = False  # its actor began anew after it
    renumbered_by: int = 0  # incarnation of an actor that did so before its end
    renumbered: float = 0  # when
    removed_by: int | None = None  # incarnation of an actor that was removed after it
    last_seq: int = 0
    time: float = 0  # when its row was written last

    def is_over(self) -> bool:
        return self.result is not None or self.set_aside or self.anew


def take_result(turn: Turn, at: Crossing) -> None:
    """The event that ends it. ValueError, TypeError or LookupError: it is no result of it."""
    value, turn.fuel = at.payload
    returned = value["ok"]
    state = returned[0]
    turn.state = None if state is None else ref_hash(state)
    if len(returned) != (2 if turn.kind in ANSWERED else 1):
        raise ValueError("a result of another kind of turn")
    if turn.call is not None and at.name != turn.call.name:
        raise ValueError("a result of what was not called")
    if turn.kind in (CALL, LOOP) and not _is_answer(*returned[1]):
        raise ValueError("neither ok nor err")
    if state is not None and turn.state is None:
        raise ValueError("a state that is no reference")
    if turn.kind == REQUEST:
        (turn.reply,) = returned[1]


def _is_answer(value: Any) -> bool:
    """Whether this can be the answer to a call of another actor's, or what a round leaves."""
    match value:
        case {"ok": content} if len(value) == 1:
            return isinstance(content, bytes) or ref_hash(content) is not None
        case {"err": str()}:
            return len(value) == 1
    return False
