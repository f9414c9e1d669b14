"""The stores of an actor in a unit test follow the rules of real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from theater_actor import Actor, Message, NotDone, Store

from theater.stores import hash_of
from theater.testing import InProcess

GRANTS = {"shared": ["s"], "read_only": ["r"]}
X = hash_of(b"x")


@dataclass
class State:
    own: str = ""


class Keeper(Actor):
    state: State

    def on_start(self) -> None:
        self.state.own = Store.new().id

    def on_message(self, message: Message) -> None:
        Store("s").put(message.text, label="l")
        Store(self.state.own).put(b"mine")
        if message == b"fail":
            raise ValueError("on purpose")

    def on_request(self, message: Message, request: str) -> bytes:
        answers.append(todo[-1]())
        return b""


todo: list[Callable[[], Any]] = []
answers: list[Any] = []


def keeper() -> InProcess:
    found = InProcess(Keeper, stores=GRANTS)
    found.stores["r"].contents[X] = b"x"
    found.stores["r"].labels["l"] = X
    return found


def ask(actor: InProcess, what: Callable[[], Any]) -> Any:
    """What the actor gets when it does that."""
    todo.append(what)
    actor.request("")
    return answers.pop()


def test_what_is_put_is_there_when_the_turn_has_ended() -> None:
    actor = keeper()
    actor.message("x")
    assert actor.stores["s"].contents == {X: b"x"}
    assert actor.stores["s"].labels == {"l": X}
    assert actor.stores[actor.state.own].contents == {hash_of(b"mine"): b"mine"}


def test_a_turn_that_fails_has_changed_nothing() -> None:
    actor = keeper()
    with pytest.raises(ValueError):
        actor.message("fail")
    assert (actor.stores["s"].contents, actor.stores["s"].labels) == ({}, {})


def test_every_function() -> None:
    def all_of_them() -> list[Any]:
        store = Store("s")
        hash = store.put("x")
        store.label("m", hash)
        store.put({"a": 1}, label="l")
        seen = [store.get(hash).text, store.exists(hash), store.at("m"), store.labels()]
        store.unlabel("m", hash_of(b"other"))
        seen.append(store.at("m"))
        store.unlabel("m", hash)
        store.unlabel("l")
        return [*seen, store.at("m"), store.labels(), len(store.contents()), store.size()]

    assert ask(keeper(), all_of_them) == ["x", True, X, ["l", "m"], X, None, [], 2, 8]


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: Store("nobody").put("x"), "refused"),
        (lambda: Store("r").put("x"), "refused"),
        (lambda: Store("r").unlabel("l"), "refused"),
        (lambda: Store("other:1:0").labels(), "refused"),
        (lambda: Store("s").get(X), "no-content"),
        (lambda: Store("s").get("x"), "refused"),
        (lambda: Store("s").exists("x"), "refused"),
        (lambda: Store("s").label("l", X), "no-content"),
        (lambda: Store("s").put("x", label=""), "refused"),
        (lambda: Store("s").at("x" * 256), "too-large"),
    ],
)
def test_what_is_refused(call: Callable[[], Any], kind: str) -> None:
    with pytest.raises(NotDone) as error:
        ask(keeper(), call)
    assert error.value.kind == kind


def test_what_is_read_only_can_be_read() -> None:
    store = Store("r")
    assert ask(keeper(), lambda: store.get(store.at("l") or "")) == b"x"
