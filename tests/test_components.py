"""The components that other tests run, each held to what tests/components/README.md says of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from tests.components.drive import Actor, engine, load

COMPONENTS = Path(__file__).parent / "components"
ACTORS = ["probe", "counter", "sink", "gate", "burst", "ring", "clock", "minimal"]


def start(name: str, *, memory_bytes: int = 1024 * 1024) -> Actor:
    return Actor(COMPONENTS / f"{name}.wat", memory_bytes=memory_bytes)


@pytest.fixture
def probe() -> Actor:
    actor = start("probe")
    assert actor.init() is None
    return actor


# ---- every actor ----


@pytest.mark.parametrize("name", ACTORS)
@pytest.mark.parametrize("state", [None, b"", b"\x00\xff", b"7" * 100_000])
def test_init_keeps_the_state_it_is_given(name: str, state: bytes | None) -> None:
    actor = start(name)
    assert actor.init(state) is None
    assert actor.state == (b"" if name == "probe" and state is None else state)


@pytest.mark.parametrize(
    "name, message",
    [
        ("probe", b"set " + b"x" * 1000),
        ("counter", b"x" * 1000),
        ("sink", b"x" * 1000),
        ("burst", b"2 b " + b"x" * 1000),
        ("ring", b"2" + b"x" * 1000),
    ],
)
def test_many_messages_need_no_more_memory_than_one(name: str, message: bytes) -> None:
    actor = start(name, memory_bytes=64 * 1024)
    actor.init()
    for _ in range(200):  # 200 kB of messages through a memory of 64 KiB
        assert actor.send(message) is None


# ---- probe ----


def test_probe_says_that_it_started(probe: Actor) -> None:
    assert probe.host.logged == ["started"]


@pytest.mark.parametrize(
    "state, message, reply, new_state",
    [
        (b"old", b"set new one", b"", b"new one"),
        (b"old", b"set", b"", b""),
        (b"old", b"unset", b"", None),
        (b"old", b"get", b"old", b"old"),
        (None, b"get", b"", None),
        (b"old", b"append +1", b"", b"old+1"),
        (None, b"append +1", b"", b"+1"),
        (None, b"count", b"1", b"1"),
        (b"", b"count", b"1", b"1"),
        (b"999", b"count", b"1000", b"1000"),
        (b"18446744073709551614", b"count", b"18446744073709551615", b"18446744073709551615"),
        (b"", b"add -5", b"-5", b"-5"),
        (b"-5", b"add -37\nadd 12", b"-30", b"-30"),
        (b"-5", b"add 5", b"0", b"0"),
        (b"old", b"echo a  b", b"a  b", b"old"),
        (b"old", b"big 70000", b"x" * 70_000, b"old"),
        (b"old", b"big 0", b"", b"old"),
        (b"old", b"defer", None, b"old"),
        (b"old", b"spin 1000", b"", b"old"),
        (b"old", b"err no way", "no way", b"old"),
        (b"old", b"sets", "unknown command", b"old"),
        (b"old", b"se", "unknown command", b"old"),
        (b"old", b"", "unknown command", b"old"),
        (b"a", b"append b\nappend c\nget", b"abc", b"abc"),
        (b"a", b"append b\n", b"", b"ab"),
        (b"a", b"append b\nerr x\nappend c", "x", b"a"),
        (b"a", b"echo b\nset c", b"", b"c"),
    ],
)
def test_probe_does_what_the_message_says(
    probe: Actor, state: bytes | None, message: bytes, reply: object, new_state: bytes | None
) -> None:
    probe.state = state
    assert probe.ask(message) == reply
    assert probe.state == new_state

    probe.state = state
    assert probe.send(message) == (reply if isinstance(reply, str) else None)
    assert probe.state == new_state


def test_probe_talks_to_the_runtime(probe: Actor) -> None:
    probe.host.logged.clear()
    probe.send(b"log hello there")
    assert probe.ask(b"self") == b"pool/me"
    assert probe.ask(b"chain") == b"12"
    probe.send(b"shutdown all done")
    probe.send(b"register")
    assert probe.host.logged == ["hello there", "pool/me", "12"]
    assert probe.host.shutdowns == [b"all done"]
    assert probe.host.registered == 1


def test_probe_sends_and_asks_in_the_order_of_the_command(probe: Actor) -> None:
    probe.send(b"send pool/b set a b")
    assert probe.ask(b"request b request c echo hi") == b"pong"
    assert probe.ask(b"send-request b count") == b"pong"
    assert probe.host.calls == ["send", "request", "send", "request"]
    assert probe.host.sent == [("pool/b", b"set a b"), ("b", b"count")]
    assert probe.host.asked == [("b", b"request c echo hi"), ("b", b"count")]
    probe.host.calls.clear()
    assert probe.ask(b"request-send b count") == b"pong"
    assert probe.host.calls == ["request", "send"]
    assert probe.host.logged == ["started", "pong", "pong", "pong"]


def test_probe_sends_its_state_along(probe: Actor) -> None:
    probe.state = b"9"
    assert probe.ask(b"count\nsend-state b append x\nrequest-state c echo \nget") == b"10"
    probe.said("b:1:2", b"say-state $ x")
    assert probe.host.told == [("say", "b:1:2", b"x10")]
    assert probe.host.sent == [("b", b"append x10")]
    assert probe.host.asked == [("c", b"echo 10")]


def test_probe_answers_later_by_a_message_to_itself(probe: Actor) -> None:
    assert probe.ask(b"set x\npostpone so be it") is None
    assert probe.host.sent == [("pool/me", b"respond request-1 so be it")]


def test_probe_sends_a_body_many_times_and_numbered(probe: Actor) -> None:
    probe.send(b"sends 3 b echo x")
    probe.send(b"series 11 c append ,")
    probe.send(b"sends 0 d never")
    assert probe.host.sent == [
        *[("b", b"echo x")] * 3,
        *[("c", f"append ,{number}".encode()) for number in range(1, 12)],
    ]


def test_probe_carries_on_after_an_error_from_the_host(probe: Actor) -> None:
    probe.host.send_error = "refused: not you"
    probe.host.answer = "timeout: b did not answer"
    assert probe.ask(b"send b hi") == b"err: refused: not you"
    assert probe.ask(b"request b hi") == b"err: timeout: b did not answer"
    assert probe.ask(b"sends 5 b hi\nset after") == b""
    assert probe.state == b"after"
    assert len(probe.host.sent) == 2, "the first error ends the sending"
    assert probe.host.logged[1:] == [
        "err: refused: not you",
        "err: timeout: b did not answer",
        "err: refused: not you",
    ]


@pytest.mark.parametrize(
    "command, cause",
    [
        (b"trap", "unreachable"),
        (b"oob", "out of bounds"),
        (b"deep", "stack"),
        (b"grow", "unreachable"),
        (b"loop", "fuel"),
        (b"spin 1000000000", "fuel"),
        (b"set x\nsend b hi\ntrap", "unreachable"),
    ],
)
def test_probe_dies_as_told(probe: Actor, command: bytes, cause: str) -> None:
    with pytest.raises(wasmtime.WasmtimeError, match=cause):
        probe.send(command)


def test_probe_answers_and_cancels_requests(probe: Actor) -> None:
    probe.host.outstanding = ["a:1:2", "client:7"]
    assert probe.ask(b"outstanding") == b"a:1:2 client:7 "
    assert probe.ask(b"id") == b"request-1"
    assert probe.send(b"respond a:1:2 so be it\ncancel client:7") is None
    assert probe.ask(b"respond $ mine\ndefer") is None
    assert probe.host.told == [
        ("respond", "a:1:2", b"so be it"),
        ("cancel", "client:7"),
        ("respond", "request-1", b"mine"),
    ]
    probe.host.send_error = "refused: no"
    assert probe.ask(b"respond x y") == b"err: refused: no"


def test_probe_speaks_on_channels(probe: Actor) -> None:
    assert probe.ask(b"open b hello there") == b"pool/me:1:2"
    assert probe.opened("b:1:2", b"echo come in") == (True, b"come in")
    assert probe.opened("b:1:3", b"append x") == (True, None)
    assert probe.opened("b:1:4", b"echo no\nrefuse") == (False, None)
    assert probe.opened("b:1:5", b"err away") == "away"
    probe.said("b:1:2", b"say $ and you\nclose $")
    probe.closed("b:1:3")
    assert probe.host.told == [
        ("open", "b", b"hello there"),
        ("say", "b:1:2", b"and you"),
        ("close", "b:1:2"),
    ]
    assert probe.host.logged[-1] == "closed b:1:3"
    assert probe.state == b"x"


def test_probe_runs_a_script_in_init() -> None:
    actor = start("probe")
    assert actor.init(b"init-err no such luck") == "no such luck"
    assert actor.init(b"init-shutdown done") is None
    assert actor.host.shutdowns == [b"done"]
    assert actor.init(b"init-set 41\nsend b hello\ncount") is None
    assert actor.state == b"42"
    assert actor.host.sent == [("b", b"hello")]
    assert actor.init(b"init") is None
    assert actor.state == b"init"
    with pytest.raises(wasmtime.WasmtimeError, match="unreachable"):
        actor.init(b"init-trap")


# ---- the others ----


def test_counter_counts_and_tells() -> None:
    actor = start("counter")
    actor.init()
    assert actor.ask(b"") == b"0"
    for number in range(1, 121):
        assert actor.send(b"anything") is None
        assert actor.state == str(number).encode()
    assert actor.ask(b"how many?") == b"120"
    assert actor.state == b"120", "a request adds nothing"
    actor.state = b"999"
    actor.send(b"")
    assert actor.state == b"1000"


def test_sink_keeps_its_state_and_echoes() -> None:
    actor = start("sink")
    for state in (None, b"", b"kept"):
        actor.init(state)
        assert actor.send(b"x" * 1000) is None
        assert actor.ask(b"hello") == b"hello"
        assert actor.state == state


def test_gate_traps_until_it_is_open() -> None:
    actor = start("gate")
    for state in (None, b"", b"ope", b"shut"):
        actor = start("gate")
        actor.init(state)
        with pytest.raises(wasmtime.WasmtimeError, match="unreachable"):
            actor.send(b"early")
    actor = start("gate")
    actor.init()
    assert actor.ask(b"open:") == b"open:"
    assert actor.send(b"one,") is None
    assert actor.ask(b"open") == b"open:one,open"
    assert actor.state == b"open:one,open"


def test_burst_sends_and_asks_as_often_as_told() -> None:
    actor = start("burst")
    actor.init(b"kept")
    assert actor.send(b"1000 pool/b hello there") is None
    assert actor.host.sent == [("pool/b", b"hello there")] * 1000
    assert actor.ask(b"3 b hi") == b"pong"
    assert actor.host.asked == [("b", b"hi")] * 3
    assert actor.ask(b"0 b hi") == b""
    assert actor.state == b"kept"


def test_burst_stops_at_the_first_error() -> None:
    actor = start("burst")
    actor.init()
    actor.host.send_error = "refused: not you"
    actor.host.answer = "timeout: b did not answer"
    assert actor.send(b"9 b hi") == "refused: not you"
    assert actor.ask(b"9 b hi") == "timeout: b did not answer"
    assert actor.host.calls == ["send", "request"]


def test_ring_passes_on_what_it_takes() -> None:
    actor = start("ring")
    actor.init(b"pool/b")
    for message, times in ((b"1", 1), (b"9 times", 9), (b"0 times", 0), (b"", 0)):
        actor.host.sent.clear()
        assert actor.send(message) is None
        assert actor.host.sent == [("pool/b", message)] * times
        assert actor.state == b"pool/b"
    actor.host.send_error = "refused: not you"
    assert actor.send(b"2") == "refused: not you"


# ---- clock ----


def test_clock_sets_and_clears_what_it_is_told_and_counts_its_ticks() -> None:
    actor = start("clock")
    assert actor.send(b"i 250 the tea\nt 18446744073709551615 x\nc the tea\nr pool/b") is None
    assert actor.host.timed == [
        ("set-interval", "the tea", 250),
        ("set-timeout", "x", (1 << 64) - 1),
        ("clear-interval", "the tea"),
    ]
    assert actor.host.asked == [("pool/b", b"echo on")]
    for name in ("tea", "", "ask pool/c"):
        assert actor.tick(name) is None
    assert actor.state == b"tea,,ask pool/c," and actor.host.asked[1:] == [("pool/c", b"echo on")]
    assert actor.ask(b"") == actor.state and actor.ask(b"n") == b"1700000000123"
    actor.host.now_ms = 0
    assert actor.ask(b"n") == b"0"


def test_clock_tells_what_was_refused() -> None:
    actor = start("clock")
    actor.host.timer_error = "refused: so"
    assert actor.send(b"t 1 x\nt 2 y") == "refused: so"
    assert actor.ask(b"c x") == b"refused: so" and len(actor.host.timed) == 2
    for name in ("trap", "trapped"):
        with pytest.raises(wasmtime.WasmtimeError, match="unreachable"):
            start("clock").tick(name)
    with pytest.raises(wasmtime.WasmtimeError, match="fuel"):
        start("clock").tick("spin")


# ---- what is to be refused ----


@pytest.mark.parametrize(
    "name, cause", [("core-module", "component"), ("bad-syntax", r"expected `\)`")]
)
def test_what_is_no_component_does_not_compile(name: str, cause: str) -> None:
    with pytest.raises(wasmtime.WasmtimeError, match=cause):
        load(COMPONENTS / f"{name}.wat")


@pytest.mark.parametrize(
    "name, imports, exports",
    [
        ("imports-store", ["theater:simple/store"], ["theater:simple/actor"]),
        ("wrong-signature", ["theater:simple/runtime"], ["theater:simple/actor"]),
        ("no-actor", [], ["add"]),
    ],
)
def test_what_theater_refuses_is_a_sound_component(
    name: str, imports: list[str], exports: list[str]
) -> None:
    component = load(COMPONENTS / f"{name}.wat")
    assert list(component.type.imports(engine())) == imports
    assert list(component.type.exports(engine())) == exports
