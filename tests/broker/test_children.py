"""What an actor asks about those it has spawned: what is believed, and who answers it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.broker.pretend import PretendedWorker, make_turns
from theater.broker import children
from theater.broker.book import ToRoot
from theater.broker.step import BadStep
from theater.broker.turns import Turns
from theater.calls import ABOUT_CHILDREN, BORN, SUPERVISOR
from theater.events import EventType
from theater.stores import Access

ABOUT_ONE = sorted(ABOUT_CHILDREN - BORN - {"list-children"})


def begun(**changes: Any) -> tuple[Turns, PretendedWorker]:
    turns = make_turns("boss", "boss/a", "z", **{"may_manage": True, **changes})
    turns.actors["boss"].offspring["boss/a"] = None
    turns.actors["boss/a"].birth = (1, 9)
    turns.deliver_from_client("boss", b"go", "send", "id-1")
    worker = PretendedWorker(turns, turns.actors["boss"])
    worker.take()
    worker.begin()
    return turns, worker


def asked(turns: Turns, worker: PretendedWorker, function: str, *arguments: Any) -> Any:
    """The answer; None: it waits."""
    assert worker.record is not None
    worker.record.add(EventType.HOST_CALL, SUPERVISOR, function, [list(arguments)])
    step = worker.record.turn, *worker.record.cut()
    turn, number, events, contents = step
    turns.step(worker.actor, turn, number, worker.inputs[0][3], events, contents, 0.0)
    current = worker.actor.current
    assert current is not None
    return None if current.answered is None else current.answered[1]


def told_root(turns: Turns) -> list[tuple[Any, ...]]:
    return [each.message for each in turns.out if isinstance(each, ToRoot)]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("spawn", []),
        ("spawn", ["m"]),
        ("spawn", [b"m", None]),
        ("spawn", ["m", "state"]),
        ("resume", ["m", 1]),
        ("spawn", ["m", None, None]),
        ("spawn", ["m", None, b"", None]),
        ("spawn-and-wait", []),
        ("spawn-and-wait", ["m", None]),
        ("spawn-and-wait", ["m", None, None]),
        ("spawn-and-wait", ["m", None, "code", None]),
        ("spawn-and-wait", ["m", None, None, b"1"]),
        ("spawn-and-wait", ["m", None, None, -1]),
        ("spawn-and-wait", ["m", None, None, True]),
        ("spawn-and-wait", ["m", None, None, 1.5]),
        ("spawn-and-wait", ["m", None, None, 1, 1]),
        ("list-children", ["x"]),
        *((function, []) for function in ABOUT_ONE),
        *((function, [b"boss/a"]) for function in ABOUT_ONE),
        *((function, ["boss/a", "boss/a"]) for function in ABOUT_ONE),
    ],
)
def test_what_no_worker_of_ours_says_ends_its_incarnation(
    function: str, arguments: list[Any]
) -> None:
    turns, worker = begun()
    with pytest.raises(BadStep, match=f"not the arguments of {function}"):
        asked(turns, worker, function, *arguments)
    assert not turns.batch.events and not told_root(turns)


def test_what_is_larger_than_it_may_be_is_known_to_its_worker() -> None:
    for arguments in (["x" * 4097, None], ["m", bytes(1025)], ["m", None, bytes(2049)]):
        turns, worker = begun()
        turns.state_max, turns.message_max = 1024, 2048
        with pytest.raises(BadStep, match="it called spawn: too-large: "):
            asked(turns, worker, "spawn", *arguments)
        assert not turns.batch.events and not told_root(turns)


@pytest.mark.parametrize("function", sorted(ABOUT_CHILDREN))
def test_who_is_not_granted_it_cannot_ask(function: str) -> None:
    turns, worker = begun(may_manage=False)
    with pytest.raises(BadStep, match="which its manifest does not grant"):
        asked(turns, worker, function, "boss/a")


@pytest.mark.parametrize("function", ABOUT_ONE)
@pytest.mark.parametrize("name", ["z", "boss", "boss/b", "", "\n"])
def test_others_than_its_children_are_none_of_its_business(function: str, name: str) -> None:
    turns, worker = begun()
    answer = asked(turns, worker, function, name)
    assert answer["err"].startswith("no-actor: ") and answer["err"].endswith("no child of boss")
    assert not told_root(turns)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("spawn", ["m.toml", None]),
        ("spawn", ["m.toml", b"state"]),
        ("resume", ["m.toml", b"long " * 1000]),
        ("stop-child", ["boss/a"]),
        ("restart-child", ["boss/a"]),
    ],
)
def test_root_is_told_what_it_has_to_do_with_all_that_belongs_to_it(
    function: str, arguments: list[Any]
) -> None:
    turns, worker = begun()
    assert asked(turns, worker, function, *arguments) is None
    assert told_root(turns) == [("child", "boss", 1, 1, function, arguments, None, False)]
    children.answered(turns, "boss", 1, 1, {"ok": "boss/m"}, 0.0)
    current = worker.actor.current
    assert current is not None and current.answered == (1, {"ok": "boss/m"})
    assert told_root(turns)[-1] == ("child_settled", "boss", 1, 1)


@pytest.mark.parametrize("key", [("boss", 1, 2), ("boss", 2, 1), ("z", 1, 1), ("gone", 1, 1)])
def test_an_answer_that_nobody_waits_for_is_settled_and_changes_nothing(
    key: tuple[str, int, int],
) -> None:
    turns, worker = begun()
    asked(turns, worker, "stop-child", "boss/a")
    before = len(turns.batch.events)
    children.answered(turns, *key, {"ok": None}, 0.0)
    assert len(turns.batch.events) == before and told_root(turns)[-1] == ("child_settled", *key)
    current = worker.actor.current
    assert current is not None and current.ask is not None


@pytest.mark.parametrize(
    ("name", "stores", "answer"),
    [
        ("store:s#m", Access.of("boss", {"shared": ["s"]}), None),
        ("store:s#m", Access.of("boss", {"read_only": ["s"]}), None),
        ("store:s#n", Access.of("boss", {"shared": ["s"]}), "no-content: store"),
        ("store:r#m", Access.of("boss", {"shared": ["s"]}), "refused: the manifest of boss"),
        ("store:", Access.of("boss", {"shared": ["s"]}), "refused: a store id cannot be"),
        ("store:s#m", None, 'refused: "store" is not granted to boss'),
    ],
)
def test_where_a_manifest_in_a_store_lies_is_known_here(
    name: str, stores: Access | None, answer: str | None
) -> None:
    turns, worker = begun(stores=stores)
    turns.batch.labels["s"] = {"m": (b"\x01" * 32, 1)}
    found = asked(turns, worker, "spawn", name, None)
    if answer is None:
        kept = ["s", "01" * 32]
        assert told_root(turns) == [("child", "boss", 1, 1, "spawn", [name, None], kept, False)]
    else:
        assert found["err"].startswith(answer) and not told_root(turns)


def test_root_is_told_again_whatever_has_become_of_the_label() -> None:
    """It may have begun, and then nobody else may say that nothing comes of it."""
    turns, worker = begun(stores=Access.of("boss", {"shared": ["s"]}))
    turns.batch.labels["s"] = {"m": (b"\x01" * 32, 1)}
    asked(turns, worker, "spawn", "store:s#m", None)
    turns.batch.labels["s"] = {"m": None}
    current = worker.actor.current
    assert current is not None and current.ask is not None
    children.reopened(turns, worker.actor, current, current.ask, ["store:s#m", None])
    assert current.answered is None
    again = ("child", "boss", 1, 1, "spawn", ["store:s#m", None], None, False)
    assert told_root(turns)[-1] == again
