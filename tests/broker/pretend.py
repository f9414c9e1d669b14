"""A pretended worker and log for the broker's pure decisions: no process, no socket, no file."""

from __future__ import annotations

from typing import Any

from theater.broker import handing
from theater.broker.actors import Actor, Settings
from theater.broker.batch import Batch
from theater.broker.book import ToWorker
from theater.broker.mailbox import Mailbox
from theater.broker.turns import Turns
from theater.calls import (
    CLEAR,
    LOOP,
    MESSAGES,
    RPC,
    RUNTIME,
    SET_INTERVAL,
    SET_TIMEOUT,
    START_LOOP,
    STOP_LOOP,
    TIMER,
    TOLD,
    called,
    parameters,
)
from theater.events import EventType, content_hash, state_ref
from theater.spec import MailboxBounds
from theater.worker.turn import TurnRecord, body_value

LIMIT = 1 << 20
OUTSIDE = "test:outside/post"  # an interface of world calls
EXPORT = "t:s/a.f"  # of each, that others may call
KINDS = ("send", "request", "channel-open", "channel-message", "channel-close", "tick", "loop")


def settings(**changes: Any) -> Settings:
    facts: dict[str, Any] = {
        "send_to": ("**",),
        "may_send": True,
        "stores": None,
        "world": frozenset({(OUTSIDE, "post")}),
        "reads": frozenset({(OUTSIDE, "peek")}),
        "takes": frozenset(KINDS),
        "max_events": 100,
        "request_timeout_s": 5.0,
        "turn_timeout_s": 30.0,
        "turn_bytes": LIMIT,
        "max_deliveries": 3,
        "state_every": None,
        "recycle_turns": 0,
        "max_timers": 1000,
        "may_call": True,
        "call_to": ("**",),
        "functions": frozenset({EXPORT}),
        "interfaces": ("t:s/a",),
        "may_loop": True,
    }
    return Settings(**{**facts, **changes})


def make_turns(*names: str, bounds: MailboxBounds | None = None, **changes: Any) -> Turns:
    """Actors that run, initialised, with a worker connected."""
    turns = Turns(LIMIT, LIMIT)
    for number, name in enumerate(names, 1):
        mailbox = Mailbox(bounds or MailboxBounds())
        actor = Actor(number, name, settings(**changes), mailbox, None, "c0ffee")
        actor.initialised = True
        actor.phase = "running"
        turns.add(actor)
        connect(actor)
    return turns


def connect(actor: Actor) -> None:
    actor.incarnation += 1
    actor.ended_turns = 0
    actor.live, actor.route = True, b"route-" + actor.name.encode()


