"""Decide whether a step is what its worker may send. Pure; nothing is changed here.

A step is believed in nothing that can be compared: its events must carry the right numbers, its
call must be the input that was handed out with the state that is committed, and every reference
must name a content that is there.
"""

from __future__ import annotations

from typing import Any

from theater import wasi
from theater.broker.actors import (
    ANSWERED,
    CALL,
    CHANNEL_OPEN,
    LOOP,
    Actor,
    Handed,
)
from theater.broker.effects import host_call
from theater.broker.step import BadStep, Step, content_of
from theater.calls import (
    ASKS,
    HELD,
    REFUSAL_MAX,
    STORE,
)
from theater.events import (
    Event,
    EventType,
    content_hash,
    decode,
    has_refs,
    ref_hash,
    refs_in,
    state_ref,
)


def expected_call(actor: Actor, handed: Handed) -> tuple[str, str, list[Any]]:
    """The interface, function and arguments with which a turn must begin."""
    interface, function = handed.called()
    if handed.message is None:
        before = None if actor.initial_state is None else content_hash(actor.initial_state)
        return interface, function, [state_ref(before), [actor.name]]
    return interface, function, [state_ref(actor.state), handed.message.parameters()]


def check(
    actor: Actor,
    turn: int,
    step: int,
    input_id: int,
    events: list[Any],
    blobs: list[Any],
    message_max: int,
    state_max: int,
) -> Step:
    """The step as data, or BadStep."""
    if not actor.handed:
        raise BadStep(f"step of turn {turn}, but nothing was handed out")
    handed = actor.handed[0]
    current = actor.current
    next_step = current.step if current else 0
    if (turn, step) != (handed.turn, next_step):
        raise BadStep(f"step ({turn}, {step}) where ({handed.turn}, {next_step}) comes next")
    if input_id != (handed.message.id if handed.message else 0):
        raise BadStep(f"turn {turn} is not about input {input_id}")
    asked = current.ask if current else None
    if asked is not None and not asked.is_world:
        raise BadStep(f"turn {turn} went on without its answer")
    if not events:
        raise BadStep(f"step ({turn}, {step}) has no event")

    result = Step(turn, step, [], 0)
    for blob in blobs:
        if not isinstance(blob, bytes):
            raise BadStep("a content is not bytes")
        result.contents[content_hash(blob)] = blob
    index = current.index if current else 0
    last = len(events) - 1
    goes_on = carried_on = current is not None and current.incarnation != actor.incarnation
    begun = current is not None and not carried_on
    referred: list[bytes] = []  # contents, not as the state before or after the turn
    for number, data in enumerate(events):
        if not isinstance(data, bytes):
            raise BadStep("an event is not bytes")
        event = decode(data)
        if (event.actor, event.incarnation, event.turn, event.index) != (
            actor.name,
            actor.incarnation,
            turn,
            index,
        ):
            raise BadStep(
                f"event {event.actor}/{event.incarnation}/{event.turn}/{event.index} where"
                f" {actor.name}/{actor.incarnation}/{turn}/{index} comes next"
            )
        index += 1
        result.size += len(data)
        result.events.append((data, event))
        refs = refs_in(event.payload) if has_refs(data) else []
        for hash in refs:
            if not _is_there(actor, handed, result, hash):
                raise BadStep(f"an event refers to a content that was not sent: {hash.hex()[:12]}")
        if carried_on:
            name = (event.type, event.interface, event.function)
            if name != (EventType.CARRIED_ON, *handed.called()) or event.payload != []:
                raise BadStep(f"turn {turn} is carried on, and does not say so")
            carried_on, begun = False, True
        elif asked is not None and not result.tells and goes_on and _is_local(event):
            # What a fresh instance does and asks for before it comes to the world call.
            if event.type == EventType.LOG:
                _line(event)
        elif asked is not None and not result.tells:
            name = (event.type, event.interface, event.function)
            if name != (EventType.HOST_ANSWER, asked.interface, asked.function) or not (
                wasi.is_answer(event.interface, event.function, event.payload)
            ):
                raise BadStep(f"turn {turn} went on without the answer of its world call")
            result.tells = True
        elif event.type == EventType.WASM_CALL and not begun:
            if (event.interface, event.function, event.payload) != expected_call(actor, handed):
                raise BadStep(f"turn {turn} does not begin with the input that was handed out")
            begun = True
        elif not begun:
            _prelude(event)
        elif event.type == EventType.HOST_CALL:
            host_call(actor, result, event, number == last, message_max)
        elif event.type == EventType.WASM_RESULT and number == last:
            _result(result, handed, event, message_max, state_max)
            # However its reference is spelt: the next start needs the state.
            if result.state is not None and not _is_there(actor, handed, result, result.state):
                raise BadStep("the content of the new state was not sent")
            if result.state in refs:
                refs.remove(result.state)
        elif event.type == EventType.LOG:
            _line(event)
        else:
            raise BadStep(f"event of type {event.type} inside a turn")
        if refs and event.type != EventType.WASM_CALL:
            referred += refs
    if asked is not None and not result.tells:
        raise BadStep(f"turn {turn} went on without the answer of its world call")
    if not result.ends and result.ask is None:
        raise BadStep(f"step ({turn}, {step}) neither asks nor ends its turn")
    total = result.size + (current.size if current else 0)
    if total > actor.settings.turn_bytes + state_max:
        raise BadStep(f"turn {turn} has {total} bytes of events")
    result.needs_state = actor.state in referred and actor.state not in result.contents
    if result.state is not None and result.state not in referred:
        result.state_bytes = result.contents.pop(result.state, None)
    return result


