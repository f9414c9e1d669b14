"""Who is believed to be a worker."""

from __future__ import annotations

from typing import Any

import pytest

from tests.broker.pretend import make_turns
from theater.broker.actors import Actor
from theater.broker.links import Hello, Links


def expected(pid: int | None = 7) -> tuple[Links, Actor]:
    actor = make_turns("a").actors["a"]
    actor.incarnation, actor.secret, actor.route, actor.live = 2, b"secret", None, True
    links = Links()
    if pid is not None:
        links.started(actor, pid)
    return links, actor


def hello(**changes: Any) -> Hello:
    facts: dict[str, Any] = {
        "route": b"r",
        "actor": "a",
        "incarnation": 2,
        "secret": b"secret",
        "pid": 7,
    }
    return Hello(**{**facts, **changes})


def test_the_worker_that_root_started_is_believed() -> None:
    links, actor = expected()
    assert links.hello(hello(), actor) is None
    assert links.routes == {b"r": actor} and actor.route == b"r"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"incarnation": 1}, "incarnation 1 of a is not the current one"),
        ({"secret": b"guess"}, "the secret is wrong"),
        ({"pid": 8}, "process 8 is not the worker of a"),
    ],
)
def test_another_is_refused(changes: dict[str, Any], why: str) -> None:
    links, actor = expected()
    assert links.hello(hello(**changes), actor) == why
    assert not links.routes


def test_the_worker_of_an_actor_that_is_gone_is_refused() -> None:
    links, _ = expected()
    assert links.hello(hello(), None) == 'there is no actor "a"'


def test_a_worker_waits_until_root_has_told_its_pid() -> None:
    links, actor = expected(pid=None)
    assert links.hello(hello(), actor) == ""
    assert links.started(actor, 7) == hello()


def test_a_worker_of_an_incarnation_that_is_not_told_of_yet_may_ask_again() -> None:
    links, actor = expected()
    assert links.hello(hello(incarnation=3), actor) == ""
    assert not links.routes and not links.early


def test_a_pid_that_the_kernel_has_given_to_another_worker_stays_a_workers() -> None:
    links, actor = expected(pid=7)
    other = make_turns("b").actors["b"]
    links.started(other, 7)
    links.gone(actor)
    assert 7 in links.pids
    links.gone(other)
    assert 7 not in links.pids
