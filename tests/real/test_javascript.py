"""A real JavaScript actor, built by componentize-js with all that it has: it runs, is recorded, and
replays."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.components import javascript_actor
from tests.real.conftest import Theater, actor
from tests.replay.replayed import replayed
from theater.client import System
from theater.errors import NotDelivered
from theater.supervisor.cache import Artifact
from theater.worker.wasi import Wasi

HEAD = "[supervisor]\nintensity = 100\nperiod = 1\n"


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return javascript_actor.artifact()


@pytest.fixture(scope="module")
def system(artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One for all tests; what happens in it has to replay at the end."""
    theater = Theater(tmp_path_factory.mktemp("javascript"))
    system = theater.up(actor("js", artifact.component), actor("probe"), head=HEAD)
    yield system
    theater.note(system)
    theater.end()
    assert replayed(theater.data)["done"] > 10


def ask(system: System, command: str) -> str:
    return system.request("js", command.encode(), timeout_s=30).decode()


def test_all_of_wasi_that_it_imports_is_there_but_for_http(artifact: Artifact) -> None:
    wasi = Wasi({}, (), print, print)
    missing = {
        interface
        for interface, entry in artifact.imports.items()
        if interface.startswith("wasi:")
        and not set(entry["functions"]) <= wasi._interfaces.get(interface, {}).keys()
    }
    assert missing == {"wasi:http/types", "wasi:http/outgoing-handler"}


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


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("refuse no tea", "failed: js: err: no tea"),
        ("fail oops", "failed: js: trap: wasm `unreachable` instruction executed"),
        ("fetch http://x.example", r"failed: js: trap: wasi:http/.*: HTTP is not available"),
    ],
)
def test_what_it_cannot_do_fails_and_life_goes_on(
    system: System, command: str, reason: str
) -> None:
    with pytest.raises(NotDelivered, match=reason):
        ask(system, command)
    assert ask(system, "json 1") == "1"
