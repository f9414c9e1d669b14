"""An actor that spawns, in a unit test: what it has spawned is what the test says it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from theater_actor import (
    Actor,
    ChildError,
    Event,
    Message,
    NotDone,
    child_events,
    child_state,
    children,
    restart_child,
    resume,
    send,
    spawn,
    stop_child,
    subscribe,
    unsubscribe,
)

from theater.testing import InProcess

MANIFESTS: dict[str, str | Exception] = {
    "w": "worker",
    "w.toml": "worker",
    "bad.toml": NotDone("refused: bad.toml: no"),
}


@dataclass
class State:
    told: list[str] = field(default_factory=list)


class Boss(Actor):
    state: State

    def on_request(self, message: Message, request: str) -> bytes:
        answers.append(todo.pop()())
        return b""

    def on_message(self, message: Message) -> None:
        send("before", "x")
        spawn("w", {"n": 1})
        send("after", "x")
        raise ValueError("on purpose")

    def on_child_error(self, child: str, error: ChildError) -> None:
        self.state.told.append(f"{child} {error.kind} {error.text}")
        restart_child(child)

    def on_child_exit(self, child: str, result: Message | None) -> None:
        self.state.told.append(f"{child} {None if result is None else result.text}")

    def on_child_stopped(self, child: str) -> None:
        self.state.told.append(child)

    def on_child_event(self, child: str, type: str, data: bytes) -> None:
        self.state.told.append(f"{child} {type} {data!r}")


class Careless(Actor):
    def on_start(self) -> None:
        subscribe(spawn("w"))


todo: list[Callable[[], Any]] = []
answers: list[Any] = []


def ask(actor: InProcess, what: Callable[[], Any]) -> Any:
    """What the actor gets when it does that."""
    todo.append(what)
    actor.request("")
    return answers.pop()


@pytest.fixture
def boss() -> InProcess:
    return InProcess(Boss, address="boss", manifests=MANIFESTS)


def test_names_are_numbered_and_never_used_again(boss: InProcess) -> None:
    assert ask(boss, lambda: [spawn("w"), spawn("w.toml", b"x"), resume("w", [1])]) == [
        "boss/worker",
        "boss/worker-2",
        "boss/worker-3",
    ]
    assert ask(boss, children) == list(boss.children)
    given = [(each.manifest, each.state, each.resumed) for each in boss.children.values()]
    assert given == [("w", None, False), ("w.toml", b"x", False), ("w", b"[1]", True)]
    del boss.children["boss/worker"]
    assert ask(boss, lambda: spawn("w")) == "boss/worker-4"


def test_what_cannot_be_spawned_is_what_the_test_says(boss: InProcess) -> None:
    with pytest.raises(NotDone, match=r"refused: bad\.toml: no"):
        ask(boss, lambda: spawn("bad.toml"))
    with pytest.raises(RuntimeError, match=r"whose manifest 'x\.toml' is"):
        ask(boss, lambda: spawn("x.toml"))
    boss.children.manifests["w"] = NotDone("failed: failed to start: trap")
    with pytest.raises(NotDone) as error:
        ask(boss, lambda: spawn("w"))
    assert error.value.kind == "failed" and not boss.children


def test_to_spawn_is_a_commit_point(boss: InProcess) -> None:
    with pytest.raises(ValueError):
        boss.message("")
    assert boss.sent == [("before", b"x")]
    assert boss.children["boss/worker"].state == b'{"n":1}'


def test_it_looks_after_them(boss: InProcess) -> None:
    name = ask(boss, lambda: spawn("w", b"7"))
    worker = boss.children[name]
    worker.events.append(Event(b"h", None, "created", b"x"))
    assert ask(boss, lambda: child_state(name)) == b"7"
    assert ask(boss, lambda: child_events(name))[0].type == "created"
    ask(boss, lambda: stop_child(name))
    assert not worker.running
    ask(boss, lambda: restart_child(name))
    assert (worker.running, worker.restarts) == (True, 1)


@pytest.mark.parametrize(
    "what", [stop_child, restart_child, child_state, child_events, subscribe, unsubscribe]
)
def test_others_children_are_not_its_business(boss: InProcess, what: Callable[[str], Any]) -> None:
    with pytest.raises(NotDone) as error:
        ask(boss, lambda: what("other/worker"))
    assert error.value.kind == "no-actor"


def test_it_is_told_what_becomes_of_them(boss: InProcess) -> None:
    name = ask(boss, lambda: spawn("w"))
    boss.child_error(name, "trap: unreachable")
    assert boss.children[name].restarts == 1
    boss.child_event(name, "wasm-call", b"x")  # to which it has not subscribed
    ask(boss, lambda: subscribe(name))
    boss.child_event(name, "wasm-call", b"x")
    ask(boss, lambda: unsubscribe(name))
    boss.child_event(name, "wasm-result", b"x")
    boss.child_stopped(name)
    assert not boss.children[name].running
    boss.child_exit(name, {"sold": 3})
    boss.child_exit(name)
    assert boss.state.told == [
        f"{name} internal trap: unreachable",
        f"{name} wasm-call b'x'",
        name,
        f'{name} {{"sold":3}}',
        f"{name} None",
    ]
    with pytest.raises(RuntimeError, match="has not spawned 'boss/nobody'"):
        boss.child_error("boss/nobody", "x")


def test_nobody_has_to_listen() -> None:
    careless = InProcess(Careless, address="a", manifests={"w": "w"})
    careless.child_error("a/w", "late", "operation-timeout")
    careless.child_exit("a/w")
    careless.child_stopped("a/w")
    careless.child_event("a/w", "wasm-call")