class PretendedWorker:
    """Records turns the way a worker does. `sent` holds the inputs it has been handed."""

    def __init__(self, turns: Turns, actor: Actor) -> None:
        self.turns = turns
        self.actor = actor
        self.inputs: list[tuple[Any, ...]] = []
        self.state: bytes | None = None
        self.record: TurnRecord | None = None
        self.waits = False  # for an answer to an ask of an incarnation before

    def take(self, now_s: float = 0.0) -> None:
        handed = handing.hand_out(self.actor, now_s)
        self.inputs.extend(handing.input_message(self.actor, each, []) for each in handed)
        self.turns.deadlines.watch(self.actor)

    def begin(self, *prelude: tuple[Any, ...]) -> TurnRecord:
        """`prelude`: (type, interface, function, payload) of what comes before the call."""
        _, turn, kind, _id, _sender, name, body, _deliveries, _journal = self.inputs[0]
        actor = self.actor
        export = called(kind, body)
        record = self.record = TurnRecord(actor.name, actor.incarnation, turn, LIMIT, LIMIT)
        before = actor.state
        if kind == "init":  # with the initial state
            before = None if body is None else content_hash(body)
        state = state_ref(before)
        record.know(before)
        if handing.needs_journal(actor, actor.handed[0]):
            current = actor.current
            assert current is not None
            self.waits = current.ask is not None and not current.ask.is_world
            record.go_on(current.step, current.index + self.waits, current.size, 0, ())
            record.add(EventType.CARRIED_ON, *export, [])
            return record
        value = body_value(body) if body is not None and kind not in TOLD else body
        for event in prelude:
            record.add(*event)
        given = [actor.name] if kind == "init" else parameters(kind, name, value)
        record.add(EventType.WASM_CALL, *export, [state, given])
        return record

    def held(self, function: str, *arguments: Any) -> None:
        """A call that is answered at once, with Ok."""
        assert self.record is not None
        self.record.add(EventType.HOST_CALL, MESSAGES, function, [list(arguments), {"ok": None}])

    def send(self, to: str, body: bytes) -> None:
        self.held("send", to, body)

    def respond(self, id: str, body: bytes) -> None:
        self.held("respond-to-request", id, body)

    def cancel(self, id: str) -> None:
        self.held("cancel-request", id)

    def say(self, channel: str, body: bytes) -> None:
        self.held("send-on-channel", channel, body)

    def close(self, channel: str) -> None:
        self.held("close-channel", channel)

    def shutdown(self, data: bytes | None = None) -> None:
        assert self.record is not None
        self.record.add(EventType.HOST_CALL, RUNTIME, "shutdown", [[data], {"ok": None}])

    def set_interval(self, name: str, interval_ms: int) -> None:
        self.timer(SET_INTERVAL, [name, interval_ms], {"ok": name})

    def set_timeout(self, name: str, delay_ms: int) -> None:
        self.timer(SET_TIMEOUT, [name, delay_ms], {"ok": name})

    def clear(self, name: str) -> None:
        self.timer(CLEAR, [name], {"ok": None})

    def timer(self, function: str, arguments: list[Any], answer: Any) -> None:
        assert self.record is not None
        self.record.add(EventType.HOST_CALL, TIMER, function, [arguments, answer])

    def start_loop(self, state: bytes) -> None:
        self.loop(START_LOOP, [state], {"ok": None})

    def stop_loop(self) -> None:
        self.loop(STOP_LOOP, [], {"ok": None})

    def loop(self, function: str, arguments: list[Any], answer: Any) -> None:
        assert self.record is not None
        self.record.add(EventType.HOST_CALL, LOOP, function, [arguments, answer])

    def request(self, to: str, body: bytes, now_s: float = 0.0) -> None:
        self.ask("request", to, body, now_s)

    def open(self, to: str, body: bytes = b"", now_s: float = 0.0) -> str:
        """Ask for a channel; its id, if there will be one."""
        assert self.record is not None
        id = f"{self.actor.name}:{self.record.turn}:{self.record.index}"
        self.ask("open-channel", to, body, now_s)
        return id

    def ask(self, function: str, to: str, body: bytes, now_s: float) -> None:
        assert self.record is not None
        self.record.add(EventType.HOST_CALL, MESSAGES, function, [[to, body]])
        self.commit(now_s)

    def call(
        self,
        to: str,
        params: bytes,
        timeout_ms: int | None = None,
        export: str = EXPORT,
        now_s: float = 0.0,
    ) -> None:
        """Call what another one exports."""
        self.rpc("call", to, export, params, timeout_ms, now_s=now_s)

    def rpc(self, function: str, *arguments: Any, now_s: float = 0.0) -> None:
        assert self.record is not None
        self.record.add(EventType.HOST_CALL, RPC, function, [list(arguments)])
        self.commit(now_s)

    def answered(self) -> None:
        """The answer has come. Of a turn that is carried on its place was left free."""
        assert self.record is not None
        self.record.answered(MESSAGES, "request", {"ok": b""}, has_place=self.waits)
        self.waits = False

    def end(
        self,
        state: bytes | None,
        reply: bytes | None = None,
        now_s: float = 0.0,
        accepted: bool = True,
        round: bytes | None = None,
    ) -> None:
        """`reply`: to a request, or the first message of a channel that is `accepted`; `round`: the
        next loop state, if there is one."""
        assert self.record is not None
        kind, body = self.inputs[0][2], self.inputs[0][6]
        answer: dict[str, list[Any]] = {
            "request": [[reply]],
            "channel-open": [[{"accepted": accepted, "message": reply}]],
            "rpc": [[{"err": "refused: no"} if reply is None else {"ok": reply}]],
            "loop": [[{"err": "done"} if round is None else {"ok": round}]],
        }
        value = {"ok": [state, *answer.get(kind, [])]}
        self.record.result(*called(kind, body), value, state, 7)
        self.commit(now_s)
        self.inputs.pop(0)
        self.record = None
        assert self.actor.state == (None if state is None else content_hash(state))

    def commit(self, now_s: float = 0.0) -> None:
        assert self.record is not None
        step, events, contents = self.record.cut()
        turn = self.record.turn
        self.turns.step(self.actor, turn, step, self.inputs[0][3], events, contents, now_s)


def answers(turns: Turns) -> list[tuple[str, int, Any]]:
    """(asker, turn, value) of the answers on their way to workers."""
    return [
        (item.actor.name, item.message[1], item.message[3])
        for item in turns.out
        if isinstance(item, ToWorker) and item.message[0] == "answer"
    ]


def told(turns: Turns, actor: str, *kinds: str) -> list[tuple[Any, ...]]:
    """The messages of these kinds on their way to an actor's worker."""
    return [
        item.message
        for item in turns.out
        if isinstance(item, ToWorker) and item.actor.name == actor and item.message[0] in kinds
    ]


def commit(turns: Turns) -> Batch:
    """Take what would be written, as the loop does."""
    batch, turns.batch = turns.batch, Batch()
    turns.out.clear()
    turns.acked.clear()
    return batch
