"""Packages that call what others export (`theater:simple/rpc`): answers, refusals, and deaths."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import pytest
import zmq

from tests.real.conftest import Theater, actor, gone, processes
from tests.real.test_broker_dies import kill_broker
from tests.waiting import eventually
from theater.client import System
from theater.errors import TheaterError
from theater.pack.codec import decode, encode
from theater.pack.types import STRING
from theater.pack.values import U32, U64, List, Option, Record, Result, Value, Variant, ok

CALC = "test:calc/calc"
RPC = '\n[[child.handler]]\ntype = "rpc"\n'


def calculator(name: str, settings: str = "", extra: str = "", message_server: str = "") -> str:
    return actor(name, "pack-rpc.wat", extra=extra) + message_server + RPC + settings


def options(timeout_ms: int | None) -> Value:
    """As upstream's guests give them."""
    wanted = Option(b"\x04", None if timeout_ms is None else U64(timeout_ms))
    record = Record("call-options", (("timeout-ms", wanted),))
    return Option(b"\x0d", None if timeout_ms is None else record)


def call(to: str, function: str, params: Value = (), timeout_ms: int | None = None) -> bytes:
    """The message that has it call."""
    return b"0" + encode((to, function, params, options(timeout_ms)))


def answer(system: System, message: bytes, name: str = "a") -> Value:
    """What it was answered: `ok` or `err`, in a variant, in an ok."""
    said = decode(system.request(name, message))
    assert isinstance(said, Result) and said == ok(said.item), said
    variant = said.item
    assert isinstance(variant, Variant) and variant.name == "result"
    assert (variant.case, variant.tag) in (("ok", 0), ("err", 1))
    return variant


def told(system: System, message: bytes, name: str = "a") -> Value:
    variant = answer(system, message, name)
    assert isinstance(variant, Variant) and variant.case == "ok", variant
    return variant.payload[0]


def refused(system: System, message: bytes, name: str = "a") -> str:
    variant = answer(system, message, name)
    assert isinstance(variant, Variant) and variant.case == "err", variant
    (text,) = variant.payload
    assert isinstance(text, str)
    return text


def test_a_package_calls_what_another_exports(theater: Theater) -> None:
    system = theater.up(calculator("a"), calculator("b", extra='initial_state = "first"\n'))
    assert told(system, call("b", f"{CALC}.echo", U32(5))) == U32(5)
    assert told(system, call("b", f"{CALC}.echo", (U32(5), "x"))) == (U32(5), "x")
    assert told(system, call("b", f"{CALC}.echo")) == ()
    # The function of another interface that is called as one of Theater's.
    assert told(system, call("b", f"{CALC}.handle-send", "x")) == "x"
    assert told(system, call("b", f"{CALC}.swap", U32(1))) == "first"
    assert told(system, call("b", f"{CALC}.swap", "last", timeout_ms=20_000)) == U32(1)
    assert system.log.state("b") == encode("last")
    # What does not fit into an event.
    large = bytes(range(256)) * 1000
    assert told(system, call("b", f"{CALC}.swap", large)) == "last"
    assert told(system, call("b", f"{CALC}.swap", ())) == large


def test_what_another_exports_can_be_asked(theater: Theater) -> None:
    system = theater.up(calculator("a"), calculator("b"), actor("c"))
    exports = (CALC, "theater:simple/actor", "theater:simple/message-server-client")
    assert told(system, b"2" + encode("b")) == List(STRING.wire, exports)
    assert told(system, b"1" + encode(("b", CALC))) is True
    assert told(system, b"1" + encode(("b", "test:calc/other"))) is False
    assert told(system, b"1" + encode(("c", "theater:simple/message-server-client"))) is True
    assert refused(system, b"1" + encode(("nobody", CALC))).startswith("no-actor: ")
    system.stop("b")
    assert told(system, b"1" + encode(("b", CALC))) is True


