"""What the broker holds of each actor in memory, and of each supervisor."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from theater import calls
from theater.broker.mailbox import Mailbox, Message
from theater.chain import GENESIS
from theater.stores import Access

ROOT = "/"  # the root supervisor; no address is like it

INIT = "init"
SEND = "send"
REQUEST = "request"
CALL = calls.CALL
CHANNEL_OPEN = "channel-open"
CHANNEL_MESSAGE = "channel-message"
CHANNEL_CLOSE = "channel-close"
TICK = "tick"
LOOP = "loop"
ASKED = frozenset({REQUEST, CHANNEL_OPEN, CALL})  # whoever made them waits for what comes of it
ANSWERED = ASKED | {LOOP}  # their turns have something beside a state as their result

# Phases in which new messages are collected; in the others they become dead letters.
COLLECTING = frozenset({"starting", "running", "unresponsive", "restarting", "stopping"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What root tells the broker of an actor."""

    send_to: tuple[str, ...] | None  # None: the default neighbours
    may_send: bool  # has the message-server handler
    stores: Access | None  # what the store handler grants; None: it has none
    world: frozenset[tuple[str, str]]  # (interface, function) of the world calls that are granted
    reads: frozenset[tuple[str, str]]  # those that authors' handlers answer at once
    takes: frozenset[str]  # kinds of message that the component has an export for
    max_timers: int  # 0: it may set none
    max_events: int  # a chain shown to the actor holds at most so many events
    request_timeout_s: float
    turn_timeout_s: float
    turn_bytes: int
    max_deliveries: int
    state_every: int | None  # see keeping.py; None: as the size of the state has it
    recycle_turns: int  # that an incarnation may end before it is recycled; 0: no bound
    may_manage: bool = False  # has the supervisor handler
    may_call: bool = False  # has the rpc handler
    call_to: tuple[str, ...] | None = None  # whom; None: the default neighbours
    functions: frozenset[str] = frozenset()  # that others may call of it
    interfaces: tuple[str, ...] = ()  # that they are told it exports
    may_loop: bool = False  # has the loop handler


@dataclass(slots=True)
class Handed:
    """An input in the worker's hands. `turn` is its number; `message` is None for init."""

    turn: int
    kind: str
    message: Message | None

    def called(self) -> tuple[str, str]:
        """The export that it calls."""
        return calls.CALLS[self.kind] if self.message is None else self.message.called()


@dataclass(slots=True)
class Ask:
    index: int  # of the event that asks
    interface: str
    function: str
    callee: str | None  # of a request, or of what opens a channel; of a birth, who is born
    deadline_s: float | None
    timeout_s: float | None = None  # from when it was asked until then
    is_world: bool = False  # the worker does it itself, and has the answer in its next step


@dataclass(slots=True)
class OpenTurn:
    """The turn that has committed a step and not ended. It outlives the worker: the next
    incarnation carries it on."""

    turn: int
    kind: str
    incarnation: int  # the last that committed a step of it
    step: int  # the next one
    index: int  # of the next event
    size: int  # bytes of its events so far
    ask: Ask | None = None
    shutdown: bool = False  # `shutdown` was called in it: it acts when the turn ends
    answered: tuple[int, object] | None = None  # (index, value) of the last answer, to send again
    known: set[bytes] = field(default_factory=set)  # contents its events may refer to


@dataclass(slots=True)
class Outstanding:
    """A request that its callee has received and not answered."""

    message: Message  # without its body
    turn: int  # of the callee, which received it


@dataclass(slots=True)
class Channel:
    """Two actors that may send to each other; its id is made of the ask that opened it."""

    id: str
    opener: str
    opener_id: int
    callee: str
    callee_id: int
    turn: int  # of the opener, in which it was opened
    closed: str = ""  # why; "" while it is open

    def other(self, name: str) -> tuple[str, int]:
        """The other side, by its address and its number."""
        if name == self.opener:
            return self.callee, self.callee_id
        return self.opener, self.opener_id


