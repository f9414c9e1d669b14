"""What leads packages to what is written for components, each case of it."""

from __future__ import annotations

from typing import Any

import pytest

from theater.calls import (
    ACTOR,
    CALLS,
    CHILDREN,
    CLIENT,
    LOOP,
    LOOP_CLIENT,
    MESSAGES,
    RPC,
    RUNTIME,
    STORE,
    SUPERVISOR,
    TIMER,
)
from theater.pack import bridge
from theater.pack.codec import encode
from theater.pack.interfaces import IMPORTS, provided
from theater.pack.parsing import parse_type
from theater.pack.types import BYTES, STRING
from theater.pack.values import (
    NO_STATE,
    U64,
    UNIT,
    BadValue,
    List,
    Option,
    Record,
    Result,
    Value,
    Variant,
    err,
    ok,
)

OPTIONAL = BYTES.wire


def some(item: Value, of: bytes = OPTIONAL) -> Option:
    return Option(of, item)


NONE = Option(OPTIONAL, None)
NO_TIME = Option(OPTIONAL, None)


def options(item: Value | None) -> Value:
    return Option(b"\x0d", item)


def timeout(ms: int | None) -> Value:
    return Record(
        "call-options", (("timeout-ms", Option(b"\x04", None if ms is None else U64(ms))),)
    )


ARGUMENTS: list[tuple[str, str, Value, list[Any]]] = [
    (RUNTIME, "log", "text", ["text"]),
    (RUNTIME, "log", ("text",), ["text"]),
    (RUNTIME, "self", (), []),
    (RUNTIME, "shutdown", some(b"x"), [b"x"]),
    (RUNTIME, "shutdown", (NONE,), [None]),
    (MESSAGES, "send", ("b", b"hi"), ["b", b"hi"]),
    (STORE, "get", ("st", "abc"), ["st", {"hash": "abc"}]),
    (STORE, "exists", ("st", "abc"), ["st", {"hash": "abc"}]),
    (STORE, "label", ("st", "l", "abc"), ["st", "l", {"hash": "abc"}]),
    (STORE, "replace-at-label", ("st", "l", "abc"), ["st", "l", {"hash": "abc"}]),
    (STORE, "store-at-label", ("st", "l", b"x"), ["st", "l", b"x"]),
    (SUPERVISOR, "spawn", ("m", Option(STRING.wire, None), NONE), ["m", None]),
    (SUPERVISOR, "spawn", ("m", some(U64(7), b"\x0f"), NONE), ["m", encode(U64(7))]),
    (SUPERVISOR, "spawn", ("m", some(NONE), NONE), ["m", encode(NONE)]),
    (SUPERVISOR, "resume", ("m", some(b"state"), NONE), ["m", b"state"]),
    (SUPERVISOR, "spawn", ("m", NONE, some(b"\0asm")), ["m", None, b"\0asm"]),
    (SUPERVISOR, "resume", ("m", NONE, some(b"")), ["m", None, b""]),
    (SUPERVISOR, "spawn-and-wait", ("m", NONE, NONE, NO_TIME), ["m", None, None, None]),
    (
        SUPERVISOR,
        "spawn-and-wait",
        ("m", some("x"), some(b"\0asm"), some(U64(20))),
        ["m", encode("x"), b"\0asm", 20],
    ),
    (TIMER, "set-interval", ("x", U64(20)), ["x", 20]),
    (TIMER, "clear-interval", "x", ["x"]),
    (TIMER, "now", (), []),
    (RPC, "call", ("b", "f", U64(1), UNIT), ["b", "f", encode(U64(1)), None]),
    (RPC, "call", ("b", "f", (), options(None)), ["b", "f", encode(()), None]),
    (RPC, "call", ("b", "f", (), options(UNIT)), ["b", "f", encode(()), None]),
    (RPC, "call", ("b", "f", (), options(Record("o", ()))), ["b", "f", encode(()), None]),
    (RPC, "call", ("b", "f", (), options(timeout(None))), ["b", "f", encode(()), None]),
    (RPC, "call", ("b", "f", (), options(timeout(7))), ["b", "f", encode(()), 7]),
    (RPC, "call", ("b", "f", (), timeout(0)), ["b", "f", encode(()), 0]),
    (RPC, "implements", ("b", "t:s/a"), ["b", "t:s/a"]),
    (RPC, "exports", "b", ["b"]),
    (LOOP, "start-loop", b"0", [b"0"]),
    (LOOP, "start-loop", (b"0",), [b"0"]),
    (LOOP, "stop-loop", (), []),
]