def test_what_cannot_be_called_is_told_and_harms_nobody(theater: Theater) -> None:
    system = theater.up(calculator("a"), calculator("b"), actor("c"))
    echo = f"{CALC}.echo"
    for message, words in (
        (call("nobody", echo), 'no-actor: there is no actor "nobody"'),
        (call("NO", echo), 'no-actor: "NO" is not an address'),
        (call("c", echo), "refused: c is no package that exports functions for other actors"),
        (call("b", f"{CALC}.other"), f'refused: b does not export "{CALC}.other"'),
        (call("b", "theater:simple/actor.init"), "refused: b does not export"),
        (call("b", "theater:simple/message-server-client.handle-request"), "refused: b does not"),
        (call("b", f"{CALC}.refuse"), f"refused: '{CALC}.refuse' could not take the call: missing"),
        (call("a", echo), "cycle: a → a"),
        (call("b", f"{CALC}.forward", call("a", echo)), None),
    ):
        if words is None:
            said = told(system, message)
            assert isinstance(said, bytes)
            assert decode(said) == ok(Variant("result", "err", 1, ("cycle: b → a → b",)))
        else:
            assert refused(system, message).startswith(words)
    system.stop("b")
    assert refused(system, call("b", echo)).startswith("stopped: b is stopped")
    rows = {row["actor"]: row["incarnation"] for row in system.info()["actors"]}
    assert rows == {"a": 1, "b": 1, "c": 1}


def test_options_that_are_none_fail_the_turn(theater: Theater) -> None:
    system = theater.up(calculator("a"))
    with pytest.raises(Exception, match="options of a call are a record, not 5"):
        system.request("a", b"0" + encode(("a", f"{CALC}.echo", (), U32(5))))


def test_send_to_says_who_may_be_called(theater: Theater) -> None:
    both = '[[child.handler]]\ntype = "message-server"\nsend_to = ["b"]\n'
    grants = actor("a", "pack-rpc.wat", handlers=False) + both + RPC
    own = actor("d", "pack-rpc.wat", handlers=False) + both + RPC + 'send_to = ["c"]\n'
    system = theater.up(grants, calculator("b"), calculator("c"), own)
    echo = f"{CALC}.echo"
    assert told(system, call("b", echo)) == ()
    text = "refused: send_to in the manifest of a does not grant c"
    assert refused(system, call("c", echo)) == text
    assert refused(system, b"1" + encode(("c", CALC))) == text
    assert told(system, call("c", echo), name="d") == ()
    assert refused(system, call("b", echo), name="d").startswith("refused: send_to in")


def test_a_call_that_fails_is_a_dead_letter_and_an_error(theater: Theater) -> None:
    extra = "[child.limits]\nfuel = 20_000_000\n"
    system = theater.up(
        calculator("a"), calculator("b", extra=extra), head="[supervisor]\nintensity = 20\n"
    )
    assert told(system, call("b", f"{CALC}.swap", "kept")) == Option(b"\x07\x0c", None)
    for function, words in (("fail", "err: not today"), ("spin", "fuel: "), ("lie", "err: Return")):
        assert refused(system, call("b", f"{CALC}.{function}")).startswith(f"failed: b: {words}")
    kinds = system.log.query(
        "SELECT m.kind FROM dead_letters d JOIN messages m ON m.id = d.message"
    )
    assert kinds == [("rpc",)] * 3
    assert told(system, call("b", f"{CALC}.swap", "")) == "kept"


def test_what_is_too_deep_to_be_given_to_another_harms_nobody(theater: Theater) -> None:
    system = theater.up(calculator("a"), calculator("b"))
    value: Value = U32(1)
    for _ in range(490):
        value = Option(b"\x0d", value)
    for function in ("echo", "old", "swap"):
        message = call("b", f"{CALC}.{function}", value)
        assert "is nested more than 480 deep" in refused(system, message)
    assert told(system, call("b", f"{CALC}.echo", "x")) == "x"
    assert all(row["restarts"] == 0 for row in system.info()["actors"])