@dataclass(slots=True, eq=False)
class Timer:
    """A tick that is to come, once or again and again; see timers.py."""

    actor: Actor
    name: str
    interval_ms: int | None  # None: it goes off once
    due_s: float
    due_at: float  # the Unix time that this was when the row was written
    turn: int  # the call that set it
    index: int
    tick: int | None = None  # the message that it has sent and that no turn has handled
    alarm_s: float | None = None  # see deadlines.py

    @property
    def deadline_s(self) -> float | None:
        """When it goes off. While its last tick waits, or its actor takes none, it stands."""
        return self.due_s if self.tick is None and self.actor.takes_ticks() else None


@dataclass(slots=True)
class Subscription:
    """A parent's to the events of its child."""

    position: int  # of the first event in the child's chain that it has not been told of
    waiting: int = 0  # events that are in its mailbox


@dataclass(slots=True)
class Chain:
    """What events are chained to: an actor or a supervisor."""

    id: int
    name: str
    head: bytes = field(default=GENESIS, kw_only=True)
    length: int = field(default=0, kw_only=True)
    incarnation: int = field(default=0, kw_only=True)  # always 0 of a supervisor
    facts: dict[str, Any] = field(default_factory=dict, kw_only=True)  # last said in the chain


@dataclass(slots=True)
class Supervisor(Chain):
    """A node of the tree above the actors. It has no process and no mailbox."""


@dataclass(slots=True)
class Actor(Chain):
    settings: Settings
    mailbox: Mailbox
    initial_state: bytes | None
    component: str
    phase: str = "stopped"
    secret: bytes = b""
    pid: int | None = None
    route: bytes | None = None  # the worker's routing id, once it has said HELLO
    live: bool = False
    fenced: bool = False  # nothing of this incarnation is taken any more
    was_ready: bool = False  # that this incarnation is ready stands in the log
    revived: bool = False  # it lived on while the broker was replaced, and has not said HELLO yet
    initialised: bool = False
    state: bytes | None = None  # hash
    loose_bytes: int | None = None  # its size, if it is not kept for good: see keeping.py
    next_turn: int = 1
    committed: tuple[int, int] = (0, -1)  # the last committed (turn, step)
    handed: deque[Handed] = field(default_factory=deque)
    current: OpenTurn | None = None
    init_deliveries: int = 0
    ended_turns: int = 0  # of this incarnation: if any, its instance is not as at the start
    shut_down: bool = False  # it has committed a `shutdown`
    ignored: bool = False  # ... in its init, which is OTP's `ignore`
    events_a_step: int = 64  # that its worker makes lately, or not known yet: see handing.py
    narrowest: int = 1 << 62  # messages that fit into the smallest mailbox it has sent to
    due_s: float | None = None  # when the worker is late with what it owes
    alarm_s: float | None = None  # see deadlines.py
    budget_s: float = 0.0  # left of the turn's time while it waits in an ask
    senders: set[str] = field(default_factory=set)
    outstanding: dict[str, Outstanding] = field(default_factory=dict)  # by the request's id
    # Those it may name: open, or closed and it has not been told.
    channels: dict[str, Channel] = field(default_factory=dict)
    timers: dict[str, Timer] = field(default_factory=dict)  # by their names
    # (message, its bytes) of its loop, until that is stopped or its next round is there.
    loop: tuple[int, int] | None = None
    # Of one that another actor has spawned, (turn, index) of the ask; and of that one those that
    # it has, the oldest first.
    birth: tuple[int, int] | None = None
    subscription: Subscription | None = None
    offspring: dict[str, None] = field(default_factory=dict)
    result: bytes | None = None  # of the `shutdown` that it has committed
    blocked_on: set[str] = field(default_factory=set)  # full mailboxes it has sent to
    blocking: set[str] = field(default_factory=set)  # actors that wait for this mailbox

    @property
    def deadline_s(self) -> float | None:
        """When its request times out or its worker is late, whichever is first."""
        asked_s = self.current.ask.deadline_s if self.current and self.current.ask else None
        if asked_s is None or self.due_s is None:
            return self.due_s if asked_s is None else asked_s
        return min(asked_s, self.due_s)

    def takes_messages(self) -> bool:
        return self.phase in COLLECTING and not self.shut_down

    def takes_ticks(self) -> bool:
        """Whether its timers go off: it may have them, and has an export for a tick."""
        settings = self.settings
        return settings.max_timers > 0 and TICK in settings.takes and self.takes_messages()
