"""An actor in Python with stores, built from source."""

from __future__ import annotations

import json
from pathlib import Path

from tests.project.projects import project
from tests.real.conftest import Theater
from theater.client import System
from theater.spec import Build
from theater.stores import hash_of
from theater.supervisor import building
from theater.supervisor.building import Built

KEEPER = """
from dataclasses import dataclass

from theater_actor import Actor, Message, NotDone, Store


@dataclass
class State:
    own: str = ""


class Keeper(Actor):
    state: State

    def on_start(self) -> None:
        self.state.own = Store.new().id

    def on_request(self, message: Message, request: str) -> object:
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
name = "keeper"
durability = "process"
build = "keeper.py"
[[handler]]
type = "message-server"
[[handler]]
type = "runtime"
[[handler]]
type = "store"
shared = ["catalog"]
"""


def test_an_actor_in_python_keeps_what_it_is_told(tmp_path: Path) -> None:
    directory = project("keeper", keeper_py=KEEPER, theater_toml=MANIFEST)
    component = str(directory / "build" / "keeper.wasm")
    found = building.build({component: Build(str(directory / "keeper.py"))}, print)[component]
    assert isinstance(found, Built), found
    theater = Theater(tmp_path, replays=True)
    hash = hash_of(b"hello")
    expected = ["hello", True, hash, ["newest", "other"], hash]
    expected += [None, ["newest"], [hash], 5, [], "refused"]
    with System.start(directory / "theater.toml", str(theater.data)) as system:
        theater.take(system)
        assert json.loads(system.request("keeper", b"hello", timeout_s=30)) == expected
        theater.note(system)
    theater.end()