@pytest.mark.parametrize(("interface", "function", "value", "plain"), ARGUMENTS)
def test_arguments(interface: str, function: str, value: Value, plain: list[Any]) -> None:
    assert bridge.arguments(interface, function, value) == plain


def test_arguments_of_another_type_are_refused() -> None:
    refused: list[tuple[str, str, Value]] = [
        (RUNTIME, "log", b"bytes"),
        (MESSAGES, "send", ("b",)),
        (TIMER, "set-interval", ("x", "20")),
    ]
    for interface, function, value in refused:
        with pytest.raises(BadValue):
            bridge.arguments(interface, function, value)
    for wrong in ("soon", options(U64(5)), Record("o", (("timeout-ms", "x"),))):
        with pytest.raises(BadValue, match=r"options of a call are a record|timeout-ms is an"):
            bridge.arguments(RPC, "call", ("b", "f", (), wrong))


ANSWERS: list[tuple[str, str, Any, Value]] = [
    (RUNTIME, "log", None, ()),
    (RUNTIME, "self", "me", "me"),
    (RUNTIME, "shutdown", {"ok": None}, ok()),
    (MESSAGES, "send", {"err": "refused: no"}, err("refused: no")),
    (MESSAGES, "request", {"ok": b"x"}, ok(b"x")),
    (MESSAGES, "list-outstanding-requests", ["a"], List(STRING.wire, ("a",))),
    (STORE, "store", {"ok": {"hash": "h"}}, ok("h")),
    (STORE, "get-by-label", {"ok": {"hash": "h"}}, ok(Option(STRING.wire, "h"))),
    (STORE, "get-by-label", {"ok": None}, ok(Option(STRING.wire, None))),
    (STORE, "list-all-content", {"ok": [{"hash": "h"}]}, ok(List(STRING.wire, ("h",)))),
    (STORE, "list-labels", {"ok": ["hash"]}, ok(List(STRING.wire, ("hash",)))),
    (STORE, "calculate-total-size", {"ok": 7}, ok(U64(7))),
    (STORE, "exists", {"ok": True}, ok(True)),
    (STORE, "exists", {"err": "no"}, err("no")),
    (SUPERVISOR, "list-children", ["a/b"], ok(List(STRING.wire, ("a/b",)))),
    (SUPERVISOR, "get-child-state", {"ok": None}, ok(NONE)),
    (SUPERVISOR, "get-child-state", {"ok": b"component's"}, ok(some(b"component's"))),
    (SUPERVISOR, "get-child-state", {"ok": encode(some(b"x"))}, ok(some(b"x"))),
    (SUPERVISOR, "get-child-state", {"ok": encode(NONE)}, ok(NONE)),
    (SUPERVISOR, "get-child-state", {"ok": encode(U64(1))}, ok(some(encode(U64(1))))),
    (SUPERVISOR, "get-child-state", {"err": "no"}, err("no")),
    (SUPERVISOR, "spawn-and-wait", {"ok": b"result"}, ok(some(b"result"))),
    (SUPERVISOR, "spawn-and-wait", {"ok": None}, ok(NONE)),
    (SUPERVISOR, "spawn-and-wait", {"err": "timeout: x"}, err("timeout: x")),
    (TIMER, "now", 5, U64(5)),
    (RPC, "call", {"ok": encode((U64(5), "x"))}, ok(Variant("result", "ok", 0, ((U64(5), "x"),)))),
    (RPC, "call", {"err": "timeout: x"}, ok(Variant("result", "err", 1, ("timeout: x",)))),
    (
        RPC,
        "call",
        {"ok": b"garbage"},
        ok(
            Variant(
                "result",
                "err",
                1,
                ("failed: it answered no value: 7 bytes are fewer than a header has",),
            )
        ),
    ),
    (RPC, "implements", {"ok": True}, ok(Variant("result", "ok", 0, (True,)))),
    (RPC, "exports", {"ok": ["a"]}, ok(Variant("result", "ok", 0, (List(STRING.wire, ("a",)),)))),
    (RPC, "exports", {"err": "no-actor: x"}, ok(Variant("result", "err", 1, ("no-actor: x",)))),
]


