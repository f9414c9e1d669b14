"""Packages of Pack's as actors: beside components, through deaths, and again in a replay."""

from __future__ import annotations

import shutil
from functools import partial

from tests.real.conftest import COMPONENTS, Theater, actor, kill_everything, kill_worker
from tests.real.test_broker_dies import kill_broker
from tests.waiting import eventually
from theater.client import System
from theater.pack.codec import encode

PROBE = "pack-probe.wat"
MORE = "".join(
    f'\n[[child.handler]]\ntype = "{each}"\n' for each in ("store", "timer", "supervisor")
)


def package(name: str = "p", extra: str = "") -> str:
    return actor(name, PROBE, extra=extra) + MORE


def state(system: System, name: str = "p") -> bytes | None:
    return system.log.state(name)


def test_a_package_and_a_component_send_to_and_ask_each_other(theater: Theater) -> None:
    system = theater.up(package(), actor("c"))
    assert system.request("p", b"g") == b""
    assert system.request("p", b"r c echo hello") == b"hello"
    assert system.request("c", b"request p a 123") == b"123"
    system.send("p", b"s c set from the package")
    eventually(lambda: state(system, "c") == b"from the package", "it to come")
    system.send("c", b"send p a ,456")
    eventually(lambda: state(system) == encode(b"123,456"), "it to come")
    assert system.request("p", b"r nobody x").startswith(b'no-actor: there is no actor "nobody"')
    assert system.request("p", b"m") == b"p"
    assert system.request("p", b"r p x") == "cycle: p → p".encode()


def test_its_state_outlives_worker_and_system(theater: Theater) -> None:
    system = theater.up(package(extra='initial_state = "begun"\n'))
    assert system.request("p", b"a ,1") == b"begun,1"
    kill_worker(system, "p")
    assert system.request("p", b"a ,2") == b"begun,1,2"
    kill_everything(system)
    system = theater.up()
    assert system.request("p", b"a ,3") == b"begun,1,2,3"
    assert state(system) == encode(b"begun,1,2,3")


def test_its_stores_and_timers_are_those_of_components(theater: Theater) -> None:
    system = theater.up(package())
    store = system.request("p", b"w")
    hash = system.request("p", b"p %s content" % store)
    assert len(hash) == 64
    assert system.request("p", b"f %s %s" % (store, hash)) == b"content"
    assert system.request("p", b"f %s %s" % (store, b"0" * 64)).startswith(b"no-content: ")
    assert system.request("p", b"i x") == b"x"
    eventually(lambda: (state(system) or b"").endswith(b"xxx"), "three ticks")
    kill_worker(system, "p")
    before = len(state(system) or b"")
    eventually(lambda: len(state(system) or b"") > before + 2, "more of them")
    system.request("p", b"c x")


WRONG = [
    (b"!", "fuel: used up its fuel of 20,000,000 (a Pack guest's panic is an endless loop)"),
    (b"t", "trap: wasm `unreachable` instruction executed"),
    (b"e not today", "err: not today"),
    (b"n missing parameter", "could not take the call: missing parameter"),
    (b"x", "32 bytes at 4,294,967,280 lie outside of its memory"),
    (b"b", "is no value of Pack's"),
    (b"z", "theater:simple/runtime.log: what it was given cannot be taken"),
]


def test_what_a_package_does_wrong_fails_its_turn(theater: Theater) -> None:
    head = "[supervisor]\nintensity = 100\n"
    system = theater.up(package(extra="[child.limits]\nfuel = 20_000_000\n"), head=head)
    system.request("p", b"a kept")

    def letters() -> list[str]:
        rows = system.log.query("SELECT reason FROM dead_letters ORDER BY id")
        return [reason for (reason,) in rows]

    def has(count: int) -> bool:
        return len(letters()) == count

    for count, (command, reason) in enumerate(WRONG, 1):
        system.send("p", command)
        eventually(partial(has, count), "it to be set aside")
        assert reason in letters()[-1], command
        assert system.request("p", b"g") == b"kept", command


def test_a_package_that_shuts_down_ends(theater: Theater) -> None:
    system = theater.up(package(extra='restart = "transient"\n'))
    system.send("p", b"d bye")
    system.wait_status("p", "stopped")


def test_a_broker_that_dies_is_nothing_that_it_notices(theater: Theater) -> None:
    system = theater.up(package(), actor("c"))
    for number in range(3):
        assert system.request("p", b"a %d" % number).endswith(b"%d" % number)
        kill_broker(system)
        assert system.request("p", b"r c echo %d" % number) == b"%d" % number
    assert state(system) == encode(b"012")
    theater.note(system)


def manifest(theater: Theater, name: str, component: str) -> None:
    shutil.copy(COMPONENTS / component, theater.directory)
    (theater.directory / f"{name}.toml").write_text(f'name = "{name}"\npackage = "{component}"\n')


def test_packages_and_components_spawn_each_other(theater: Theater) -> None:
    manifest(theater, "count", "counter.wat")
    manifest(theater, "echo", "pack-echo.wat")
    boss = actor("boss", "boss.wat") + '[[child.handler]]\ntype = "supervisor"\n'
    system = theater.up(package(), boss)
    assert system.request("p", b"k count.toml") == b"p/count"
    assert system.request("p", b"k echo.toml") == b"p/echo"
    assert system.request("p", b"k nothing.toml").startswith(b"refused: ")
    system.send("p/count", b"x")
    system.send("p/echo", b"the last")
    eventually(lambda: state(system, "p/count") == b"1", "it to have counted")
    eventually(lambda: state(system, "p/echo") == encode(b"the last"), "it to have heard")
    assert system.request("p", b"j p/count") == b"1"
    assert system.request("p", b"j p/echo") == encode(b"the last")
    assert system.request("p", b"K p/count") == b""
    system.stop("p/echo")
    eventually(lambda: state(system) == encode(b"p/echo"), "it to be told that one was stopped")

    assert system.request("boss", b"n echo.toml") == b"boss/echo"  # with the state 41
    assert system.request("boss", b"g boss/echo") == encode(b"41")
    assert system.request("boss/echo", b"hello") == b"hello"
