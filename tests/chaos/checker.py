"""Judge a log at rest by nothing but itself and the clients' own history.

What is recomputed from the events here is in few words what the promise is: no acknowledged
message is lost, none is handled twice, every pair of actors keeps its order, each request has one
answer. `theater fsck` looks whether the tables agree with the events; this looks whether the
events are right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from tests.chaos.customer import Operation
from theater import wire
from theater.calls import LOOP, LOOP_CLIENT, MESSAGES, RPC, START_LOOP
from theater.client import LogReader
from theater.events import Event, EventType

OPEN = "handle-channel-open"
Call = tuple[str, int, int]  # the actor, turn and index that name a message


def judge(log: LogReader, history: Iterable[Operation]) -> list[str]:
    """What is wrong, in sentences."""
    events = [row.event for row in log.events()]
    return [
        *_clients(log, history),
        *_turns(log, events),
        *_pairs(log, events),
        *_channels(log),
        *_answers(events),
        *_leftovers(log),
    ]


def states(log: LogReader, actors: Iterable[str]) -> dict[str, bytes]:
    return {name: log.state(name) or b"" for name in actors}


def _clients(log: LogReader, history: Iterable[Operation]) -> list[str]:
    """Whether all that was acknowledged is there, once and as it was said, with its answer."""
    found = []
    rows = {
        row[0]: row[1:]
        for row in log.query(
            "SELECT m.client, m.kind, m.to_name, coalesce(m.body, b.bytes), m.answer"
            " FROM messages m LEFT JOIN blobs b ON b.hash = m.body_hash"
            " WHERE m.client IS NOT NULL"
        )
    }
    for operation in history:
        row = rows.pop(operation.id, None)
        if row is None:
            if operation.is_answered:
                found.append(f"{operation.id} was acknowledged, and is lost")
            continue
        kind, to, body, answer = row
        if (kind, to, body) != (operation.kind, operation.to, operation.body):
            found.append(f"{operation.id} is not in the log as it was said")
        if operation.error is not None:
            found.append(f"{operation.id} had an error: {operation.error}")
        if kind == "request" and operation.is_answered:
            logged = None if answer is None else wire.unpack(answer)
            if logged != {"ok": operation.answer}:
                found.append(f"{operation.id} was answered {operation.answer!r}; logged: {logged}")
    return found + [f"{id} is in the log, and nobody has said it" for id in rows]


def _turns(log: LogReader, events: list[Event]) -> list[str]:
    """Whether each message was handled by one turn, which ran from one call to one result."""
    found = []
    calls: Counter[tuple[str, int]] = Counter()
    results: Counter[tuple[str, int]] = Counter()
    for event in events:
        if event.type == EventType.WASM_CALL:
            calls[event.actor, event.turn] += 1
        elif event.type == EventType.WASM_RESULT:
            results[event.actor, event.turn] += 1
    handled: dict[int, list[tuple[str, int]]] = defaultdict(list)
    rows = log.query(
        "SELECT a.name, t.turn, t.message, t.status FROM turns t JOIN actors a ON a.id = t.actor"
    )
    for name, turn, message, status in rows:
        if message is not None:
            handled[message].append((name, turn))
        if (calls[name, turn], results[name, turn], status) != (1, 1, "done"):
            found.append(
                f"turn {turn} of {name} is {status}, with {calls[name, turn]} calls"
                f" and {results[name, turn]} results"
            )
    messages = log.query("SELECT id, to_name, status, turn FROM messages")
    for id, to, status, turn in messages:
        if status != "done" or handled[id] != [(to, turn)]:
            found.append(f"message {id} to {to} is {status}, handled by {handled[id]}")
    return found


def _pairs(log: LogReader, events: list[Event]) -> list[str]:
    """Whether what an actor sent to another came once, and in the order of the calls."""
    found = []
    channels = _channels_of(log)
    opened: dict[tuple[str, int], str] = {}  # the channel that a turn is asked to open
    sent: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for event in events:
        if (event.type, event.function) == (EventType.WASM_CALL, OPEN):
            opened[event.actor, event.turn] = event.payload[1][0]
        elif (event.type, event.function) == (EventType.WASM_RESULT, OPEN):
            opener = channels[opened[event.actor, event.turn]][0]
            if event.payload[0]["ok"][1][0]["message"] is not None:
                sent[event.actor, opener].append((event.actor, event.turn, event.index))
        if _goes_on(event):
            sent[event.actor, event.actor].append((event.actor, event.turn, event.index))
        to = _addressee(event, channels)
        if to is not None:
            sent[event.actor, to].append((event.actor, event.turn, event.index))
    came: dict[tuple[str, str], list[Call]] = defaultdict(list)
    rows = log.query(
        "SELECT s.name, m.to_name, m.from_turn, m.from_index FROM messages m"
        " JOIN actors s ON s.id = m.from_actor ORDER BY m.turn"
    )
    for sender, to, turn, index in rows:
        came[sender, to].append((sender, turn, index))
    for pair in sent.keys() | came.keys():
        if sent[pair] != came[pair]:
            lost = set(sent[pair]) - set(came[pair])
            found.append(
                f"{pair[0]} to {pair[1]}: {len(sent[pair])} calls, {len(came[pair])} messages"
                f" (not the same, or not in order); lost: {sorted(lost)[:5]}"
            )
    return found


def _goes_on(event: Event) -> bool:
    """Whether this ends a round of a loop that has another one."""
    is_round = (event.type, event.interface) == (EventType.WASM_RESULT, LOOP_CLIENT)
    return is_round and "ok" in event.payload[0]["ok"][1][0]


def _channels_of(log: LogReader) -> dict[str, tuple[str, str]]:
    """The two actors of each channel, by its id."""
    rows = log.query(
        "SELECT c.id, o.name, d.name FROM channels c"
        " JOIN actors o ON o.id = c.opener JOIN actors d ON d.id = c.callee"
    )
    return {id: (opener, callee) for id, opener, callee in rows}


def _addressee(event: Event, channels: dict[str, tuple[str, str]]) -> str | None:
    """To whom the event sends a message, if it does."""
    payload: Any = event.payload
    if event.type != EventType.HOST_CALL or event.interface not in (MESSAGES, RPC, LOOP):
        return None
    if event.interface == RPC:
        return str(payload[0][0])
    if event.interface == LOOP:
        return event.actor if event.function == START_LOOP else None
    is_ask = event.function in ("request", "open-channel")
    if is_ask != (len(payload) == 1) or not (is_ask or "ok" in payload[1]):
        return None  # it was refused at once
    if event.function in ("send", "request", "open-channel"):
        return str(payload[0][0])
    if event.function in ("send-on-channel", "close-channel"):
        opener, callee = channels[payload[0][0]]
        return callee if event.actor == opener else opener
    return None


def _channels(log: LogReader) -> list[str]:
    """Whether each channel was opened once, and its end was told once."""
    found = []
    rows = log.query(
        "SELECT c.id, c.status, c.untold IS NOT NULL,"
        " (SELECT count(*) FROM messages m WHERE m.channel = c.id AND m.kind = 'channel-open'),"
        " (SELECT count(*) FROM messages m WHERE m.channel = c.id AND m.kind = 'channel-close')"
        " FROM channels c"
    )
    for id, status, is_untold, opens, closes in rows:
        if (status, is_untold, opens, closes) != ("closed", 0, 1, 1):
            found.append(f"channel {id} is {status}, opened {opens} times and closed {closes}")
    return found


def _answers(events: list[Event]) -> list[str]:
    """Whether each ask has exactly one answer, which comes next in its turn."""
    asked = set()
    answered: Counter[Call] = Counter()
    for event in events:
        if event.type == EventType.HOST_CALL and len(event.payload) == 1:
            asked.add((event.actor, event.turn, event.index))
        elif event.type == EventType.HOST_ANSWER:
            answered[event.actor, event.turn, event.index - 1] += 1
    wrong = [call for call in asked | answered.keys() if answered[call] != (call in asked)]
    return [f"ask {call} has {answered[call]} answers" for call in sorted(wrong)]


def _leftovers(log: LogReader) -> list[str]:
    found = []
    for actor, turn, reason in log.query("SELECT actor, turn, reason FROM dead_letters"):
        found.append(f"a message to {actor} was set aside (turn {turn}): {reason}")
    for status, count in log.query("SELECT status, count(*) FROM asks GROUP BY status"):
        if status != "answered":
            found.append(f"{count} asks are {status}")
    # Dead letters, late answers, timeouts, violations: none of it has a reason to be.
    found += [f"counted {value} {name}" for name, value in log.query("SELECT * FROM counters")]
    return found
