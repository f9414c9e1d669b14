"""Packages that spawn what they give themselves: it is there again after all that can happen."""

from __future__ import annotations

import hashlib
import os
import signal

import pytest

from tests.real.conftest import COMPONENTS, Theater
from tests.real.test_broker_dies import kill_broker
from tests.real.test_spawning import PROBE, armed, births, is_down, kill, rows, runs
from tests.real.test_waits import (
    LIST,
    NONE,
    RESUME,
    SPAWN,
    answered,
    begin,
    boss,
    call,
    is_told,
    told,
    wait,
)
from tests.waiting import eventually
from theater.client import System
from theater.crashpoints import Shot, arm
from theater.pack.codec import encode
from theater.pack.types import BYTES, STRING
from theater.pack.values import List, Option

ECHO, PACK_PROBE, COUNTER = (
    (COMPONENTS / f"{name}.wat").read_bytes() for name in ("pack-echo", "pack-probe", "counter")
)
CHILD = "boss/given"


@pytest.fixture
def home(theater: Theater) -> Theater:
    """Its manifests name no component, or one that is not there."""
    more = '[[handler]]\ntype = "store"\n[[handler]]\ntype = "timer"\n[[handler]]\n'
    texts = {
        "echo": 'name = "given"\n',
        "probe": f'name = "given"\nrestart = "transient"\n{PROBE}{more}type = "supervisor"\n',
        "gone": 'name = "given"\npackage = "gone.wasm"\n',
    }
    for name, text in texts.items():
        (theater.directory / f"{name}.toml").write_text(text)
    return theater


def given(code: bytes) -> Option:
    return Option(BYTES.wire, code)


def spawn(code: bytes, manifest: str = "echo.toml") -> bytes:
    return call(SPAWN, manifest, NONE, given(code))


def kept(home: Theater) -> set[str]:
    return set(os.listdir(home.data / "components"))


def hash(code: bytes) -> str:
    return hashlib.sha256(code).hexdigest()


def test_what_is_given_outlives_everybody(home: Theater) -> None:
    system = home.up(boss())
    assert told(system, spawn(ECHO)) == ("ok", CHILD)
    assert system.request(CHILD, b"hello") == b"hello"
    assert told(system, spawn(ECHO, "gone.toml")) == ("ok", "boss/given-2")
    assert hash(ECHO) in kept(home)
    kill(system, CHILD)
    kill_broker(system)
    kill(system, "boss")
    home.note(system)
    assert system.request(CHILD, b"again") == b"again"
    system.send(CHILD, b"kept")
    eventually(lambda: system.log.state(CHILD) == encode(b"kept"), "it to be kept")
    system.close()
    for name in ("echo", "gone"):
        (home.directory / f"{name}.toml").unlink()
    system = home.up()
    runs(system, CHILD, "boss/given-2")
    assert system.request(CHILD, b"later") == b"later"
    assert system.log.state(CHILD) == encode(b"kept")
    assert system.actor(CHILD)["incarnation"] > 1


def test_a_component_is_given_as_a_package_is(home: Theater) -> None:
    system = home.up(boss())
    message = call(RESUME, "echo.toml", Option(BYTES.wire, b"41"), given(COUNTER))
    assert told(system, message) == ("ok", CHILD)
    system.send(CHILD, b"x")
    eventually(lambda: system.log.state(CHILD) == b"42", "it to be counted")


def test_one_that_is_given_is_waited_for(home: Theater) -> None:
    more = "".join(f'[[child.handler]]\ntype = "{each}"\n' for each in ("store", "timer"))
    system = home.up(boss(more))
    begin(system, wait("probe.toml", code=PACK_PROBE), CHILD)
    system.send(CHILD, b"d the end")
    is_told(system, ("ok", b"the end"))
    assert answered(system) == ("ok", b"the end")


def test_bytes_that_cannot_be_run_are_refused_and_not_kept(home: Theater) -> None:
    system = home.up(boss())
    codes = [b"", b"\0asm", b"\0asm\1\0\0\0", b"(module", os.urandom(100_000), b"\x7fELF" * 1000]
    for code in codes:
        kind, text = told(system, spawn(code))
        assert kind == "err" and text.startswith("refused: echo.toml: wasm-bytes:"), code[:20]
        assert str(home.directory) not in text
    assert told(system, call(LIST)) == ("ok", List(STRING.wire, ()))
    system.close()
    system = home.up()
    assert not {hash(code) for code in codes} & {*kept(home)}


IN_BIRTH = ["root.birth-asked", "root.birth-judged", "root.birth-added", "zygote.forked"]


@pytest.mark.parametrize("point", IN_BIRTH)
def test_a_birth_in_which_all_dies_is_one_birth(
    home: Theater, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = armed(home, monkeypatch)
    system = home.up(boss())
    arm(crash, point, Shot(pids=(system.info()["pid"],)))
    system.send("boss", spawn(ECHO))
    eventually(lambda: is_down(system), "the system to die")
    system.close()
    system = home.up()
    eventually(lambda: answered(system) == ("ok", CHILD), "the child to be born")
    assert births(home) == [CHILD]
    assert system.request(CHILD, b"hello") == b"hello"


def test_what_is_done_by_what_was_given_can_be_done_again(home: Theater) -> None:
    """The log names it by its hash, also when the child is gone."""
    system = home.up(boss())
    told(system, spawn(ECHO))
    assert system.request(CHILD, b"hello") == b"hello"
    os.kill(pid(system), signal.SIGKILL)
    system.stop(CHILD)
    system.delete_child(CHILD)
    system.close()
    home.up()
    assert hash(ECHO) in kept(home)


def pid(system: System) -> int:
    return int(str(rows(system)[CHILD]["pid"]))