@pytest.mark.parametrize(("interface", "function", "plain", "value"), ANSWERS)
def test_answers(interface: str, function: str, plain: Any, value: Value) -> None:
    found = bridge.answer(interface, function, plain)
    if isinstance(value, Result):
        assert isinstance(found, Result)
        assert (found.is_err, encode(found.item)) == (value.is_err, encode(value.item))
    else:
        assert encode(found) == encode(value)


def test_every_function_of_every_interface_can_be_answered() -> None:
    assert {(interface, function) for interface, function, _, _ in ANSWERS} <= {
        (interface, function) for interface in IMPORTS for function in provided(interface)
    }


CASES = ("internal", 5)
CALLED: list[tuple[str, list[Any], tuple[Value, ...]]] = [
    ("init", ["pool/me"], ()),
    ("send", [b"x"], (b"x",)),
    ("request", ["id", b"x"], ("id", b"x")),
    ("channel-open", ["ch", b"x"], ("ch", b"x")),
    ("channel-message", ["ch", b"x"], ("ch", b"x")),
    ("channel-close", ["ch"], ("ch",)),
    ("tick", ["name"], ("name",)),
    ("loop", [b"x"], (b"x",)),
    (
        "child-error",
        ["kid", {"error-type": "internal", "data": b"why"}],
        ("kid", (Variant("wit-error-type", "internal", 5), some(b"why"))),
    ),
    (
        "child-error",
        ["kid", {"error-type": "paused", "data": None}],
        ("kid", (Variant("wit-error-type", "paused", 8), NONE)),
    ),
    ("child-exit", ["kid", None], ("kid", NONE)),
    ("child-exit", ["kid", b"x"], ("kid", some(b"x"))),
    ("child-external-stop", ["kid"], ("kid",)),
    ("child-event", ["kid", "wasm-call", b"x"], ("kid", "wasm-call", b"x")),
]


@pytest.mark.parametrize(("kind", "params", "values"), CALLED)
def test_parameters_follow_the_state(kind: str, params: list[Any], values: Any) -> None:
    found = bridge.argument(*CALLS[kind], encode(U64(1)), params, None)
    assert encode(found) == encode((U64(1), *values))


@pytest.mark.parametrize(
    ("given", "params"),
    [((), ()), ((U64(1),), (U64(1),)), ((U64(1), "x"), (U64(1), "x")), ("x", ("x",))],
)
def test_a_call_has_several_parameters_or_one(given: Value, params: tuple[Value, ...]) -> None:
    found = bridge.argument("t:s/a", "f", encode("s"), [encode(given)], None)
    assert encode(found) == encode(("s", *params))


def test_every_kind_of_input_is_tried() -> None:
    assert {kind for kind, _, _ in CALLED} == set(CALLS)
    assert CALLS["child-exit"][0] == CHILDREN


@pytest.mark.parametrize(
    ("state", "declared", "value"),
    [
        (None, "value", NO_STATE),
        (None, "u64", NO_STATE),
        (encode(U64(3)), "u64", U64(3)),
        (encode("x"), "option<list<u8>>", "x"),
        (b"text", "value", "text"),
        (b"text", "string", "text"),
        (b"text", "list<u8>", b"text"),
        (b"text", "option<list<u8>>", some(b"text")),
        (b"\xff\xfe", "string", b"\xff\xfe"),
        (b"CGRF, but no more", "value", "CGRF, but no more"),
        (b"", "value", ""),
    ],
)
def test_a_state_is_a_value_and_what_is_none_was_written_by_others(
    state: bytes | None, declared: str, value: Value
) -> None:
    assert encode(bridge.state_value(state, parse_type(declared))) == encode(value)


S = U64(9)
SENT = CLIENT, "handle-send"
ASKED = CLIENT, "handle-request"
OPENED = CLIENT, "handle-channel-open"
ROUND = LOOP_CLIENT, "loop"


def case(name: str, *payload: Value, tag: int = 0) -> Value:
    return Variant("result", name, tag, payload)


def opened(accepted: bool, message: bytes | None = None) -> dict[str, Any]:
    return {"ok": [encode(S), [{"accepted": accepted, "message": message}]]}


