"""Decide what a step, an answer or a deadline does to all actors. Pure: no socket, no file.

Decisions write rows into `batch` and messages into `out`. The loop commits the batch first and
only then lets `out` leave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgpack

from theater import addresses, calls
from theater.broker import (
    chains,
    channels,
    children,
    handing,
    keeping,
    outstanding,
    rounds,
    rpc,
    steps,
    stores,
    timers,
    waits,
)
from theater.broker.actors import (
    CALL,
    CHANNEL_OPEN,
    LOOP,
    REQUEST,
    SEND,
    TICK,
    Actor,
    Ask,
    Chain,
    Handed,
    OpenTurn,
)
from theater.broker.book import ChainPart, ToClient, ToWorker
from theater.broker.mailbox import Message
from theater.broker.post import Post
from theater.broker.step import BadStep, Effect, Step
from theater.errors import ProtocolError
from theater.events import (
    CHAIN_CODE,
    EventType,
    content_hash,
    encode,
    externalise,
    ref_hash,
)
from theater.wire import pack


@dataclass(slots=True)
class Turns(Post):
    """What steps, answers and deadlines do."""

    def appended(self, chain: Chain, type: str, data: bytes) -> None:
        if isinstance(chain, Actor) and chain.subscription is not None:
            children.tell_event(self, chain, type, data)

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
            self.acked[actor.name] = actor
            return
        if actor.shut_down:
            raise BadStep("a step after the shutdown was committed")
        try:
            checked = steps.check(
                actor, turn, number, input_id, events, blobs, self.message_max, self.state_max
            )
            self._check_permissions(actor, checked)
            changes = stores.check(actor, checked, self.message_max)
            if checked.ask is not None and checked.ask.interface == calls.SUPERVISOR:
                function, asked = checked.ask.function, checked.asked
                children.check(function, asked, self.state_max, self.message_max)
            if checked.ask is not None and checked.ask.interface == calls.RPC:
                rpc.check(actor, checked.ask.function, checked.asked, self.message_max)
        except ProtocolError:
            raise
        except Exception as error:  # nothing has changed yet: whatever it is, the worker sent it
            raise BadStep(f"{type(error).__name__}: {error}") from None
        handed = actor.handed[0]
        for hash, content in checked.contents.items():
            self.batch.blobs.append((hash, content))
        if checked.needs_state:
            self.keep_state(actor)
        first_seq = self.next_seq
        for data, event in checked.events:
            line = None
            if event.type == EventType.LOG:
                line = _text(event.payload)
            elif event.function == "log" and event.type == EventType.HOST_CALL:
                line = _text(event.payload[0])
            self.append(
                actor, event.incarnation, turn, event.index, event.type, event.function, line, data
            )
        if checked.tells:
            assert actor.current is not None and actor.current.ask is not None
            told = actor.current.ask.index
            self.batch.ask_status.append(("answered", actor.id, turn, told))
            actor.current.ask = None
        actor.committed = (turn, number)
        handing.learn(actor, len(events))
        self.batch.steps.append((actor.id, turn, number, actor.incarnation, self.next_seq - 1))
        self.acked[actor.name] = actor
        stores.apply(self, changes, first_seq, checked.events[0][1].index)
        shut_down = False
        for effect in checked.effects:
            if effect.interface == calls.RUNTIME:
                shut_down, actor.result = True, effect.body
            else:
                self._do(actor, turn, effect, now_s)
        if checked.ask is not None:
            self._ask(actor, handed, checked, shut_down, now_s)
        else:
            self._end(actor, handed, checked, shut_down, now_s)
        self.touched[actor.name] = actor
        self.deadlines.watch(actor)

    def _check_permissions(self, actor: Actor, step: Step) -> None:
        targets = [effect.name for effect in step.effects if effect.function == "send"]
        if step.callee:
            targets.append(step.callee)
        settings = actor.settings
        for to in targets:
            if not settings.may_send or not addresses.permitted(
                settings.send_to, actor.name, to, actor.senders
            ):
                raise BadStep(f"it sent to {to!r}, which its manifest does not grant")
        for effect in step.effects:
            if effect.function in (outstanding.RESPOND, outstanding.CANCEL) and (
                not settings.may_send or outstanding.belongs_to_another(self, actor, effect.name)
            ):
                raise BadStep(f"it answered {effect.name!r}, which is no request to it")
        timers.check(actor, step.effects)
        rounds.check(actor, step.effects)

    def _do(self, actor: Actor, turn: int, effect: Effect, now_s: float) -> None:
        """What leaves with a step, or happens with it."""
        if effect.interface == calls.TIMER:
            timers.do(self, actor, turn, effect, now_s)
            return
        if effect.interface == calls.LOOP:
            rounds.do(self, actor, turn, effect)
            return
        body = effect.body or b""
        match effect.function:
            case "send":
                self.deliver(actor, turn, effect.index, effect.name, body, SEND)
            case channels.SEND:
                channels.send(self, actor, turn, effect)
            case channels.CLOSE:
                channels.close(self, actor, turn, effect)
            case outstanding.RESPOND:
                outstanding.answer(self, actor, effect.name, {"ok": body}, now_s)
            case outstanding.CANCEL:
                text = f"cancelled: {actor.name} has cancelled the request"
                outstanding.answer(self, actor, effect.name, {"err": text}, now_s)
            case _:
                raise AssertionError(f"nobody does {effect.function}")

    # Turns

    def _ask(self, actor: Actor, handed: Handed, step: Step, shut_down: bool, now_s: float) -> None:
        event = step.ask
        assert event is not None
        current = actor.current
        if current is None:
            current = actor.current = OpenTurn(step.turn, handed.kind, 0, 0, 0, 0)
        current.incarnation = actor.incarnation
        current.step = step.step + 1
        current.index = event.index + 1
        current.size += step.size
        current.known |= step.contents.keys()
        if handed.message is not None:
            body = ref_hash(handed.message.body_value())
            if body is not None:
                current.known.add(body)
        actor.budget_s = max(0.0, (actor.due_s or now_s) - now_s)
        actor.due_s = None
        current.shutdown = current.shutdown or shut_down
        ask = Ask(event.index, event.interface, event.function, None, None)
        current.ask = ask
        self.turn_row(actor, handed, "open", current.step)
        if (event.interface, event.function) in actor.settings.world:
            # The worker does it when it knows that this is committed, in the turn's own time.
            ask.is_world = True
            actor.due_s = now_s + actor.budget_s
            self._ask_row(actor, step.turn, ask, None, None)
            return
        match event.interface:
            case calls.RUNTIME:
                self._ask_row(actor, step.turn, ask, None, None)
                self._answer_chain(actor, current)
            case calls.STORE:
                self._ask_row(actor, step.turn, ask, None, None)
                self.answer(actor, stores.answer(self, event), now_s)
            case calls.SUPERVISOR:
                ask.timeout_s = waits.timeout_s(event.function, step.asked)
                self._ask_row(actor, step.turn, ask, None, ask.timeout_s)
                children.ask(self, actor, current, ask, step.asked, now_s)
            case calls.RPC if ask.function in calls.DESCRIBED:
                self._ask_row(actor, step.turn, ask, None, None)
                self.answer(actor, rpc.described(self, ask.function, step.asked), now_s)
            case _:
                self._ask_actor(actor, current, ask, step, now_s)

    def _ask_actor(
        self, actor: Actor, current: OpenTurn, ask: Ask, step: Step, now_s: float
    ) -> None:
        """A request, what opens a channel, or a call."""
        kind, channel, to, question = REQUEST, None, step.callee, step.question
        timeout_s = actor.settings.request_timeout_s
        if ask.interface == calls.RPC:
            kind, to, question = CALL, step.asked[0], calls.rpc_body(*step.asked[1:3])
            timeout_s = rpc.timeout_s(actor, step.asked)
        elif ask.function == "open-channel":
            kind, channel = CHANNEL_OPEN, f"{actor.name}:{step.turn}:{ask.index}"
        ask.callee = to
        cycle = self._cycle(actor, to)
        if cycle is not None:
            self._ask_row(actor, step.turn, ask, None, None)
            self.answer(actor, {"err": f"cycle: {' → '.join(cycle)}"}, now_s)
            return
        message_id, error = self.deliver(actor, step.turn, ask.index, to, question, kind, channel)
        self._ask_row(actor, step.turn, ask, message_id, timeout_s)
        if error is not None:
            self.answer(actor, {"err": error}, now_s)
        else:
            ask.timeout_s, ask.deadline_s = timeout_s, now_s + timeout_s

    def _cycle(self, asker: Actor, callee: str) -> list[str] | None:
        """The circle of open asks that another one would close, by address."""
        path = [asker.name, callee]
        while path[-1] != asker.name:
            actor = self.actors.get(path[-1])
            current = actor.current if actor else None
            if current is None or current.ask is None or current.ask.callee is None:
                return None
            if current.ask.callee in path[1:]:
                return None  # a circle that is there, of before births were followed
            path.append(current.ask.callee)
        return path

    def _ask_row(
        self, actor: Actor, turn: int, ask: Ask, message: int | None, timeout_s: float | None
    ) -> None:
        self.batch.asks.append((actor.id, turn, ask.index, ask.function, message, timeout_s))

    def _end(self, actor: Actor, handed: Handed, step: Step, shut_down: bool, now_s: float) -> None:
        current = actor.current
        if current is not None and current.shutdown:
            shut_down = True
        keeping.end_turn(self, actor, step)
        actor.current = None
        actor.ended_turns += 1
        actor.handed.popleft()
        self.turn_row(actor, handed, "done", step.step + 1, fuel=step.fuel)
        if handed.message is None:
            actor.initialised = True
            actor.init_deliveries = 0
            self.batch.initialised.append((1, actor.id))
            if not shut_down:
                self.ready(actor)
        elif handed.kind == REQUEST:
            outstanding.end_turn(self, actor, handed, step.reply, now_s)
        else:
            self.consume(actor, handed, "done")
            if handed.kind == CHANNEL_OPEN:
                channels.end_turn(self, actor, handed, step, now_s)
            elif step.answer is not None:
                self.reply(handed.message, step.answer, now_s)
            elif handed.kind == TICK:
                timers.handled(self, actor, handed.message, now_s)
            elif handed.kind == LOOP:
                result = step.events[-1][1]
                rounds.ended(self, actor, handed.message, step.turn, result.index, step.reply)
        if shut_down:
            actor.shut_down = True
            actor.ignored = handed.message is None
            actor.due_s = now_s + actor.settings.turn_timeout_s
        else:
            actor.due_s = now_s + actor.settings.turn_timeout_s if actor.handed else None
            self.maybe_recycle(actor)

    def maybe_recycle(self, actor: Actor) -> None:
        """Have an incarnation that is spent restarted. Root takes it as said once."""
        if handing.is_spent(actor):
            self.tell_root("recycle", actor.name, actor.incarnation, actor.ended_turns)

    # Answers

    def reply(self, request: Message, value: dict[str, Any], now_s: float) -> None:
        """The callee has answered a request or an open-channel, or cannot any more."""
        if request.client is not None:
            self.gone_clients.discard(request.client)
            self.batch.client_answers.append((pack(value), request.id))
            self.out.append(ToClient(request.client, value))
        elif self.is_awaited(request):
            assert request.sender is not None
            self.answer(self.actors[request.sender], value, now_s)
        else:
            self.batch.count("late_answers")

    def is_awaited(self, request: Message) -> bool:
        """Whether somebody waits for the answer."""
        if request.client is not None:
            return request.client not in self.gone_clients
        # Of a client's that was retried neither is known: the client has had its error.
        asker = self.actors.get(request.sender) if request.sender is not None else None
        current = asker.current if asker is not None else None
        if current is None or current.ask is None:
            return False
        asked = (current.turn, current.ask.index)
        return asked == (request.sender_turn, request.sender_index)

    def answer(self, actor: Actor, value: Any, now_s: float) -> None:
        """Commit the answer of an actor's open ask, and send it."""
        contents: list[bytes] = []
        self.answer_event(actor, externalise(value, contents))
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
        if actor.handed:  # else nobody waits for it now; it is in the journal
            actor.due_s = now_s + actor.budget_s
            self.deadlines.watch(actor)

    def answer_event(self, actor: Actor, payload: Any) -> None:
        """The event of an open ask's answer. The value itself is sent by whoever calls this."""
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
        self.append(
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
        first = chains.first_shown(self, actor, actor.settings.max_events, self.message_max)
        first = last if first is None else first  # that asks, and whoever made it so pays for it
        part = pack([actor.name, first, last, actor.head])
        index = current.ask.index
        self.answer_event(actor, msgpack.ExtType(CHAIN_CODE, part))
        current.ask = None
        self.out.append(ChainPart(actor, current.turn, index, actor.name, first, last))
        actor.due_s = None  # set when the answer is read and sent

    # Time

    def time_out(self, now_s: float) -> None:
        """Answer every request whose time is up, and tell of every worker that is late."""
        for actor in self.deadlines.take(now_s):
            ask = actor.current.ask if actor.current else None
            if ask is not None and ask.deadline_s is not None and ask.deadline_s <= now_s:
                self.batch.count("timeouts")
                text = f"timeout: no answer from {ask.callee} within {ask.timeout_s:g} s"
                if ask.interface == calls.SUPERVISOR:
                    text = waits.overdue(ask)
                assert actor.current is not None
                self.answer(actor, {"err": text}, now_s)
                outstanding.forget_ask(self, actor, actor.current.turn, ask)
                children.dropped(self, actor, actor.current.turn, ask)
            if actor.live and actor.due_s is not None and actor.due_s <= now_s:
                self._late(actor)
            self.deadlines.watch(actor)

    def _late(self, actor: Actor) -> None:
        actor.due_s = None
        seconds = actor.settings.turn_timeout_s
        turn = actor.handed[0].turn if actor.handed else actor.committed[0]
        text = f"timeout: turn {turn} took longer than turn_timeout ({seconds:g} s)"
        self.tell_root("late", actor.name, actor.incarnation, text)


def _text(payload: Any) -> str | None:
    if isinstance(payload, list) and len(payload) == 1 and isinstance(payload[0], str):
        return payload[0]
    return None
