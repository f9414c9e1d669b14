"""An actor's class is built for what it uses of Theater, and for no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.projects import project
from tests.real.conftest import Theater
from tests.waiting import eventually
from theater.client import System
from theater.project.job import Job
from theater.project.languages.parts import (
    CHILDREN,
    STORE,
    SUPERVISOR,
    TIMER,
    TIMER_CLIENT,
    used,
    used_by_javascript,
)
from theater.project.languages.python import Python
from theater.project.languages.world import world
from theater.spec import Build
from theater.stores import hash_of
from theater.supervisor import building
from theater.supervisor.building import Built

HEAD = "from theater_actor import Actor, Message, send\n"
CLASS = "class A(Actor):\n    def on_message(self, m): send('b', m)\n"
# One that uses several, since building one takes half a minute.
PARTS = """
from dataclasses import dataclass

import theater_actor
from theater_actor import Actor, Message, NotDone, Store, set_interval


@dataclass
class State:
    ticks: int = 0
    since_ms: int = 0
    own: str = ""


class Parts(Actor):
    state: State

    def on_start(self) -> None:
        self.state.own = Store.new().id
        self.state.since_ms = theater_actor.now()
        set_interval("tick", 20)

    def on_request(self, message: Message, request: str) -> object:
        if message == b"stop":
            theater_actor.clear_timer("tick")
        elif message == b"bad":
            set_interval("bad", 1)
        elif message == b"hello":
            return self.kept(message)
        return self.state

    def on_tick(self, timer: str) -> None:
        self.state.ticks += 1

    def kept(self, message: Message) -> object:
        store, own = Store("catalog"), Store(self.state.own)
        hash = store.put(message, label="newest")
        store.label("other", hash)
        own.put({"a": 1}, label="l")
        seen = [store.get(hash).text, store.exists(hash), store.at("other"), store.labels()]
        store.unlabel("other", "0" * 64)
        seen.append(store.at("other"))
        store.unlabel("other", hash)
        own.unlabel("l")
        seen += [store.at("other"), store.labels(), store.contents(), store.size(), own.labels()]
        try:
            Store("nobody").put(b"")
        except NotDone as error:
            seen.append(error.kind)
        return seen
"""
MANIFEST = """
name = "parts"
durability = "process"
build = "parts.py"
[[handler]]
type = "message-server"
[[handler]]
type = "runtime"
[[handler]]
type = "timer"
[[handler]]
type = "store"
shared = ["catalog"]
"""


@pytest.mark.parametrize(
    ("text", "has_timer"),
    [
        (HEAD + CLASS, False),
        ("from datetime import datetime\nnow = datetime.now()\n" + HEAD + CLASS, False),
        ("from other import set_timeout\n" + HEAD + CLASS, False),
        (HEAD + CLASS + "    def on_tick(self, timer): ...\n", True),
        ("from theater_actor import now\n" + HEAD + CLASS, True),
        ("from theater_actor import set_timeout as later\n" + HEAD + CLASS, True),
        ("from theater_actor.calls import clear_timer\n" + HEAD + CLASS, True),
        ("from theater_actor import *\n" + CLASS, True),
        ("import theater_actor as t\nclass A(t.Actor): x = t.set_interval\n", True),
        ("import theater_actor.calls\n" + HEAD + CLASS + "f = theater_actor.calls.now\n", True),
        ("import theater_actor as t\nclass A(t.Actor): x = t.send\n", False),
        ("for ever and now: set_timeout\n", True),  # for a newer Python, maybe
    ],
)
def test_timers_are_there_for_a_class_that_names_them(text: str, has_timer: bool) -> None:
    found = used([("app.py", text.encode()), ("notes.txt", b"on_tick now")])
    assert any("timer" in line for part in found for line in part.wit) is has_timer


def test_a_store_is_there_for_a_class_that_names_it() -> None:
    [part] = used([("app.py", b"from theater_actor import Actor, Store")])
    assert part.wit == ("import theater:simple/store;",)
    assert len(used([("app.py", b"from theater_actor import *")])) == 3


@pytest.mark.parametrize(
    ("text", "spawns"),
    [
        ("from theater_actor import spawn\n" + HEAD + CLASS, True),
        ("import theater_actor as t\nclass A(t.Actor): x = t.children\n", True),
        (HEAD + CLASS + "    def on_child_exit(self, child, result): ...\n", True),
        ("from beside import spawn, children\n" + HEAD + CLASS, False),
    ],
)
def test_children_are_there_for_a_class_that_names_them(text: str, spawns: bool) -> None:
    wit = [line for part in used([("app.py", text.encode())]) for line in part.wit]
    assert wit == ([SUPERVISOR, CHILDREN] if spawns else [])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b'import { send } from "theater:simple/message-server-host";', ()),
        (b'import { now } from "theater:simple/timer";', (TIMER,)),
        (b"const { now } = await import('theater:simple/timer');", (TIMER,)),
        (b"export const timerClient = { handleTick };", (TIMER_CLIENT,)),
        (b"const timerClients = 1;", ()),
        (b'import { get } from "theater:simple/store";', (STORE,)),
        (b'import { spawn } from "theater:simple/supervisor";', (SUPERVISOR,)),
        (b"export const supervisorHandlers = { handleChildExit };", (CHILDREN,)),
    ],
)
def test_in_javascript_its_imports_and_exports_tell(text: bytes, lines: tuple[str, ...]) -> None:
    assert used_by_javascript([b"// a module", text]) == lines


def test_a_module_beside_the_actors_counts_too(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("from theater_actor import set_timeout\n")
    app = tmp_path / "app.py"
    app.write_text(HEAD + CLASS)
    assert b"timer" not in Python(Job(str(app), "")).inputs["options:"]
    app.write_text("import beside\n" + HEAD + CLASS)
    assert b"import theater:simple/timer;" in Python(Job(str(app), "")).inputs["options:"]
    own = Python(Job(str(app), "", world="full-actor"))
    assert b"timer" not in own.inputs["options:"], "who names a world has that one"


def test_the_world_that_is_made_up_is_the_usual_one_and_more(tmp_path: Path) -> None:
    [part] = used([("app.py", b"from theater_actor import now")])
    place, name = world(tmp_path, "messaging-actor", (), part.wit)
    assert (place / "world.wit").read_text().splitlines()[2:] == [
        f"world {name} {{",
        "    include theater:simple/messaging-actor;",
        "    import theater:simple/timer;",
        "    export theater:simple/timer-client;",
        "}",
    ]


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[System]:
    directory = project("parts", parts_py=PARTS, theater_toml=MANIFEST)
    component = str(directory / "build" / "parts.wasm")
    found = building.build({component: Build(str(directory / "parts.py"))}, print)[component]
    assert isinstance(found, Built), found
    theater = Theater(tmp_path, replays=True)
    with System.start(directory / "theater.toml", str(theater.data)) as system:
        theater.take(system)
        yield system
        theater.note(system)
    theater.end()


def test_an_actor_in_python_ticks(parts: System) -> None:
    def state(message: bytes = b"") -> bytes:
        return parts.request("parts", message, timeout_s=30)

    eventually(lambda: int(state().split(b":")[1].split(b",")[0]) > 3, "some ticks")
    answer = state(b"stop")
    assert state() == answer and b'"since_ms":17' in answer


def test_an_actor_in_python_keeps_what_it_is_told(parts: System) -> None:
    hash = hash_of(b"hello")
    expected = ["hello", True, hash, ["newest", "other"], hash]
    expected += [None, ["newest"], [hash], 5, [], "refused"]
    assert json.loads(parts.request("parts", b"hello", timeout_s=30)) == expected