@pytest.mark.parametrize("component", ["pack-echo.wat", "probe.wat"])
def test_calls_that_wait_while_what_they_call_goes_away_are_told(
    theater: Theater, component: str
) -> None:
    callers = [calculator(f"c{number}") for number in range(5)]
    system = theater.up(calculator("b"), *callers)
    held = system.actor("b")["pid"]
    os.kill(held, signal.SIGSTOP)
    answers: list[str] = []

    def ask(name: str) -> None:
        client = System(str(theater.data))
        answers.append(refused(client, call("b", f"{CALC}.echo", timeout_ms=60_000), name))
        client.close()

    asking = [threading.Thread(target=ask, args=(f"c{number}",)) for number in range(5)]
    for each in asking:
        each.start()
    waiting = "SELECT count(*) FROM asks WHERE status = 'open' AND kind = 'call'"
    eventually(lambda: system.log.query(waiting) == [(5,)], "all to have called")
    theater.write(actor("b", component), *callers)
    system.reload()
    os.kill(held, signal.SIGKILL)
    for each in asking:
        each.join(30)
    assert answers == [f"refused: what runs now does not export {CALC}.echo"] * 5
    assert system.dead_letters() == []
    theater.note(system)


def test_a_call_waits_as_long_as_it_says(theater: Theater) -> None:
    limits = "[child.limits]\nturn_timeout = 60\nfuel = 1_000_000_000_000\n"
    system = theater.up(calculator("a"), calculator("b", extra=limits))
    text = "timeout: no answer from b within 0.2 s"
    assert refused(system, call("b", f"{CALC}.spin", timeout_ms=200)) == text
    assert refused(system, call("b", f"{CALC}.echo", timeout_ms=0)).startswith("timeout: ")


class Asking:
    """Someone who has asked, and been answered or not. Returns when the call is committed."""

    def __init__(self, system: System, message: bytes) -> None:
        self.answer: Value | None = None
        self._system = system
        self._thread = threading.Thread(target=self._ask, args=(message,))
        self._thread.start()
        eventually(self.is_open, "it to have called")

    def is_open(self) -> bool:
        sql = "SELECT 1 FROM asks WHERE status = 'open' AND kind = 'call'"
        return bool(self._system.log.query(sql))

    def _ask(self, message: bytes) -> None:
        with contextlib.suppress(TheaterError, zmq.ZMQError):  # the system goes down meanwhile
            self.answer = told(self._system, message)

    def end(self) -> Value | None:
        self._thread.join(30)
        return self.answer


@pytest.mark.parametrize("dies", [("a",), ("b",), ("a", "b"), ("b", "a"), ()], ids=str)
def test_a_call_is_done_once_whoever_dies(theater: Theater, dies: tuple[str, ...]) -> None:
    system = theater.up(calculator("a"), calculator("b"))
    told(system, call("b", f"{CALC}.swap", U32(0)))
    pids = {name: system.actor(name)["pid"] for name in ("a", "b")}
    os.kill(pids["b"], signal.SIGSTOP)
    asking = Asking(system, call("b", f"{CALC}.swap", U32(1), timeout_ms=60_000))
    for name in dies:
        os.kill(pids[name], signal.SIGKILL)
    if not dies:
        kill_broker(system)
    if "b" not in dies:
        os.kill(pids["b"], signal.SIGCONT)
    assert asking.end() == U32(0)
    assert told(system, call("b", f"{CALC}.swap", ())) == U32(1)
    theater.note(system)


def test_a_call_goes_on_when_the_system_does(theater: Theater) -> None:
    system = theater.up(calculator("a"), calculator("b"))
    told(system, call("b", f"{CALC}.swap", "before"))
    os.kill(system.actor("b")["pid"], signal.SIGSTOP)
    asking = Asking(system, call("b", f"{CALC}.swap", "after", timeout_ms=60_000))
    everybody = processes(system)
    os.kill(system.info()["pid"], signal.SIGKILL)
    eventually(lambda: gone(everybody), "everything to die with root")
    system = theater.up()
    asking.end()  # whoever has asked says it again, to the next one
    sql = "SELECT 1 FROM asks WHERE status = 'open'"
    eventually(lambda: not system.log.query(sql), "it to be answered")
    assert told(system, call("b", f"{CALC}.swap", ())) == "after"
