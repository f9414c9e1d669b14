"""An actor's calls of handlers, in a test without wasm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from theater_actor import Actor, Message, NotDone, handler, send

from theater.handler import Failed, Key, Result, read, world
from theater.testing import InProcess

store = handler("demo:store/things")


@dataclass
class Thing:
    name: str


class Things:
    """What the manifest would name."""

    interface = "demo:store/things"

    def __init__(self) -> None:
        self.keys: list[str] = []

    @read
    def names(self) -> list[str]:
        return ["a"]

    @world(interrupted="again")
    def put(self, key: Key, thing: Thing, twice: bool) -> Result[int]:
        if thing.name == "bad":
            raise Failed("no such thing")
        self.keys.append(key)
        return len(self.keys)


class Keeper(Actor):
    def on_message(self, message: Message) -> None:
        send("b", "before")
        store.names()
        if message == b"raise":
            raise KeyError("after a read")
        store.put(store.Thing(message.text), False)
        raise KeyError("after a change")

    def on_request(self, message: Message, request: str) -> int:
        try:
            return int(store.put(store.Thing(message.text), True))
        except NotDone as error:
            assert (error.kind, str(error)) == ("failed", "failed: no such thing")
            return -1


def test_the_very_class_answers_with_a_key_for_each_call() -> None:
    things = Things()
    keeper = InProcess(Keeper, handlers={"demo:store/things": things})
    assert keeper.request("one") == b"1" and keeper.request("two") == b"2"
    assert len(set(things.keys)) == 2
    assert keeper.request("bad") == b"-1"


def test_a_change_is_a_commit_point_and_a_read_is_none() -> None:
    keeper = InProcess(Keeper, handlers={"demo:store/things": Things()})
    with pytest.raises(KeyError):
        keeper.message("raise")
    assert keeper.sent == []
    with pytest.raises(KeyError):
        keeper.message("one")
    assert keeper.sent == [("b", b"before")]


def test_one_that_pretends_needs_no_hints() -> None:
    class Fake:
        Thing = Thing

        def put(self, thing: Any, twice: Any) -> int:
            return 7

    assert InProcess(Keeper, handlers={"demo:store/things": Fake()}).request("x") == b"7"


def test_one_that_is_missing_is_named() -> None:
    with pytest.raises(RuntimeError, match=r"nothing provides demo:store/things in this test"):
        InProcess(Keeper).request("x")
    with pytest.raises(RuntimeError, match="there is no Theater here"):
        store.names()
    with pytest.raises(AttributeError):
        InProcess(Keeper, handlers={"demo:store/things": object()}).request("x")
    assert repr(store) == "handler('demo:store/things')"
