"""A real Python actor, built by componentize-py, on our WASI."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.components import python_actor
from theater.engine import make_engine
from theater.supervisor.cache import Artifact, open_verified
from theater.worker.failure import GuestFailure
from theater.worker.instance import Instance
from theater.worker.wasi import Wasi, WasiExit

FUEL = 10_000_000_000
MIB = 1024 * 1024
CLIENT = "theater:simple/message-server-client"


class Host:
    """What a worker has around an instance, without the worker."""

    def __init__(self, **wasi: Any) -> None:
        self.lines: list[tuple[str, str]] = []
        self.calls: list[tuple[str, str]] = []
        self.sent: list[list[Any]] = []
        self.wasi = Wasi(
            {"LANG": "C", "MOOD": "fine"},
            ("actor", "--loud"),
            lambda line: self.lines.append(("out", line)),
            lambda line: self.lines.append(("err", line)),
            **wasi,
        )

    def call(self, interface: str, function: str, args: list[Any]) -> Any:
        self.calls.append((interface, function))
        if self.wasi.handles(interface):
            return self.wasi.call(interface, function, args)
        if function == "send":
            self.sent.append(args)
            return {"ok": None}
        assert function == "self"
        return "pool/me"

    def drop(self, interface: str, resource: str, rep: int) -> None:
        self.wasi.drop(interface, resource, rep)


class Actor:
    def __init__(self, artifact: Artifact, host: Host, memory_bytes: int = 128 * MIB) -> None:
        self.host = host
        fd = open_verified(artifact)
        try:
            self.instance = Instance(
                f"/proc/self/fd/{fd}", host, memory_bytes=memory_bytes, engine=make_engine()
            )
        finally:
            os.close(fd)

    def init(self) -> tuple[Any, int]:
        return self.instance.call("theater:simple/actor", "init", [b"state", ["me"]], FUEL)

    def ask(self, command: str, fuel: int = FUEL) -> str:
        answer, _ = self.instance.call(
            CLIENT, "handle-request", [b"state", ["r1", command.encode()]], fuel
        )
        self.host.wasi.flush()
        assert answer["ok"][0] == b"state"
        return str(answer["ok"][1][0].decode())


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return python_actor.artifact()


Starter = Callable[..., Actor]


@pytest.fixture
def start(artifact: Artifact) -> Iterator[Starter]:
    with contextlib.ExitStack() as stack:

        def starter(memory_bytes: int = 128 * MIB, **wasi: Any) -> Actor:
            actor = Actor(artifact, Host(**wasi), memory_bytes)
            stack.callback(actor.instance.close)
            return actor

        yield starter


@pytest.fixture(scope="module")
def shared(artifact: Artifact) -> Actor:
    """One for the tests that leave it as it was."""
    return Actor(artifact, Host())


def test_it_imports_wasi_in_versions_and_is_described_without_them(artifact: Artifact) -> None:
    assert artifact.imports["wasi:io/streams"]["version"].startswith("0.2.")
    assert artifact.exports[CLIENT]["functions"]["handle-send"] == (
        "func(state: option<list<u8>>, params: tuple<list<u8>>) "
        "-> result<tuple<option<list<u8>>>, string>"
    )


def test_every_wasi_function_it_imports_is_provided(artifact: Artifact) -> None:
    wasi = Wasi({}, (), print, print)
    imported = {
        (interface, function)
        for interface, entry in artifact.imports.items()
        # Of wasi:http it imports what servers need too: see test_wasi_http.
        if interface.startswith("wasi:") and not interface.startswith("wasi:http/")
        for function in entry["functions"]
    }
    provided = {
        (interface, function)
        for interface, functions in wasi._interfaces.items()
        for function in functions
    }
    assert len(imported) > 90
    assert imported - provided == set()


def test_init_and_messages_carry_state_and_bytes(start: Starter) -> None:
    actor = start()
    assert actor.init()[0] == {"ok": [b"state"]}
    assert actor.host.lines == [("out", "init me")]
    message = bytes(range(256))
    answer, _ = actor.instance.call(CLIENT, "handle-send", [None, [message]], FUEL)
    assert answer == {"ok": [message]}
    actor.instance.call(CLIENT, "handle-send", [b"S", [b"to pool/x"]], FUEL)
    assert actor.host.sent == [["pool/x", b"S"]]
    assert actor.ask("self") == "pool/me"


def test_what_it_prints_becomes_lines(start: Starter) -> None:
    actor = start()
    actor.ask("print one|two|thr")
    actor.ask("warn oops")
    assert actor.host.lines == [("out", "one"), ("out", "two"), ("out", "thr"), ("err", "oops")]


def test_time_is_the_one_it_is_given(start: Starter) -> None:
    actor = start(wall_ns=lambda: 12_500_000_000, monotonic_ns=lambda: 3_000_000_000)
    assert actor.ask("time") == "12.5"
    assert actor.ask("monotonic") == "3.0"


def test_sleeping_sleeps_in_the_host(start: Starter) -> None:
    now_ns = 0
    slept = []

    def sleep(seconds: float) -> None:
        nonlocal now_ns
        slept.append(seconds)
        now_ns += round(seconds * 1e9)

    actor = start(monotonic_ns=lambda: now_ns, sleep_s=sleep)
    began_s = time.monotonic()
    actor.ask("sleep 3600")
    assert time.monotonic() - began_s < 30
    assert sum(slept) == pytest.approx(3600)


def test_randomness_is_the_one_it_is_given(start: Starter) -> None:
    actor = start(random_bytes=lambda count: b"\x07" * count)
    assert actor.ask("urandom 4") == "07070707"
    assert actor.ask("random") == actor.ask("random")


def test_environment_arguments_and_stdin(shared: Actor) -> None:
    assert shared.ask("environment MOOD") == "fine"
    assert shared.ask("environment HOME") == "None"
    assert shared.ask("arguments") == "['actor', '--loud']"
    assert shared.ask("stdin") == ""


def test_an_err_is_an_answer(shared: Actor) -> None:
    answer, _ = shared.instance.call(CLIENT, "handle-request", [None, ["r", b"refuse no"]], FUEL)
    assert answer == {"err": "no"}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("list /", "FileNotFoundError: [Errno 44] No such file or directory: '/'"),
        ("read /etc/passwd", "FileNotFoundError: [Errno 44] No such file or directory"),
        ("resolve example.org", "PermissionError"),
        ("socket", "PermissionError"),
        ("fail hard", "ValueError: hard"),
    ],
)
def test_what_is_not_granted_fails_in_python_and_traps(
    start: Starter, command: str, said: str
) -> None:
    actor = start()
    with pytest.raises(GuestFailure) as caught:
        actor.ask(command)
    actor.host.wasi.flush()
    assert caught.value.kind == "trap"
    assert any("componentize_py_runtime" in frame for frame in caught.value.backtrace)
    assert any(said in line for _, line in actor.host.lines)


def test_exit_comes_out_as_wasi_exit(start: Starter) -> None:
    with pytest.raises(WasiExit) as caught:
        start().ask("exit 3")
    assert caught.value.status == 1  # WASI 0.2 knows success and failure
    with pytest.raises(WasiExit) as caught:
        start().ask("exit 0")
    assert caught.value.status == 0


def test_a_loop_without_end_runs_out_of_fuel(start: Starter) -> None:
    with pytest.raises(GuestFailure) as caught:
        start().ask("spin", fuel=20_000_000)
    assert caught.value.kind == "fuel"
    assert caught.value.backtrace


def test_memory_ends_at_the_limit(start: Starter) -> None:
    assert start().ask("eat 50") == str(50 * MIB)
    actor = start(memory_bytes=64 * MIB)
    with pytest.raises(GuestFailure):
        actor.ask("eat 60")
    actor.host.wasi.flush()
    assert any("MemoryError" in line for _, line in actor.host.lines)


def test_two_fresh_instances_burn_the_same_and_ask_the_same(start: Starter) -> None:
    def run() -> tuple[Any, ...]:
        actor = start(
            wall_ns=lambda: 5, monotonic_ns=lambda: 5, random_bytes=lambda count: b"r" * count
        )
        used = [actor.init()[1]]
        for number in range(20):
            state = b"%d" % number
            used.append(actor.instance.call(CLIENT, "handle-send", [state, [b"m"]], FUEL)[1])
        return used, actor.host.calls, actor.instance.fuel_used

    assert run() == run()


def test_a_thousand_printed_lines_leave_no_resource_behind(start: Starter) -> None:
    actor = start()
    actor.ask("print x|")
    before = len(actor.host.wasi.resources)
    for _ in range(1000):
        actor.ask("print x|")
    assert len(actor.host.wasi.resources) == before
    assert len(actor.host.lines) == 1001