RETURNED: list[tuple[tuple[str, str], Value, dict[str, Any]]] = [
    (SENT, ok((S, ())), {"ok": [encode(S)]}),
    (SENT, ok((S,)), {"ok": [encode(S)]}),
    (SENT, ok(S), {"ok": [encode(S)]}),
    (SENT, ok(()), {"ok": [encode(())]}),
    (SENT, S, {"ok": [encode(S)]}),
    (SENT, Variant("result", "ok", 0, ((S, ()),)), {"ok": [encode(S)]}),
    (SENT, Variant("result", "ok", 0, (S,)), {"ok": [encode(S)]}),
    (SENT, Variant("state", "idle", 0), {"ok": [encode(Variant("state", "idle", 0))]}),
    (SENT, Variant("result", "err", 1, ("no",)), {"err": "no"}),
    (SENT, err("no"), {"err": "no"}),
    (ASKED, ok((S, (some(b"r"),))), {"ok": [encode(S), [b"r"]]}),
    (ASKED, ok((S, (some(b""),))), {"ok": [encode(S), [b""]]}),
    (ASKED, ok((S, (NONE,))), {"ok": [encode(S), [b""]]}),
    (ASKED, ok((S, some(b"r"))), {"ok": [encode(S), [b""]]}),
    (ASKED, ok((S, "r", "s")), {"ok": [encode(S), [b""]]}),
    (ASKED, ok(S), {"ok": [encode(S), [b""]]}),
    (("t:s/a", "f"), ok((S, "r")), {"ok": [encode(S), [{"ok": encode("r")}]]}),
    (("t:s/a", "f"), ok((S, "r", "s")), {"ok": [encode(S), [{"ok": encode(("r", "s"))}]]}),
    (("t:s/a", "f"), ok(S), {"ok": [encode(S), [{"ok": encode(())}]]}),
    (("t:s/a", "f"), err("no"), {"err": "no"}),
    (OPENED, ok((S, (Record("a", (("accepted", True),)),))), opened(True)),
    (
        OPENED,
        ok((S, (Record("a", (("accepted", True), ("message", some(b"m")))),))),
        opened(True, b"m"),
    ),
    (
        OPENED,
        ok((S, (Record("a", (("accepted", False), ("message", some(b"m")))),))),
        opened(False),
    ),
    (OPENED, ok((S, ((True, "x"),))), opened(True)),
    (OPENED, ok((S, ((False,),))), opened(False)),
    (OPENED, ok((S, ())), opened(False)),
    (OPENED, ok((S, (True,))), opened(False)),
    (ROUND, ok((S, case("ok", b"1"))), {"ok": [encode(S), [{"ok": b"1"}]]}),
    (ROUND, ok((S, case("ok", b""))), {"ok": [encode(S), [{"ok": b""}]]}),
    (ROUND, ok((S, case("err", "done", tag=1))), {"ok": [encode(S), [{"err": "done"}]]}),
    (ROUND, case("ok", (S, case("ok", b"1"))), {"ok": [encode(S), [{"ok": b"1"}]]}),
    (ROUND, err("no"), {"err": "no"}),
    (ROUND, case("err", "no", tag=1), {"err": "no"}),
]


@pytest.mark.parametrize(("export", "value", "plain"), RETURNED)
def test_what_is_returned_is_what_a_component_returns(
    export: tuple[str, str], value: Value, plain: Any
) -> None:
    assert bridge.returned(*export, value) == plain


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (S, "()"),
        (ok((S, ok(b"1"))), "ok<"),
        (ok((S, err("no"))), "err<"),
        (ok((S, case("ok", "1"))), "ok"),
        (ok((S, case("ok"))), "ok"),
        (ok((S, case("err", b"1", tag=1))), "err"),
        (ok((S, case("more", b"1", tag=2))), "more"),
        (ok((S, b"1")), "[49u8]"),
        (ok((S, case("ok", b"1"), ())), "("),
    ],
)
def test_a_round_that_answers_anything_else_has_ended_its_loop(value: Value, said: str) -> None:
    state, (answer,) = bridge.returned(*ROUND, value)["ok"]
    assert state == encode(S) and [*answer] == ["err"]
    assert answer["err"].startswith("it answered ") and said in answer["err"]
    assert answer["err"].endswith(", which is no variant of ok and err")


def test_an_error_that_is_no_string_is_shown_and_a_third_case_is_one() -> None:
    assert "7" in bridge.returned(*SENT, Result(b"\x06", b"\x06", True, U64(7)))["err"]
    told = bridge.returned(ACTOR, "init", Variant("result", "maybe", 2, (S,)))["err"]
    assert told == "it returned result::maybe, which stands for no success"
    assert bridge.returned(*SENT, Variant("result", "err", 1))["err"]
