"""What a reload changes, in the words of the manifest."""

from __future__ import annotations

from dataclasses import fields, replace
from io import StringIO
from typing import Any

import pytest

from theater.cli.changes import changes
from theater.cli.reload import plan
from theater.cli.terminal import Stream
from theater.spec import (
    MIB,
    ActorSpec,
    Backoff,
    Custom,
    Handler,
    Limits,
    MailboxBounds,
    Restart,
    Shutdown,
    ShutdownKind,
    Strategy,
    SupervisorSpec,
    plain,
)

BRUTAL = Shutdown(ShutdownKind.BRUTAL_KILL)
SEND = Handler("message-server", {"send_to": ["a"]})
OWN = Custom("a.py:A", "/", "a:b/c", {}, {"x": "int"}, "a" * 64)
NO_MORE = Handler("message-server", {})


@pytest.mark.parametrize(
    "name, old, new, told",
    [
        ("restart", Restart.PERMANENT, Restart.TRANSIENT, ["restart permanent -> transient"]),
        ("significant", False, True, ["significant false -> true"]),
        ("shutdown", Shutdown(), BRUTAL, ["shutdown 5 -> brutal_kill"]),
        (
            "strategy",
            Strategy.ONE_FOR_ONE,
            Strategy.ONE_FOR_ALL,
            ["strategy one_for_one -> one_for_all"],
        ),
        ("period_s", 5.0, 0.5, ["period 5 -> 0.5"]),
        (
            "backoff",
            None,
            Backoff(1.0),
            ["backoff none -> {base: 1.0, factor: 2.0, max: 60.0, jitter: 0.0, settled: 60.0}"],
        ),
        ("backoff", Backoff(1.0), Backoff(2.0), ["backoff.base 1 -> 2"]),
        (
            "limits",
            Limits(memory_bytes=64 * MIB, fuel=1),
            Limits(memory_bytes=128 * MIB, fuel=2, turn_timeout_s=1.5),
            [
                "limits.memory 64MiB -> 128MiB",
                "limits.fuel 1 -> 2",
                "limits.turn_timeout 30 -> 1.5",
            ],
        ),
        ("mailbox", MailboxBounds(), MailboxBounds(7), ["mailbox.max_messages 10000 -> 7"]),
        ("handlers", (SEND,), (NO_MORE,), ['handler.message-server.send_to ["a"] removed']),
        ("handlers", (), (SEND,), ['handler [] -> {message-server: {send_to: ["a"]}}']),
        (
            "handlers",
            (Handler("a.py:A", {"x": 1}, OWN),),
            (Handler("a.py:A", {"x": 1}, replace(OWN, sha256="b" * 64)),),
            ["handler.a.py:A.content of class aaaaaaaaaaaa -> bbbbbbbbbbbb"],
        ),
        ("handlers", (Handler("runtime"), SEND), (SEND,), ["handler.runtime {} removed"]),
        ("env", {"A": "1"}, {"A": "2", "B": "x y"}, ["env.A 1 -> 2", 'env.B "x y" added']),
        ("args", ("a",), ("a", "b"), ['args ["a"] -> ["a", "b"]']),
        ("component", "/x/a.wasm", "/x/b.wasm", ["component /x/a.wasm -> /x/b.wasm"]),
        (
            "component_sha256",
            "a" * 64,
            "b" * 64,
            ["content of component aaaaaaaaaaaa -> bbbbbbbbbbbb"],
        ),
        ("initial_state", None, b"apple 3", ['initial_state none -> "apple 3"']),
        ("template.args", (), ("x",), ['template.args [] -> ["x"]']),
        ("template.request_timeout_s", 5.0, 6.0, ["template.request_timeout 5 -> 6"]),
    ],
)
def test_a_change_is_told_as_the_manifest_would_have_it(
    name: str, old: Any, new: Any, told: list[str]
) -> None:
    assert changes({name: plain([old, new])}) == told


@pytest.mark.parametrize("kind", [ActorSpec, SupervisorSpec])
def test_every_field_that_can_change_can_be_told(kind: type) -> None:
    for field in fields(kind):
        assert changes({field.name: [1, 2]}) and not changes({field.name: [1, 1]})


def test_nothing_of_it_can_reach_a_terminal_raw() -> None:
    found = changes({"env\x1b": [{"\x1bA": "1"}, {"\x1bA": "\x1b[31m", "B\u202e": "\u202e"}]})
    assert not set("\x1b\u202e") & set("".join(found))


def test_values_are_cut_where_a_limit_is_given() -> None:
    (told,) = changes({"args": [["x" * 100], ["y"]]}, 20)
    assert told == 'args ["xxxxxxxxxxxxxxx... -> ["y"]'
    (told,) = changes({"args": [["x" * 100], ["y"]]})
    assert "x" * 100 in told


def test_a_plan_says_who_is_new_who_is_missing_and_when_it_holds() -> None:
    found = [
        {
            "change": "changed",
            "path": "",
            "fields": {"intensity": [3, 7], "period_s": [5.0, 6.0]},
            "at_once": True,
        },
        {"change": "changed", "path": "g/a", "fields": {"args": [[], ["x"]]}, "at_once": False},
        {"change": "added", "path": "g/new\x1b", "fields": {}, "at_once": True},
        {"change": "missing", "path": "old", "fields": {}, "at_once": True},
    ]
    assert plan(found, ["durability"], False, Stream(StringIO())) == [
        "/          changed:",
        "             intensity 3 -> 7",
        "             period 5 -> 6",
        "g/a        changed, from its next start on:",
        '             args [] -> ["x"]',
        "g/new\\x1b  added",
        "old        no longer in the manifest: kept; --prune stops and deletes it",
        "durability has changed: it holds from the next `theater up` on",
    ]
    assert plan(found[3:], [], True, Stream(StringIO())) == [
        "old  no longer in the manifest: stopped and deleted"
    ]
    assert plan([], [], True, Stream(StringIO())) == []
