"""The components that other tests run, each held to what tests/components/README.md says of it.

They are driven with wasmtime alone and a host made of Python lists: nothing of Theater is in
between, so that a failure here is a failure of the component.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from wasmtime import component as wc

COMPONENTS = Path(__file__).parent / "components"
ACTORS = ["probe", "counter", "sink", "burst", "minimal"]
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.consume_fuel = True
    return wasmtime.Engine(config)


@functools.cache
def load(engine: wasmtime.Engine, name: str) -> wc.Component:
    return wc.Component(engine, (COMPONENTS / f"{name}.wat").read_text())


@dataclass
class Host:
    """What the component asked for, in order, and what it gets for an answer."""

    logged: list[str] = field(default_factory=list)
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    shutdowns: list[bytes | None] = field(default_factory=list)
    registered: int = 0
    calls: list[str] = field(default_factory=list)
    send_error: str | None = None
    answer: bytes | str = b"pong"  # a string is an Err

    def functions(self) -> dict[str, dict[str, Callable[..., Any]]]:
        return {
            "theater:simple/runtime": {
                "log": self._log,
                "self": lambda _store: "pool/me",
                "get-chain": self._get_chain,
                "shutdown": lambda _store, data: self.shutdowns.append(data),
            },
            "theater:simple/message-server-host": {
                "register": self._register,
                "send": self._send,
                "request": self._request,
            },
        }

    def _log(self, _store: object, text: str) -> None:
        self.logged.append(text)

    def _register(self, _store: object) -> None:
        self.registered += 1

    def _get_chain(self, _store: object) -> wc.Record:
        chain = wc.Record()
        chain.events = []  # type: ignore[attr-defined]  # a record has the fields it is given
        for number in range(12):
            event = wc.Record()
            vars(event).update(
                {"hash": b"h", "parent-hash": None, "event-type": f"e{number}", "data": b""}
            )
            chain.events.append(event)  # type: ignore[attr-defined]
        return chain

    def _send(self, _store: object, to: str, message: bytes) -> str | None:
        self.calls.append("send")
        self.sent.append((to, message))
        return self.send_error

    def _request(self, _store: object, to: str, message: bytes) -> bytes | str:
        self.calls.append("request")
        self.asked.append((to, message))
        return self.answer


class Actor:
    """One instance, its state, and its host."""

    def __init__(self, engine: wasmtime.Engine, name: str, *, memory_bytes: int = MEBIBYTE) -> None:
        self.host = Host()
        self.state: bytes | None = None
        self._store = wasmtime.Store(engine)
        self._store.set_limits(memory_size=memory_bytes)
        self._store.set_fuel(10**9)
        component = load(engine, name)
        linker = wc.Linker(engine)
        with linker.root() as root:
            for interface, functions in self.host.functions().items():
                with root.add_instance(interface) as instance:
                    for function, implementation in functions.items():
                        instance.add_func(function, implementation)
        self._instance = linker.instantiate(self._store, component)

    def _call(self, interface: str, function: str, params: tuple[Any, ...]) -> Any:
        index = self._instance.get_export_index(self._store, f"theater:simple/{interface}")
        assert index is not None
        index = self._instance.get_export_index(self._store, function, index)
        assert index is not None
        called = self._instance.get_func(self._store, index)
        assert called is not None
        result = called(self._store, self.state, params)
        called.post_return(self._store)
        if isinstance(result, tuple):
            self.state = result[0]
        return result

    def init(self, state: bytes | None = None) -> str | None:
        """The text of the Err, if any."""
        self.state = state
        result = self._call("actor", "init", ("pool/me",))
        return result if isinstance(result, str) else None

    def send(self, message: bytes) -> str | None:
        """The text of the Err, if any."""
        result = self._call("message-server-client", "handle-send", (message,))
        return result if isinstance(result, str) else None

    def ask(self, message: bytes) -> Any:
        """The reply (None: later), or the text of the Err as a string."""
        result = self._call("message-server-client", "handle-request", ("pool/me-1-0", message))
        return result if isinstance(result, str) else result[1][0]


@pytest.fixture
def probe(engine: wasmtime.Engine) -> Actor:
    actor = Actor(engine, "probe")
    assert actor.init() is None
    return actor


# ---- every actor ----


@pytest.mark.parametrize("name", ACTORS)
@pytest.mark.parametrize("state", [None, b"", b"\x00\xff", b"7" * 100_000])
def test_init_keeps_the_state_it_is_given(
    engine: wasmtime.Engine, name: str, state: bytes | None
) -> None:
    actor = Actor(engine, name)
    assert actor.init(state) is None
    assert actor.state == (b"" if name == "probe" and state is None else state)


@pytest.mark.parametrize(
    "name, message",
    [
        ("probe", b"set " + b"x" * 1000),
        ("counter", b"x" * 1000),
        ("sink", b"x" * 1000),
        ("burst", b"2 b " + b"x" * 1000),
    ],
)
def test_many_messages_need_no_more_memory_than_one(
    engine: wasmtime.Engine, name: str, message: bytes
) -> None:
    actor = Actor(engine, name, memory_bytes=64 * 1024)
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


def test_probe_runs_a_script_in_init(engine: wasmtime.Engine) -> None:
    actor = Actor(engine, "probe")
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


def test_counter_counts_and_tells(engine: wasmtime.Engine) -> None:
    actor = Actor(engine, "counter")
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


def test_sink_keeps_its_state_and_echoes(engine: wasmtime.Engine) -> None:
    actor = Actor(engine, "sink")
    for state in (None, b"", b"kept"):
        actor.init(state)
        assert actor.send(b"x" * 1000) is None
        assert actor.ask(b"hello") == b"hello"
        assert actor.state == state


def test_burst_sends_and_asks_as_often_as_told(engine: wasmtime.Engine) -> None:
    actor = Actor(engine, "burst")
    actor.init(b"kept")
    assert actor.send(b"1000 pool/b hello there") is None
    assert actor.host.sent == [("pool/b", b"hello there")] * 1000
    assert actor.ask(b"3 b hi") == b"pong"
    assert actor.host.asked == [("b", b"hi")] * 3
    assert actor.ask(b"0 b hi") == b""
    assert actor.state == b"kept"


def test_burst_stops_at_the_first_error(engine: wasmtime.Engine) -> None:
    actor = Actor(engine, "burst")
    actor.init()
    actor.host.send_error = "refused: not you"
    actor.host.answer = "timeout: b did not answer"
    assert actor.send(b"9 b hi") == "refused: not you"
    assert actor.ask(b"9 b hi") == "timeout: b did not answer"
    assert actor.host.calls == ["send", "request"]


# ---- what is to be refused ----


@pytest.mark.parametrize(
    "name, cause", [("core-module", "component"), ("bad-syntax", r"expected `\)`")]
)
def test_what_is_no_component_does_not_compile(
    engine: wasmtime.Engine, name: str, cause: str
) -> None:
    with pytest.raises(wasmtime.WasmtimeError, match=cause):
        load(engine, name)


@pytest.mark.parametrize(
    "name, imports, exports",
    [
        ("imports-store", ["theater:simple/store"], ["theater:simple/actor"]),
        ("wrong-signature", ["theater:simple/runtime"], ["theater:simple/actor"]),
        ("no-actor", [], ["add"]),
    ],
)
def test_what_theater_refuses_is_a_sound_component(
    engine: wasmtime.Engine, name: str, imports: list[str], exports: list[str]
) -> None:
    component = load(engine, name)
    assert list(component.type.imports(engine)) == imports
    assert list(component.type.exports(engine)) == exports
