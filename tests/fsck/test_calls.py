"""A log in which actors have called what others export, and somebody has changed that."""

from __future__ import annotations

from pathlib import Path

import msgpack
import pytest

from tests.broker.pretend import EXPORT
from tests.broker.whole import Whole, give, up

LARGE = bytes(range(256)) * 20  # that no event holds itself


def called(directory: Path, params: bytes = b"x") -> Whole:
    """a has called b, and has asked what b exports."""
    system = up(directory, "a", "b")
    a = give(system, "a")
    a.begin()
    a.call("b", params)
    system.step()
    b = system.workers["b"]
    b.take()
    b.begin()
    b.end(b"state", reply=b"y")
    system.step()
    a.answered()
    a.rpc("exports", "b")
    system.step()
    a.answered()
    a.end(None)
    system.step()
    return system


@pytest.mark.parametrize("params", [b"x", LARGE], ids=["short", "long"])
def test_calls_are_what_a_whole_log_has(tmp_path: Path, params: bytes) -> None:
    assert called(tmp_path, params).problems() == []


OTHER = msgpack.packb(["t:s/a.g", b"x"]).hex()
OTHER_PARAMS = msgpack.packb([EXPORT, b"y"]).hex()
NO_CALL = msgpack.packb(7).hex()
OF_CALL = "WHERE kind = 'rpc'"


@pytest.mark.parametrize(
    "body", [[5, b"x"], [None, b"x"], [[], b"x"], [{}, b"x"], [1.5, b"x"], ["f", 5], b"ab", [], 7]
)
def test_what_is_no_call_at_all_is_told(tmp_path: Path, body: object) -> None:
    system = called(tmp_path)
    data = msgpack.packb(body)
    system.db.execute(f"UPDATE messages SET body = ?, size = ? {OF_CALL}", (data, len(data)))
    assert any("what can be told" in each for each in system.problems())


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (f"UPDATE messages SET body = x'{OTHER}', size = {len(OTHER) // 2} {OF_CALL}", "a call of"),
        (f"UPDATE messages SET body = x'{OTHER}', size = {len(OTHER) // 2} {OF_CALL}", "its body"),
        (f"UPDATE messages SET body = x'{OTHER_PARAMS}' {OF_CALL}", "called with"),
        (f"UPDATE messages SET body = x'{NO_CALL}', size = 1 {OF_CALL}", "what can be told"),
        (f"UPDATE messages SET kind = 'request' {OF_CALL}", "kind is"),
        (f"UPDATE messages SET status = 'queued', turn = NULL {OF_CALL}", "which is queued"),
        (f"UPDATE messages SET status = 'outstanding' {OF_CALL}", "a rpc is outstanding"),
        (f"UPDATE messages SET channel = 'x' {OF_CALL}", "of channel"),
        (f"DELETE FROM messages {OF_CALL}", "is not there"),
        ("UPDATE asks SET message = NULL, timeout_s = NULL WHERE kind = 'call'", "it was no cycle"),
        ("UPDATE asks SET message = 1, timeout_s = 1 WHERE kind = 'exports'", "message 1 in asks"),
        ("UPDATE turns SET kind = 'request' WHERE kind = 'rpc'", "kind is"),
    ],
)
def test_what_is_changed_of_a_call_is_found(tmp_path: Path, damage: str, words: str) -> None:
    system = called(tmp_path)
    system.db.execute(damage)
    assert any(words in each for each in system.problems()), system.problems()