def _is_there(actor: Actor, handed: Handed, step: Step, hash: bytes) -> bool:
    """Whether the log has this content, or will have it with the step."""
    if hash in step.contents or hash == actor.state:
        return True
    if actor.current is not None and hash in actor.current.known:
        return True
    if handed.message is not None:
        return hash == ref_hash(handed.message.body_value())
    return actor.initial_state is not None and hash == content_hash(actor.initial_state)


def _line(event: Event) -> None:
    """A whole line that the guest has written."""
    payload = event.payload
    if not isinstance(payload, list) or len(payload) != 1 or not isinstance(payload[0], str):
        raise BadStep("a line is no text")


def _prelude(event: Event) -> None:
    """What a guest does while it is instantiated comes before its first turn's call."""
    if event.type == EventType.LOG:
        _line(event)
        return
    answered = isinstance(event.payload, list) and len(event.payload) == 2
    harmless = event.type == EventType.HOST_CALL and answered
    harmless = harmless and not wasi.is_done(event.interface, event.function, event.payload)
    held = (event.interface, event.function) in HELD | ASKS
    if not harmless or held or event.interface == STORE:
        raise BadStep(f"{event.type} {event.function} before the turn's call")


def _is_local(event: Event) -> bool:
    """Whether this is a call of WASI that the worker has answered, or a line that was written."""
    if event.type != EventType.HOST_CALL:
        return event.type == EventType.LOG
    is_answered = isinstance(event.payload, list) and len(event.payload) == 2
    is_wasi = is_answered and event.interface.startswith(wasi.PREFIX)
    return is_wasi and not wasi.is_done(event.interface, event.function, event.payload)


def _answer_of(value: Any, step: Step, message_max: int) -> dict[str, Any]:
    """What an export has returned to whoever called it, or why it could not take the call."""
    match value:
        case {"ok": content} if len(value) == 1:
            return {"ok": content_of(content, step, message_max)}
        case {"err": str(text)} if len(value) == 1 and len(text) <= REFUSAL_MAX:
            return {"err": text}
    raise ValueError("a call is neither answered nor refused in few words")


def _next_round(value: Any, step: Step, message_max: int) -> bytes | None:
    """What a round of a loop leaves for the next one; None: there is none."""
    match value:
        case {"ok": content} if len(value) == 1:
            return content_of(content, step, message_max)
        case {"err": str()} if len(value) == 1:
            return None
    raise ValueError("a loop neither goes on nor ends")


def _result(step: Step, handed: Handed, event: Event, message_max: int, state_max: int) -> None:
    if (event.interface, event.function) != handed.called():
        raise BadStep(f"the result of {event.function[:80]!r}, which was not called")
    try:
        value, fuel = event.payload
        returned = value["ok"]
        state = returned[0]
        if len(returned) != (2 if handed.kind in ANSWERED else 1):
            raise ValueError("wrong number of values")
        step.state = None if state is None else ref_hash(state)
        if state is not None and step.state is None:
            raise ValueError("a state is not a reference")
        if step.state is not None and len(step.state) != 32:
            raise ValueError("a state's reference is not a hash")
        if type(fuel) is not int or not 0 <= fuel < 1 << 63:
            raise ValueError("fuel is not a number")
        step.fuel = fuel
        if handed.kind in ANSWERED:
            (reply,) = returned[1]
            if handed.kind == CALL:
                step.answer = _answer_of(reply, step, message_max)
                reply = None
            if handed.kind == CHANNEL_OPEN:
                step.accepted, reply = reply["accepted"], reply["message"]
                if type(step.accepted) is not bool:
                    raise ValueError("a channel is neither accepted nor refused")
            elif handed.kind == LOOP:
                reply = _next_round(reply, step, message_max)
            step.reply = None if reply is None else content_of(reply, step, message_max)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise BadStep(f"not the result of a turn: {error}") from None
    content = step.contents.get(step.state) if step.state is not None else None
    if content is not None and len(content) > state_max:
        raise BadStep(f"a state of {len(content)} bytes is over the limit of {state_max}")
    step.ends = True
