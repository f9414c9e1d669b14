"""A real JavaScript actor, built by componentize-js with all that it has: it runs, is recorded, and
replays."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.components import javascript_actor
from tests.real.conftest import Theater, actor
from tests.replay.replayed import replayed
from tests.web import HELLO, Web, echo, say
from theater import crashpoints
from theater.client import System
from theater.crashpoints import VARIABLE, Shot
from theater.errors import NotDelivered
from theater.supervisor.cache import Artifact
from theater.worker.wasi import Wasi

HEAD = "[supervisor]\nintensity = 100\nperiod = 1\n"


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return javascript_actor.artifact()


@pytest.fixture(scope="module")
def web() -> Web:
    """A server outside; it is gone before anything is replayed."""
    return Web()


@pytest.fixture(scope="module")
def crash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crash")


@pytest.fixture(scope="module")
def system(
    artifact: Artifact, web: Web, crash: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """One for all tests; what happens in it has to replay at the end."""
    theater = Theater(tmp_path_factory.mktemp("javascript"))
    rule = f'host = "127.0.0.1", port = {web.port}, scheme = "http", methods = ["GET", "POST"]'
    grant = f'[[child.handler]]\ntype = "wasi:http"\nallow = [{{ {rule} }}]\n'
    os.environ[VARIABLE] = str(crash)
    try:
        js = actor("js", artifact.component) + grant
        system = theater.up(js, actor("probe"), head=HEAD)
    finally:
        del os.environ[VARIABLE]
    yield system
    theater.note(system)
    theater.end()
    web.close()
    assert replayed(theater.data)["done"] > 10


def ask(system: System, command: str) -> str:
    return system.request("js", command.encode(), timeout_s=30).decode()


def test_all_of_wasi_that_it_imports_is_there_but_for_incoming_http(artifact: Artifact) -> None:
    wasi = Wasi({}, (), print, print)
    missing = {
        function.rpartition(".")[0]
        for interface, entry in artifact.imports.items()
        if interface.startswith("wasi:")
        for function in set(entry["functions"]) - wasi._interfaces.get(interface, {}).keys()
    }
    assert missing == {
        "[method]incoming-request",
        "[method]outgoing-response",
        "[static]response-outparam",
        "",  # the constructor of a response to be sent
    }


def test_the_console_is_the_log(system: System) -> None:
    ask(system, "print one|two")
    ask(system, "warn three")
    assert system.lines("js") == ["init js", "one", "two", "three"]


def test_time_and_chance_are_real(system: System) -> None:
    assert abs(float(ask(system, "time")) / 1000 - time.time()) < 60
    assert float(ask(system, "monotonic")) < float(ask(system, "monotonic"))
    assert 0 <= float(ask(system, "random")) < 1
    assert ask(system, "random") != ask(system, "random")
    assert len(ask(system, "uuid")) == 36
    assert ask(system, "sleep 20") == "slept"


def test_it_sends_asks_and_is_told_what_went_wrong(system: System) -> None:
    assert ask(system, "self") == "js"
    ask(system, "send probe set there")
    assert ask(system, "request probe get") == "there"
    assert ask(system, 'json {"a": [1, 2.5, null]}') == '{"a":[1,2.5,null]}'


def test_its_state_outlives_its_process_and_its_memory_does_not(system: System) -> None:
    system.send("js", b"json [1]")
    assert ask(system, "state") == "[1]"
    assert int(ask(system, "heard")) > 1
    before = system.actor("js")
    os.kill(before["pid"], signal.SIGKILL)
    system.wait_for(lambda: system.actor("js")["incarnation"] > before["incarnation"], "the next")
    assert ask(system, "state") == "[1]"
    assert ask(system, "heard") == "1"


def test_it_fetches(system: System, web: Web) -> None:
    assert ask(system, f"fetch {web.url}/a?b") == "GET /a?b HTTP/1.1"
    web.answer = say(HELLO)
    assert ask(system, f"post {web.url}/ what it says") == "200 yes hello"
    assert web.requests[-1].startswith(b"POST / HTTP/1.1\r\n")
    assert web.requests[-1].endswith(b"\r\n\r\nwhat it says")
    assert b"\r\nx-from: js\r\n" in web.requests[-1]
    content = bytes(range(32, 127)) * 1000
    web.answer = say(b"HTTP/1.1 200 OK\r\n\r\n" + content)
    assert ask(system, f"fetch {web.url}/").encode() == content
    web.answer = echo


def test_what_it_may_not_fetch_is_an_error_that_it_can_catch(system: System, web: Web) -> None:
    count = len(web.requests)
    assert ask(system, f"caught http://localhost:{web.port}/").startswith("caught ")
    assert ask(system, "caught http://127.0.0.1:1/").startswith("caught ")
    assert len(web.requests) == count


@pytest.mark.parametrize("point", ["worker.world-call", "worker.world-done"])
def test_a_crash_in_the_last_of_several_fetches_loses_none(
    system: System, web: Web, crash: Path, point: str
) -> None:
    count = len(web.requests)
    crashpoints.arm(str(crash), point, Shot(3))
    urls = " ".join(f"{web.url}/{n}" for n in range(3))
    assert ask(system, f"fetches {urls}") == "|".join(f"GET /{n} HTTP/1.1" for n in range(3))
    assert not crashpoints.is_armed(str(crash), point)
    assert len(web.requests) - count == (4 if point == "worker.world-done" else 3)


def test_an_interrupted_post_is_an_error_and_not_sent_again(
    system: System, web: Web, crash: Path
) -> None:
    count = len(web.requests)
    crashpoints.arm(str(crash), "worker.world-done", Shot(1))
    with pytest.raises(NotDelivered, match="failed: js: trap"):
        ask(system, f"post {web.url}/ x")
    assert len(web.requests) - count == 1
    assert ask(system, f"post {web.url}/ y") == "200 null y"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("refuse no tea", "failed: js: err: no tea"),
        ("fail oops", "failed: js: trap: wasm `unreachable` instruction executed"),
    ],
)
def test_what_it_cannot_do_fails_and_life_goes_on(
    system: System, command: str, reason: str
) -> None:
    with pytest.raises(NotDelivered, match=reason):
        ask(system, command)
    assert ask(system, "json 1") == "1"
