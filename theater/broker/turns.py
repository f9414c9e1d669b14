"""Decide what a step, an answer or a deadline does to all actors. Pure: no socket, no file.

Decisions write rows into `batch` and messages into `out`. The loop commits the batch first and
only then lets `out` leave.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgpack

from theater import addresses
from theater.broker import steps
from theater.broker.actors import INIT, REQUEST, SEND, Actor, Ask, Handed, OpenTurn
from theater.broker.batch import Batch
from theater.broker.mailbox import Message
from theater.broker.steps import BadStep, Step
from theater.chain import link
from theater.events import (
    CHAIN_CODE,
    INLINE_MAX,
    EventType,
    content_hash,
    encode,
    externalise,
)
from theater.wire import pack

CREDIT = 64  # inputs in a worker's hands
CREDIT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ToWorker:
    """One message for the worker that runs an actor now; dropped if none is connected."""

    actor: Actor
    message: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ChainPart:
    """An answer that is a part of the log: events `first` to `last`, read after the commit."""

    actor: Actor
    turn: int
    index: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ToClient:
    """The answer to the request that a client made under its own id `client`."""

    client: str
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToRoot:
    message: tuple[Any, ...]


Out = ToWorker | ChainPart | ToClient | ToRoot


@dataclass(slots=True)
class Turns:
    """All actors, and what has been decided since the last commit."""

    message_max: int
    state_max: int
    next_seq: int = 1
    next_message: int = 1
    next_dead_letter: int = 1
    next_evidence: int = 1
    actors: dict[str, Actor] = field(default_factory=dict)
    by_id: dict[int, Actor] = field(default_factory=dict)
    batch: Batch = field(default_factory=Batch)
    out: list[Out] = field(default_factory=list)
    touched: dict[str, Actor] = field(default_factory=dict)  # may be handed inputs
    at: float = 0.0  # Unix time written beside the rows of this batch
    closing: bool = False  # the system goes down: stopped actors collect messages

    def add(self, actor: Actor) -> None:
        self.actors[actor.name] = actor
        self.by_id[actor.id] = actor

    # Steps

    def step(
        self,
        actor: Actor,
        turn: int,
        number: int,
        input_id: int,
        events: list[Any],
        blobs: list[Any],
        now_s: float,
    ) -> None:
        """Commit a step of the current incarnation, or raise BadStep with nothing changed."""
        if (turn, number) <= actor.committed:
            self.out.append(ToWorker(actor, ("ack", turn, number)))
            return
        if actor.shut_down:
            raise BadStep("a step after the shutdown was committed")
        checked = steps.check(
            actor, turn, number, input_id, events, blobs, self.message_max, self.state_max
        )
        self._check_permissions(actor, checked)
        handed = actor.handed[0]
        for hash, content in checked.contents.items():
            self.batch.blobs.append((hash, content))
        for data, event in checked.events:
            line = None
            if event.type == EventType.LOG:
                line = _text(event.payload)
            elif event.function == "log" and event.type == EventType.HOST_CALL:
                line = _text(event.payload[0])
            self._append(
                actor, event.incarnation, turn, event.index, event.type, event.function, line, data
            )
        actor.committed = (turn, number)
        self.batch.steps.append((actor.id, turn, number, actor.incarnation, self.next_seq - 1))
        self.out.append(ToWorker(actor, ("ack", turn, number)))
        shut_down = False
        for effect in checked.effects:
            if effect.function == "send":
                self._send(actor, turn, effect.index, effect.to, effect.body)
            else:
                shut_down = True
        if checked.ask is not None:
            self._ask(actor, handed, checked, shut_down, now_s)
        else:
            self._end(actor, handed, checked, shut_down, now_s)
        self.touched[actor.name] = actor

    def _check_permissions(self, actor: Actor, step: Step) -> None:
        targets = [effect.to for effect in step.effects if effect.function == "send"]
        if step.ask is not None and step.ask.function == "request":
            arguments = step.ask.payload[0]
            if not isinstance(arguments, list) or len(arguments) != 2:
                raise BadStep("request is not (actor, message)")
            targets.append(str(arguments[0]))
        settings = actor.settings
        for to in targets:
            if not settings.may_send or not addresses.permitted(
                settings.send_to, actor.name, to, actor.senders
            ):
                raise BadStep(f"it sent to {to!r}, which its manifest does not grant")

    def _append(
        self,
        actor: Actor,
        incarnation: int,
        turn: int,
        index: int,
        type: str,
        function: str,
        line: str | None,
        data: bytes,
    ) -> None:
        actor.head = link(actor.head, data)
        self.batch.events.append(
            (
                self.next_seq,
                actor.id,
                actor.length,
                incarnation,
                turn,
                index,
                type,
                function,
                line,
                data,
                actor.head,
                self.at,
            )
        )
        self.next_seq += 1
        actor.length += 1

    def lifecycle(self, actor: Actor, type: EventType, payload: dict[str, Any]) -> None:
        """An event that the supervisor or the broker adds to an actor's chain."""
        data = encode(
            actor.name, actor.incarnation, 0, actor.length, type, "theater", type, payload
        )
        self._append(actor, actor.incarnation, 0, actor.length, type, type, None, data)

    # Turns

    def _ask(self, actor: Actor, handed: Handed, step: Step, shut_down: bool, now_s: float) -> None:
        event = step.ask
        assert event is not None
        current = actor.current
        if current is None:
            current = actor.current = OpenTurn(step.turn, 0, 0, 0)
        current.step = step.step + 1
        current.index = event.index + 1
        current.size += step.size
        current.known |= step.contents.keys()
        if handed.message is not None and handed.message.body_hash is not None:
            current.known.add(handed.message.body_hash)
        actor.budget_s = max(0.0, (actor.due_s or now_s) - now_s)
        actor.due_s = None
        current.shutdown = current.shutdown or shut_down
        ask = Ask(event.index, event.interface, event.function, None, None)
        current.ask = ask
        self.turn_row(actor, handed, "open", current.step)
        if event.function == "get-chain":
            self._ask_row(actor, step.turn, ask, None, None)
            self._answer_chain(actor, current)
            return
        to, body_value = event.payload[0]
        body = steps.content_of(body_value, step, self.message_max)
        ask.callee = to
        cycle = self._cycle(actor, to)
        if cycle is not None:
            self._ask_row(actor, step.turn, ask, None, None)
            self.answer(actor, {"err": f"cycle: {' → '.join(cycle)}"}, now_s)
            return
        message_id, error = self._deliver(actor, step.turn, event.index, to, body, REQUEST)
        timeout_s = actor.settings.request_timeout_s
        self._ask_row(actor, step.turn, ask, message_id, timeout_s)
        if error is not None:
            self.answer(actor, {"err": error}, now_s)
        else:
            ask.deadline_s = now_s + timeout_s

    def _cycle(self, asker: Actor, callee: str) -> list[str] | None:
        """The circle of open asks that a request would close, by address."""
        path = [asker.name, callee]
        while path[-1] != asker.name:
            actor = self.actors.get(path[-1])
            current = actor.current if actor else None
            if current is None or current.ask is None or current.ask.callee is None:
                return None
            path.append(current.ask.callee)
            assert len(path) <= len(self.actors) + 2, "open asks form a circle already"
        return path

    def _ask_row(
        self, actor: Actor, turn: int, ask: Ask, message: int | None, timeout_s: float | None
    ) -> None:
        self.batch.asks.append((actor.id, turn, ask.index, ask.function, message, timeout_s))

    def _end(self, actor: Actor, handed: Handed, step: Step, shut_down: bool, now_s: float) -> None:
        current = actor.current
        if current is not None and current.shutdown:
            shut_down = True
        actor.state = step.state
        actor.current = None
        actor.handed.popleft()
        self.turn_row(actor, handed, "done", step.step + 1, fuel=step.fuel)
        if handed.message is None:
            actor.initialised = True
            self.batch.initialised.append((actor.id,))
            if not shut_down:
                self.ready(actor)
        else:
            self.consume(actor, handed, "done")
            if handed.kind == REQUEST and step.reply is not None:
                self.reply(handed.message, {"ok": step.reply}, now_s)
        if shut_down:
            actor.shut_down = True
            actor.ignored = handed.message is None
            actor.due_s = now_s + actor.settings.turn_timeout_s
        else:
            actor.due_s = now_s + actor.settings.turn_timeout_s if actor.handed else None

    def consume(self, actor: Actor, handed: Handed, status: str) -> None:
        message = handed.message
        assert message is not None
        actor.mailbox.consumed(message)
        self.batch.consumed.append((status, handed.turn, message.id))
        if actor.blocking and not actor.mailbox.is_full():
            for name in actor.blocking:
                sender = self.actors.get(name)
                if sender is not None:
                    sender.blocked_on.discard(actor.name)
                    self.touched[name] = sender
            actor.blocking.clear()

    def turn_row(
        self,
        actor: Actor,
        handed: Handed,
        status: str,
        done_steps: int,
        fuel: int | None = None,
        reason: str | None = None,
    ) -> None:
        message = handed.message
        self.batch.turns.append(
            (
                actor.id,
                handed.turn,
                handed.kind,
                message.id if message else None,
                status,
                actor.incarnation,
                done_steps,
                message.deliveries if message else actor.init_deliveries,
                actor.state,
                fuel,
                reason,
                self.at,
            )
        )

    def ready(self, actor: Actor) -> None:
        self.lifecycle(actor, EventType.READY, {})
        self.batch.incarnation_ready.append((self.at, actor.id, actor.incarnation))
        self.out.append(ToRoot(("ready", actor.name, actor.incarnation)))

    # Messages

    def _send(self, actor: Actor, turn: int, index: int, to: str, body: bytes) -> None:
        self._deliver(actor, turn, index, to, body, SEND)

    def _deliver(
        self, sender: Actor, turn: int, index: int, to: str, body: bytes, kind: str
    ) -> tuple[int, str | None]:
        """Make a message a row. Returns its id, and why it became a dead letter if it did."""
        target = self.actors.get(to)
        error = self._why_not(target, to)
        if error is None and target is not None and target.mailbox.refuses():
            error = f"mailbox-full: {to} has {target.mailbox.messages} messages waiting"
        message = Message(self.next_message, kind, sender.name, turn, index, None, body)
        self._message_row(message, target, to, sender.id, dead=error is not None)
        if error is not None:
            self.dead_letter(message, to, None, error, None, None)
        else:
            assert target is not None
            self._put(target, message)
            if sender.name not in target.senders:
                target.senders.add(sender.name)
                self.batch.senders.append((target.id, sender.name))
                self.out.append(ToWorker(target, ("sender", sender.name)))
            if sender is not target and target.mailbox.is_full():
                sender.blocked_on.add(target.name)
                target.blocking.add(sender.name)
        return message.id, error

    def deliver_from_client(
        self, to: str, body: bytes, kind: str, client: str
    ) -> tuple[int, str | None]:
        """As `_deliver`, but what cannot be taken becomes no row: the client is told."""
        target = self.actors.get(to)
        error = self._why_not(target, to)
        if len(body) > self.message_max:
            error = f"too-large: {len(body)} bytes; a message has at most {self.message_max}"
        elif error is None and target is not None and target.mailbox.is_full():
            error = f"mailbox-full: {to} has {target.mailbox.messages} messages waiting"
        if error is not None or target is None:
            return 0, error
        message = Message(self.next_message, kind, None, None, None, client, body)
        self._message_row(message, target, to, None, dead=False)
        self._put(target, message)
        return message.id, None

    def _why_not(self, target: Actor | None, to: str) -> str | None:
        if target is None or target.phase == "removed":
            return f"no-actor: there is no actor {to}"
        if not target.takes_messages() and not self.closing:
            return f"stopped: {to} is {target.phase}"
        return None

    def _put(self, target: Actor, message: Message) -> None:
        target.mailbox.put(message)
        self.touched[target.name] = target

    def _message_row(
        self, message: Message, target: Actor | None, to: str, sender: int | None, dead: bool
    ) -> None:
        body: bytes | None = message.body
        if len(message.body) > INLINE_MAX:
            message.body_hash = content_hash(message.body)
            self.batch.blobs.append((message.body_hash, message.body))
            body = None
        self.batch.messages.append(
            (
                message.id,
                message.kind,
                target.id if target else None,
                to,
                sender,
                message.sender_turn,
                message.sender_index,
                message.client,
                len(message.body),
                body,
                message.body_hash,
                "dead" if dead else "queued",
                self.at,
            )
        )
        self.next_message += 1

    def dead_letter(
        self,
        message: Message | None,
        actor: str,
        turn: int | None,
        reason: str,
        state: bytes | None,
        evidence: int | None,
    ) -> None:
        self.batch.dead_letters.append(
            (
                self.next_dead_letter,
                message.id if message else None,
                actor,
                turn,
                reason,
                state,
                evidence,
                self.at,
            )
        )
        self.next_dead_letter += 1
        self.batch.count("dead_letters")

    # Answers

    def reply(self, request: Message, value: dict[str, Any], now_s: float) -> None:
        """The callee has answered a request, or cannot any more."""
        if request.sender is None:
            assert request.client is not None
            self.batch.client_answers.append((pack(value), request.id))
            self.out.append(ToClient(request.client, value))
            return
        asker = self.actors.get(request.sender)
        current = asker.current if asker else None
        if (
            asker is None
            or current is None
            or current.ask is None
            or (current.turn, current.ask.index) != (request.sender_turn, request.sender_index)
        ):
            self.batch.count("late_answers")
            return
        self.answer(asker, value, now_s)

    def answer(self, actor: Actor, value: dict[str, Any], now_s: float) -> None:
        """Commit the answer of an actor's open ask, and send it."""
        contents: list[bytes] = []
        self._answer_event(actor, externalise(value, contents))
        current = actor.current
        assert current is not None and current.ask is not None
        for content in contents:
            hash = content_hash(content)
            self.batch.blobs.append((hash, content))
            current.known.add(hash)
        index = current.ask.index
        current.ask = None
        current.answered = (index, value)
        self.out.append(ToWorker(actor, ("answer", current.turn, index, value)))
        actor.due_s = now_s + actor.budget_s

    def _answer_event(self, actor: Actor, payload: Any) -> None:
        current = actor.current
        assert current is not None and current.ask is not None, "an answer without an ask"
        ask = current.ask
        data = encode(
            actor.name,
            actor.incarnation,
            current.turn,
            current.index,
            EventType.HOST_ANSWER,
            ask.interface,
            ask.function,
            [payload],
        )
        self._append(
            actor,
            actor.incarnation,
            current.turn,
            current.index,
            EventType.HOST_ANSWER,
            ask.function,
            None,
            data,
        )
        current.index += 1
        current.size += len(data)
        self.batch.ask_status.append(("answered", actor.id, current.turn, ask.index))

    def _answer_chain(self, actor: Actor, current: OpenTurn) -> None:
        """The actor's own chain up to the step that asks; recorded as where it lies in the log."""
        assert current.ask is not None
        last = actor.length - 1
        first = max(0, last + 1 - actor.settings.max_events)
        part = pack([actor.name, first, last, actor.head])
        index = current.ask.index
        self._answer_event(actor, msgpack.ExtType(CHAIN_CODE, part))
        current.ask = None
        self.out.append(ChainPart(actor, current.turn, index, first, last))
        actor.due_s = None  # set when the answer is read and sent

    def time_out(self, now_s: float) -> None:
        """Answer every request whose time is up."""
        for actor in self.actors.values():
            current = actor.current
            ask = current.ask if current else None
            if ask is not None and ask.deadline_s is not None and ask.deadline_s <= now_s:
                seconds = actor.settings.request_timeout_s
                self.batch.count("timeouts")
                self.answer(
                    actor,
                    {"err": f"timeout: no answer from {ask.callee} within {seconds:g} s"},
                    now_s,
                )

    def next_deadline_s(self) -> float | None:
        """When `time_out` or `late` has something to do."""
        times = [
            time_s
            for actor in self.actors.values()
            for time_s in (
                actor.due_s,
                actor.current.ask.deadline_s if actor.current and actor.current.ask else None,
            )
            if time_s is not None
        ]
        return min(times, default=None)

    def late(self, now_s: float) -> list[Actor]:
        """Actors whose worker owes something for too long."""
        return [
            actor
            for actor in self.actors.values()
            if actor.live and actor.due_s is not None and actor.due_s <= now_s
        ]

    def shift_deadlines(self, by_s: float) -> None:
        """The broker itself stood still for `by_s`: nobody is to blame for that time."""
        for actor in self.actors.values():
            if actor.due_s is not None:
                actor.due_s += by_s
            ask = actor.current.ask if actor.current else None
            if ask is not None and ask.deadline_s is not None:
                ask.deadline_s += by_s

    # Handing out

    def hand_out(self, actor: Actor, now_s: float) -> list[tuple[Any, ...]]:
        """The inputs that go to the worker now. Not durable: a number counts once it is used."""
        if not self._may_hand(actor):
            return []
        inputs: list[tuple[Any, ...]] = []
        if not actor.initialised:
            if not actor.handed:
                handed = Handed(actor.next_turn, INIT, None)
                self._hand(actor, handed, now_s)
                inputs.append(input_message(actor, handed))
            return inputs
        size = sum(len(h.message.body) for h in actor.handed if h.message)
        while len(actor.handed) < CREDIT and (size < CREDIT_BYTES or not actor.handed):
            message = actor.mailbox.hand()
            if message is None:
                break
            handed = Handed(actor.next_turn, message.kind, message)
            self._hand(actor, handed, now_s)
            inputs.append(input_message(actor, handed))
            size += len(message.body)
        return inputs

    def _may_hand(self, actor: Actor) -> bool:
        if not actor.live or actor.route is None or actor.shut_down:
            return False
        if actor.phase == "stopping":
            return False
        return not actor.blocked_on or actor.mailbox.is_full()

    def _hand(self, actor: Actor, handed: Handed, now_s: float) -> None:
        if not actor.handed:
            actor.due_s = now_s + actor.settings.turn_timeout_s
        actor.handed.append(handed)
        actor.next_turn += 1

    def take_back(self, actor: Actor) -> None:
        """What the worker was handed and did not finish stands at the front again."""
        actor.mailbox.take_back(h.message for h in actor.handed if h.message is not None)
        if actor.handed:
            actor.next_turn = actor.handed[0].turn
        actor.handed = deque()


def input_message(actor: Actor, handed: Handed) -> tuple[Any, ...]:
    message = handed.message
    if message is None:
        return ("input", handed.turn, INIT, 0, None, "", actor.initial_state, 0, [])
    return (
        "input",
        handed.turn,
        handed.kind,
        message.id,
        message.sender,
        message.request_id() if message.kind == REQUEST else "",
        message.body,
        message.deliveries,
        [],
    )


def _text(payload: Any) -> str | None:
    if isinstance(payload, list) and len(payload) == 1 and isinstance(payload[0], str):
        return payload[0]
    return None
