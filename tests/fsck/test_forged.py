"""Chains whose hashes are right and whose events are not: somebody has hashed them anew."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from tests.fsck.conftest import Damaged
from theater import wasi, wire
from theater.chain import GENESIS, link
from theater.events import CHAIN_CODE, IN_TURNS, Event, EventType, decode, encode, ref
from theater.fsck import chain
from theater.fsck.chain import line_of

NOTHING = bytes(32)
Change = Callable[[list[Event]], None]


def forge(damaged: Damaged, actor: str, change: Change) -> None:
    """Let the events of a chain be other ones, as many, with all that is derived of one alone."""

    def rewrite(db: sqlite3.Connection) -> None:
        rows = db.execute(
            "SELECT e.seq, e.bytes FROM events e JOIN actors a ON a.id = e.actor"
            " WHERE a.name = ? ORDER BY position",
            (actor,),
        ).fetchall()
        events = [decode(data) for _, data in rows]
        change(events)
        head = GENESIS
        for (seq, _), event in zip(rows, events, strict=True):
            data = encode(*(getattr(event, name) for name in Event.__slots__))
            head = link(head, data)
            db.execute(
                "UPDATE events SET bytes = ?, hash = ?, incarnation = ?, turn = ?, idx = ?,"
                " type = ?, function = ?, line = ? WHERE seq = ?",
                (
                    data,
                    head,
                    event.incarnation,
                    event.turn,
                    event.index,
                    event.type,
                    event.function,
                    line_of(event),
                    seq,
                ),
            )

    damaged.edit(rewrite)


def first(events: list[Event], type: str, function: str = "", turn: int | None = None) -> Event:
    return next(
        event
        for event in events
        if event.type == type
        and event.function == (function or event.function)
        and turn in (None, event.turn)
    )


def edit(
    of_type: str, of_function: str = "", of_turn: int | None = None, /, **fields: Any
) -> Change:
    """Other fields of the first such event; a function of the payload changes it in place."""

    def change(events: list[Event]) -> None:
        event = first(events, of_type, of_function, of_turn)
        for name, value in fields.items():
            if callable(value):
                value(event.payload)
            else:
                setattr(event, name, value)

    return change


def put(path: list[Any], value: Any) -> Callable[[Any], None]:
    """Set a value within a payload."""

    def change(payload: Any) -> None:
        for step in path[:-1]:
            payload = payload[step]
        payload[path[-1]] = value

    return change


OTHER_CHAIN = msgpack.ExtType(CHAIN_CODE, wire.pack(["a", 0, 1, NOTHING]))

CASES: dict[str, tuple[str, Change, str]] = {
    "a turn's fuel": (
        "a",
        edit("wasm-result", "", 3, payload=put([1], 1)),
        "^a, turn 3: fuel is [0-9]+ in turns; should be 1, as is chained$",
    ),
    "the state after a turn": (
        "a",
        edit("wasm-result", "", 3, payload=put([0, "ok", 0], None)),
        "^a, turn 4, .*: called with state [0-9a-f]+; should be none, the one before$",
    ),
    "the state before a turn": (
        "a",
        edit("wasm-call", "", 3, payload=put([0], ref(NOTHING))),
        "^a, turn 3, .*: called with state 0+; should be [0-9a-f]+, the one before$",
    ),
    "the state that it was created with": (
        "keeper",
        edit("wasm-call", "", 1, payload=put([0], None)),
        "^keeper, turn 1, .*: called with state none; should be [0-9a-f]+, the initial state$",
    ),
    "beginning anew": (
        "anew",
        edit("reinitialised", type="decided", function="decided"),
        "^anew, turn 3, .*: a call of init; should be a message, as it has been$",
    ),
    "a call that has an answer at once, without it": (
        "a",
        edit("host-call", "request", interface="wasi:random/random", function="get-random-u64"),
        "^a, turn [0-9]+, .*: .*get-random-u64.* without an answer; should be one",
    ),
    "a change of a file by one that may not": (
        "a",
        edit(
            "host-call",
            "request",
            interface="wasi:filesystem/types",
            function="[method]descriptor.unlink-file-at",
        ),
        "^a, turn [0-9]+, .*: .*unlink-file-at.* without an answer; should be one, or a grant",
    ),
    "a change of a file that nobody had committed": (
        "a",
        edit(
            "host-call",
            "log",
            interface="wasi:filesystem/types",
            function="[method]descriptor.unlink-file-at",
            payload=put([1], {"ok": None}),
        ),
        "^a, turn [0-9]+, .*: .*unlink-file-at.* was done at once; should be committed before",
    ),
    "a request by one that may not": (
        "a",
        edit("host-call", "request", interface=wasi.HTTP, function=wasi.EXCHANGE),
        "^a, turn [0-9]+, .*: .*incoming-response.get.* without an answer; should be one, or a gr",
    ),
    "a request that nobody had committed": (
        "a",
        edit(
            "host-call",
            "log",
            interface=wasi.HTTP,
            function=wasi.EXCHANGE,
            payload=put([1], {"ok": {"ok": 7}}),
        ),
        "^a, turn [0-9]+, .*: .*incoming-response.get.* was done at once; should be committed bef",
    ),
    "an answer with something beside it": (
        "a",
        edit("host-answer", "request", payload=lambda payload: payload.append(7)),
        r"^a, turn [0-9]+, .*: payload .*; should be \[answer\], or what an exchange has$",
    ),
    "a content that is not there": (
        "a",
        edit("wasm-result", "", 4, payload=put([0, "ok", 1, 0], ref(NOTHING))),
        "^a, position [0-9]+: its content 0+ is not there; should be in blobs$",
    ),
    "the reply": (
        "a",
        edit("wasm-result", "", 3, payload=put([0, "ok", 1, 0], b"ho")),
        '^a, turn 3: the answer of message 2 is .*"hi".*; should be its reply, as is chained$',
    ),
    "a result that is none": (
        "a",
        edit("wasm-result", "", 3, payload=put([0], {"err": "no"})),
        '^a, turn 3, .*: a result .*"no".*; should be',
    ),
    "a name": (
        "a",
        edit("wasm-call", "", 1, payload=put([1], ["b"])),
        '^a, turn 1, .*: called with \\["b"\\]; should be its own name$',
    ),
    "what it was called with": (
        "a",
        edit("wasm-call", "", 3, payload=put([1, 1], b"echo ho")),
        '^a, turn 3, .*: called with "echo ho"; should be message 2$',
    ),
    "a call that is none": (
        "a",
        edit("wasm-call", "", 3, payload=put([1], 5)),
        "^a, turn 3, .*: a call with .*; should be \\[state, parameters\\]$",
    ),
    "what it calls": (
        "a",
        edit("wasm-call", "", 3, function="handle-no"),
        "^a, turn 3, .*: a call of .*handle-no.*; should be init or a message$",
    ),
    "an index": (
        "a",
        edit("wasm-result", "", 3, index=9),
        "^a, turn 3, .*: index 9; should be 1, the next$",
    ),
    "a turn": (
        "a",
        edit("wasm-call", "", 3, turn=9),
        "^a, turn 9, .*: turn 9 after turn 2; should be turn 3$",
    ),
    "an incarnation": (
        "a",
        edit("wasm-result", "", 3, incarnation=5),
        "^a, position [0-9]+, seq [0-9]+: incarnation 5; should be 1, the last started$",
    ),
    "an incarnation that does not live": (
        "gate",
        edit("exited", type="decided", function="decided"),
        "^gate, incarnation 1: ended_at is [0-9.]+; should be none, as no exited is$",
    ),
    "a turn after the end": (
        "gate",
        edit("ready", type="exited", function="exited", payload={"reason": "x"}),
        "^gate, position [0-9]+, seq [0-9]+: exited of an incarnation that does not live; should"
        " be between its start and its end$",
    ),
    "a send that failed": (
        "a",
        edit("host-call", "send", payload=put([1], {"err": "no"})),
        "^message 14: no event made it, and no client; should be one of them$",
    ),
    "a send that was none": (
        "a",
        edit(
            "host-call",
            "log",
            10,
            interface=chain.MESSAGES,
            function="send",
            payload=[["b", b"more"], {"ok": None}],
        ),
        '^turn 10, seq [0-9]+: a send to "b" has no message; should be one in messages$',
    ),
    "whom it sent to": (
        "a",
        edit("host-call", "send", payload=put([0, 0], "c")),
        '^message 14, seq [0-9]+: to_name is "b"; should be "c", as is chained$',
    ),
    "what it sent": (
        "a",
        edit("host-call", "send", payload=put([0, 1], b"append z")),
        "^message 14, seq [0-9]+: its body has hash [0-9a-f]+; should be [0-9a-f]+, as is chained$",
    ),
    "a send before the call": (
        "a",
        edit("wasm-call", "", 10, type="log", function="line", payload=["x"]),
        "^a, turn 10, .*: host-call .* before the call; should be after it$",
    ),
    "an answer of an ask": (
        "a",
        edit("host-answer", "", 5, type="log", function="line", payload=["x"]),
        "^a, turn 5, .*: it went on without its answer; should be host-answer$",
    ),
    "an answer without an ask": (
        "a",
        edit("host-call", "request", 5, payload=[["b", b"x"], {"err": "no"}]),
        '^a, turn 5, .*: an answer of "request"; should be right after its ask$',
    ),
    "an answer to somebody else's request": (
        "ink",
        edit("host-call", "respond-to-request", payload=put([0, 0], "a:2:1")),
        '^seq [0-9]+: it has answered request "a:2:1"; should be a request that was made to it$',
    ),
    "an answer that failed and is to nobody": (
        "ink",
        edit("host-call", "respond-to-request", payload=[[], {"err": "no"}]),
        r'^ink, turn 2: the answer of message [0-9]+ is ok\("at once"\); should be its reply, as',
    ),
    "an answer that nobody gave": (
        "ink",
        edit("host-call", "cancel-request", 3, payload=put([0, 0], "client:1")),
        '^ink: request "client:[0-9]+" is answered, as by cancel-request, and nobody called it;',
    ),
    "a channel that was not accepted": (
        "ink",
        edit("wasm-result", "handle-channel-open", payload=put([0, "ok", 1, 0, "accepted"], False)),
        '^channel "pen:2:1": no turn has accepted it; should be one$',
    ),
    "a first message that was not said": (
        "ink",
        edit("wasm-result", "handle-channel-open", payload=put([0, "ok", 1, 0, "message"], b"ho")),
        "^message [0-9]+, seq [0-9]+: its body has hash .*; should be .*, as is chained$",
    ),
    "another channel": (
        "pen",
        edit("host-answer", "open-channel", payload=put([0], {"ok": "pen:9:9"})),
        '^pen, turn 2, .*: an answer .*"pen:9:9".*; should be channel "pen:2:1", or why not$',
    ),
    "another message on a channel": (
        "pen",
        edit("host-call", "send-on-channel", payload=put([0, 1], b"append y")),
        "^message [0-9]+, seq [0-9]+: its body has hash .*; should be .*, as is chained$",
    ),
    "a message on another channel": (
        "pen",
        edit("host-call", "send-on-channel", payload=put([0, 0], "pen:3:1")),
        '^message [0-9]+, seq [0-9]+: channel is "pen:2:1"; should be "pen:3:1", as is chained$',
    ),
    "the end of another channel": (
        "pen",
        edit("host-call", "close-channel", payload=put([0, 0], "pen:5:1")),
        '^message [0-9]+, seq [0-9]+: channel is "pen:2:1"; should be "pen:5:1", as is chained$',
    ),
    "a channel that it was told of": (
        "ink",
        edit("wasm-call", "handle-channel-close", payload=put([1, 0], "pen:9:9")),
        '^ink, turn [0-9]+, .*: called with \\["pen:9:9"\\]; should be "pen:2:1"$',
    ),
    "an answer of one that has not answered": (
        "a",
        edit("host-answer", "", 11, payload=put([0], {"ok": b""})),
        '^a: request "a:11:1" is answered, as by respond-to-request, and nobody called it; should',
    ),
    "a failure of one that has answered": (
        "a",
        edit("host-answer", "", 5, payload=put([0], {"err": "failed: b: trap"})),
        "^a, turn 5, .*: a failure of message 5, which is done; should be dead$",
    ),
    "a part of a chain": (
        "a",
        edit("host-answer", "get-chain", payload=put([0], OTHER_CHAIN)),
        "^a, turn 7, .*: a part of another chain, or of none; should be its own up to the ask$",
    ),
    "an ask of what cannot be asked": (
        "a",
        edit("host-call", "get-chain", function="get-time"),
        "^a, turn 7, .*: .*get-time.* without an answer; should be one$",
    ),
    "an error inside a turn": (
        "a",
        edit("host-call", "log", 10, type="wasm-error"),
        '^a, turn 10, .*: "wasm-error" inside a turn; should be what crosses the sandbox$',
    ),
    "a failure's turn": (
        "gate",
        edit("turn-failed", payload=put(["turn"], 7)),
        "^gate, turn 7, .*: turn 7 after turn 1; should be turn 2$",
    ),
    "a failure's reason": (
        "asker",
        edit("turn-failed", payload=put(["reason"], "bad luck")),
        '^asker, turn 2: reason is "killed .*; should be "bad luck", as is chained$',
    ),
    "a failure's evidence": (
        "gate",
        edit("turn-failed", payload=put(["evidence"], None)),
        "^gate, evidence 3: is chained in no turn-failed; should be in one$",
    ),
    "an end's reason": (
        "gate",
        edit("exited", payload=put(["reason"], "x")),
        '^gate, incarnation 1: reason is "trap: .*; should be "x"$',
    ),
    "another component is started": (
        "gate",
        edit("started", payload=put(["component"], "c0ffee")),
        '^gate, position 1, seq [0-9]+: started with component "c0ffee"; should be "[0-9a-f]+',
    ),
    "the same incarnation again": (
        "gate",
        lambda events: setattr([e for e in events if e.type == "started"][1], "incarnation", 1),
        "^gate, .*: incarnation 1 is started after 1; should be a larger number$",
    ),
    "another component was created": (
        "gate",
        edit("created", payload=put(["component"], "c0ffee")),
        '^gate: component is "[0-9a-f]+.*; should be "c0ffee"$',
    ),
    "a supervisor was created": (
        "gate",
        edit("created", payload=put(["kind"], "supervisor")),
        "^gate, .*: a supervisor is started as a process; should be of an actor$",
    ),
    "a chain begins otherwise": (
        "gate",
        edit("created", type="changed", function="changed"),
        '^gate, position 0, seq [0-9]+: the chain begins with "changed"; should be created$',
    ),
    "created once more": (
        "gate",
        edit("ready", type="created", function="created", payload={}),
        "^gate, position [0-9]+, seq [0-9]+: created; should be only the first event$",
    ),
    "returned and never gone": (
        "gate",
        edit("ready", type="returned", function="returned", payload={}),
        "^gate, .*: returned, and it had not been removed; should be removed before$",
    ),
    "alive after it was removed": (
        "gate",
        edit("ready", type="removed", function="removed"),
        "^gate, .*: .* of one that was removed; should be returned, or nothing$",
    ),
    "no such event": (
        "gate",
        edit("ready", type="sang", function="sang"),
        '^gate, .*: "sang" in turn 0; should be an event of its life$',
    ),
    "an event without a map": (
        "gate",
        edit("exited", payload=5),
        "^gate, .*: payload 5; should be a map$",
    ),
    "a lifecycle event's index": (
        "gate",
        edit("exited", index=3),
        "^gate, .*: index 3; should be [0-9]+, its position$",
    ),
    "a lifecycle event's function": (
        "gate",
        edit("exited", function="x"),
        '^gate, .*: function "x"; should be theater.exited$',
    ),
    "a decision about nothing": (
        "gate",
        edit("dead-letter", payload=put(["id"], 99)),
        "^seq [0-9]+: dead letter 99 is not there; should be in dead_letters$",
    ),
    "another decision": (
        "gate",
        edit("dead-letter", payload=put(["decision"], "burned")),
        '^seq [0-9]+: a decision "burned" about dead letter 4; should be retried or dropped$',
    ),
    "a decision about another": (
        "gate",
        edit("dead-letter", payload=put(["id"], 5)),
        "^dead letter 5, seq [0-9]+: it was decided about a second time; should be once$",
    ),
}


def test_chains_hashed_anew_are_whole_if_nothing_else_was_done(damaged: Damaged) -> None:
    for name in ("a", "b", "gate", "anew", "/"):
        forge(damaged, name, lambda _events: None)
    assert damaged.check()[0] == []


@pytest.mark.parametrize("case", CASES)
def test_what_follows_from_events_is_not_believed(damaged: Damaged, case: str) -> None:
    actor, change, expected = CASES[case]
    forge(damaged, actor, change)
    found, _ = damaged.check()
    told = "\n".join(found)
    assert any(re.search(expected, line) for line in found), f"not told: {expected}\n{told}"
    assert not any("hash" in line and "position" in line for line in found), told


def test_every_type_of_event_is_known_to_be_of_a_turn_of_a_life_or_evidence() -> None:
    assert set(EventType) == IN_TURNS | chain.LIFECYCLE | chain.NEVER
