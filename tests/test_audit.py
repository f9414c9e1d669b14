"""What actors were granted and what they used, told from events."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any

import msgpack
import pytest

from theater.audit import FUNCTIONS_MAX, OTHERS, Account, Audit, manifest_lines, pools, template_of
from theater.calls import MESSAGES, RUNTIME, SET_INTERVAL, SET_TIMEOUT, SUPERVISOR, TIMER, WAITS
from theater.capabilities import message_server
from theater.capabilities.supervisor import MANIFESTS_MAX, MAX_CHILDREN
from theater.capabilities.timer import MAX_TIMERS
from theater.events import CHAIN_CODE, Event, EventType
from theater.wasi import EXCHANGE, HTTP, OPEN, OUTGOING, STREAMS, TYPES

OK: dict[str, Any] = {"ok": None}
LIMITS = {"fuel": 1000, "turn_bytes": 9999}
DATA = {"host": "/srv/data", "guest": "/data", "write": True}
WORDS = {"host": "/srv/words", "guest": "/words", "write": False}
SPARE = {"host": "/srv/spare", "guest": "/spare", "write": True}
LINKED = frozenset({RUNTIME, MESSAGES})
EVERYTHING: dict[str, Any] = {
    "runtime": {},
    "message-server": {},
    "wasi:filesystem": {"preopens": [DATA, WORDS, SPARE]},
}


class Log:
    """Events of some actors, in one order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._next: dict[tuple[str, int], int] = {}

    def add(
        self, actor: str, turn: int, type: str, payload: Any, interface: str = "", name: str = ""
    ) -> None:
        index = self._next.get((actor, turn), 0)
        self._next[actor, turn] = index + 1
        self.events.append(Event(actor, 1, turn, index, type, interface, name, payload))

    def created(self, actor: str, grants: dict[str, Any], type: str = EventType.CREATED) -> None:
        facts = {"component": "c0ffee", "grants": grants, "limits": LIMITS}
        self.add(actor, 0, type, facts)

    def call(self, actor: str, turn: int, interface: str, name: str, *payload: Any) -> None:
        self.add(actor, turn, EventType.HOST_CALL, list(payload), interface, name)

    def done(self, actor: str, turn: int, fuel: int) -> None:
        self.add(actor, turn, EventType.WASM_RESULT, [{"ok": [None]}, fuel])

    def audited(
        self,
        pools: Iterable[str] = (),
        heard: Iterable[tuple[str, str]] = (),
        evidence: Iterable[Event] = (),
    ) -> dict[str, Account]:
        audit = Audit(pools, lambda *pair: pair in heard, lambda _hash: evidence)
        for event in self.events:
            audit.take(event, 100)
        return {account.name: account for account in audit.end()}


def test_calls_are_counted_by_handler_and_function() -> None:
    log = Log()
    log.created("a", EVERYTHING)
    log.call("a", 1, RUNTIME, "log", ["x"], None)
    log.call("a", 1, RUNTIME, "log", ["y"], None)
    log.call("a", 1, MESSAGES, "send", ["b", b"x"], OK)
    log.call("a", 1, "wasi:clocks/wall-clock", "now", [], {})
    log.done("a", 1, 700)
    log.done("a", 2, 70)
    account = log.audited()["a"]
    assert account.grants["runtime"].counts.by_name == {"log": 2}
    assert account.grants["message-server"].counts.by_name == {"send": 1}
    assert account.wasi.by_name == {"wasi:clocks": 1}
    assert (account.turns, account.fuel.most, account.fuel.turn) == (2, 700, 1)
    assert (account.turn_bytes.most, account.turn_bytes.turn) == (500, 1)


def test_an_ask_is_counted_once_with_its_answer_also_when_it_is_carried_on() -> None:
    log = Log()
    log.created("a", EVERYTHING)
    log.call("a", 1, MESSAGES, "request", ["b", b"x"])
    log.add("a", 1, EventType.CARRIED_ON, [])
    log.call("a", 1, "wasi:clocks/wall-clock", "now", [], {})
    log.add("a", 1, EventType.HOST_ANSWER, [{"err": "refused: it said"}], MESSAGES, "request")
    log.call("a", 2, MESSAGES, "request", ["c", b"x"])
    grant = log.audited()["a"].grants["message-server"]
    assert grant.counts.by_name == {"request": 2}
    assert grant.counts.refused == 0, "b has refused it, not the manifest"
    assert grant.least(LINKED) == {"send_to": ["b", "c"]}


def test_what_was_refused_is_told_and_not_granted() -> None:
    log = Log()
    log.created("a", EVERYTHING)
    log.call("a", 1, MESSAGES, "send", ["x/y", b""], {"err": "refused: send_to does not grant x/y"})
    log.call("a", 1, MESSAGES, "request", ["x/z", b""], {"err": "refused: send_to does not"})
    log.call("a", 1, MESSAGES, "send", ["b", b""], OK)
    grant = log.audited()["a"].grants["message-server"]
    assert grant.counts.refused == 2
    assert grant.least(LINKED) == {"send_to": ["b"]}


def test_default_neighbours_are_told_from_strangers() -> None:
    log = Log()
    log.created("shop/a", EVERYTHING)
    for to in ("shop/b", "shop/a/c", "friend", "stranger"):
        log.call("shop/a", 1, MESSAGES, "send", [to, b""], OK)
    account = log.audited(heard=[("shop/a", "friend")])["shop/a"]
    facts = account.grants["message-server"].usage.facts()
    assert facts["no_neighbours"] == ["stranger"]
    assert facts["to"] == dict.fromkeys(("friend", "shop/a/c", "shop/b", "stranger"), 1)


def test_who_sends_to_too_many_needs_a_pattern() -> None:
    log = Log()
    log.created("a", EVERYTHING)
    for number in range(message_server.ADDRESSES_MAX + 5):
        log.call("a", 1, MESSAGES, "send", [f"b{number}", b""], OK)
    grant = log.audited()["a"].grants["message-server"]
    assert grant.least(LINKED) == {"send_to": ["**"]}
    assert len(grant.usage.facts()["to"]) == message_server.ADDRESSES_MAX
    assert grant.usage.facts()["to_others"] == 5


def test_what_did_not_commit_was_granted_too() -> None:
    log = Log()
    log.created("a", EVERYTHING)
    log.add("a", 0, EventType.TURN_FAILED, {"turn": 1, "evidence": b"h" * 32})
    lost = [
        Event("a", 1, 1, 0, EventType.WASM_CALL, "", "", [None, []]),
        Event("a", 1, 1, 1, EventType.HOST_CALL, MESSAGES, "send", [["b", b""], OK]),
        Event("a", 1, 1, 2, EventType.HOST_CALL, MESSAGES, "request", [["c", b""]]),
    ]
    account = log.audited(evidence=lost)["a"]
    assert account.failed == 1
    assert account.grants["message-server"].least(LINKED) == {"send_to": ["b", "c"]}


def shown(first: int, last: int) -> msgpack.ExtType:
    return msgpack.ExtType(CHAIN_CODE, msgpack.packb(["a", first, last, b"h" * 32]))


@pytest.mark.parametrize(
    ("granted", "least"),
    [
        ({}, {}),
        ({"max_events": 5000}, {"max_events": 80}),
        ({"max_events": 90}, {"max_events": 80}),
    ],
)
def test_no_more_of_its_chain_is_granted_than_it_was_shown(
    granted: dict[str, int], least: dict[str, int]
) -> None:
    log = Log()
    log.created("a", {"runtime": granted})
    log.call("a", 1, RUNTIME, "get-chain", [])
    log.add("a", 1, EventType.HOST_ANSWER, [shown(20, 99)], RUNTIME, "get-chain")
    assert log.audited()["a"].grants["runtime"].least(LINKED) == least


def test_as_many_timers_are_granted_as_were_named() -> None:
    log = Log()
    log.created("pool/w-1", {"timer": {"max_timers": 50}})
    log.created("pool/w-2", {"timer": {"max_timers": 50}})
    for name in ("tick", "tock", "tick"):
        log.call("pool/w-1", 1, TIMER, SET_INTERVAL, [name, 100], {"ok": name})
    log.call("pool/w-2", 1, TIMER, SET_TIMEOUT, ["later", 100], {"ok": "later"})
    log.call("pool/w-2", 1, TIMER, SET_TIMEOUT, ["", 100], {"err": "refused: no name"})
    grant = log.audited(pools=["pool"])["pool/w"].grants["timer"]
    assert grant.usage.facts() == {"timers": ["later", "tick", "tock"], "others": False}
    assert grant.least(LINKED) == {"max_timers": 2}
    log = Log()
    log.created("a", {"timer": {"max_timers": 5000}})
    for number in range(MAX_TIMERS + 1):
        log.call("a", 1, TIMER, SET_TIMEOUT, [f"t{number}", 100], {"ok": ""})
    assert log.audited()["a"].grants["timer"].least(LINKED) == {"max_timers": 5000}


PARENT: dict[str, Any] = {
    "supervisor": {"intensity": 2, "templates": {"worker": "/w.toml", "spare": "/s.toml"}}
}


def test_what_was_spawned_is_told_by_its_manifests() -> None:
    log = Log()
    log.created("a", PARENT)
    for turn, (manifest, answer) in enumerate(
        [
            ("worker", {"ok": "a/w"}),
            ("worker", {"ok": "a/w-2"}),
            ("x.toml", {"err": "refused: x.toml: there is no such file"}),
        ]
    ):
        log.call("a", turn, SUPERVISOR, "spawn", [manifest, None])
        log.add("a", turn, EventType.HOST_ANSWER, [answer], SUPERVISOR, "spawn")
    log.created("a/w", {})
    decided = {"decision": "restart", "child": "a/w", "left": 1, "intensity": 2, "period_s": 5.0}
    log.add("a/w", 0, EventType.DECIDED, decided)
    log.call("a", 4, SUPERVISOR, "list-children", [])
    log.add("a", 4, EventType.HOST_ANSWER, [["a/w-2"]], SUPERVISOR, "list-children")
    log.call("a", 5, SUPERVISOR, "resume", ["y.toml", b"1"])
    log.add("a", 5, EventType.HOST_ANSWER, [{"ok": "a/y"}], SUPERVISOR, "resume")
    log.call("a", 6, SUPERVISOR, "spawn", ["worker", None])  # which nobody has answered
    grant = log.audited()["a"].grants["supervisor"]
    assert grant.usage.told() == [
        "worker: 2 spawned",
        "y.toml: 1 spawned",
        "1 could not be spawned",
        "at most 2 at once",
        "at most 1 restarts in its period",
    ]
    assert grant.usage.facts()["spawned"] == {"worker": 2, "y.toml": 1}
    least = {"intensity": 2, "max_children": 2, "templates": {"worker": "/w.toml"}}
    assert grant.least(LINKED) == least


def test_what_was_spawned_and_waited_for_counts_as_often_as_it_was_there() -> None:
    """Of its address the answer does not tell."""
    log = Log()
    log.created("top", PARENT)
    log.call("top", 0, SUPERVISOR, "spawn", ["worker", None])
    log.add("top", 0, EventType.HOST_ANSWER, [{"ok": "top/a"}], SUPERVISOR, "spawn")
    log.created("top/a", PARENT)
    answers: list[dict[str, object]] = [
        {"ok": b"result"},
        {"ok": None},
        {"err": "timeout: top/a/w-3 has not ended within 1 s"},
        {"err": "stopped: top/a/w-4 was stopped"},
        {"err": "refused: there is none"},
    ]
    for turn, answer in enumerate(answers):
        log.call("top/a", turn, SUPERVISOR, WAITS, ["worker", None, None, None])
        log.add("top/a", turn, EventType.HOST_ANSWER, [answer], SUPERVISOR, WAITS)
    audited = log.audited()
    told = audited["top/a"].grants["supervisor"].usage.told()
    assert told == ["worker: 4 spawned", "1 could not be spawned", "at most 4 at once"]
    least = audited["top"].grants["supervisor"].least(LINKED)
    assert least is not None and least["max_children"] == 5


def test_what_is_spawned_counts_for_all_above_it() -> None:
    log = Log()
    log.created("a", PARENT)
    for turn, (spawner, child) in enumerate((("a", "a/b"), ("a/b", "a/b/c"), ("a/b", "a/b/d"))):
        if turn == 1:
            log.created("a/b", PARENT)
        log.call(spawner, turn, SUPERVISOR, "spawn", ["worker", None])
        log.add(spawner, turn, EventType.HOST_ANSWER, [{"ok": child}], SUPERVISOR, "spawn")
    log.call("a", 4, SUPERVISOR, "list-children", [])
    log.add("a", 4, EventType.HOST_ANSWER, [[]], SUPERVISOR, "list-children")
    log.call("a", 5, SUPERVISOR, "spawn", ["worker", None])
    log.add("a", 5, EventType.HOST_ANSWER, [{"ok": "a/e"}], SUPERVISOR, "spawn")
    audited = log.audited()
    for name, most in (("a", 3), ("a/b", 2)):
        least = audited[name].grants["supervisor"].least(LINKED)
        assert least is not None and least["max_children"] == most


def test_who_spawns_from_more_manifests_than_are_told_apart_keeps_its_templates() -> None:
    log = Log()
    log.created("a", PARENT)
    for number in range(MANIFESTS_MAX + 2):
        answer = {"ok": f"a/w-{number}"}
        log.call("a", 1, SUPERVISOR, "spawn", [f"{number}.toml", None], answer)
    grant = log.audited()["a"].grants["supervisor"]
    least = grant.least(LINKED)
    assert least is not None and least["templates"] == PARENT["supervisor"]["templates"]
    assert least["max_children"] == MAX_CHILDREN
    assert grant.usage.facts()["others"] == 2


def descriptor(log: Log, name: str, number: int, *rest: Any, answer: Any = None) -> None:
    call = (f"[method]descriptor.{name}", [number, *rest], {"ok": answer})
    log.call("a", 1, TYPES, *call)


def test_directories_are_told_by_what_was_opened_below_them() -> None:
    log = Log()
    log.created("a", EVERYTHING)
    directories = [[10, "/data"], [11, "/words"], [12, "/spare"]]
    log.call("a", 1, "wasi:filesystem/preopens", "get-directories", [], directories)
    for number in (10, 11, 12):
        descriptor(log, "get-type", number, answer="directory")
    descriptor(log, "open-at", 11, [], "en", [], ["read"], answer=20)
    descriptor(log, "read-via-stream", 20, 0, answer=21)
    log.call("a", 1, STREAMS, "[method]input-stream.read", [21, 9], {"ok": b"word"})
    descriptor(log, "open-at", 10, [], "x", [], ["read"], answer=22)
    account = log.audited()["a"]
    usage = account.grants["wasi:filesystem"].usage
    assert usage.facts() == {
        "directories": {"/data": {"reads": 1, "changes": 0}, "/words": {"reads": 3, "changes": 0}}
    }
    assert account.grants["wasi:filesystem"].least(LINKED) == {
        "preopens": [
            {"host": "/srv/data", "guest": "/data"},
            {"host": "/srv/words", "guest": "/words"},
        ]
    }
    # Once more, and something is written: through a stream of a file that is below it.
    log.call("a", 1, TYPES, OPEN, [10, [], "y", ["create"], ["write"]])
    log.add("a", 1, EventType.HOST_ANSWER, [{"ok": 23}], TYPES, OPEN)
    descriptor(log, "write-via-stream", 23, 0, answer=24)
    log.call("a", 1, STREAMS, "[method]output-stream.write", [24, b"x"])
    log.add("a", 1, EventType.HOST_ANSWER, [OK], STREAMS, "[method]output-stream.write")
    log.call("a", 1, STREAMS, "[method]output-stream.write", [2, b"a line"], OK)
    account = log.audited()["a"]
    assert account.wasi.by_name == {"wasi:io": 1}, "stdout is nobody's directory"
    least = account.grants["wasi:filesystem"].least(LINKED)
    assert least is not None and least["preopens"][0] == DATA


WEB = {"host": "*.example.com", "port": 443, "scheme": "https", "methods": ["GET", "PUT"]}
LOCAL = {"host": "localhost", "port": 80, "scheme": "http", "methods": ["GET"], "ca": ""}


def requested(log: Log, number: int, method: Any, authority: str, answer: Any) -> None:
    """A request is made and handed over."""
    sets = {"method": method, "scheme": "HTTPS", "authority": authority}
    for name, value in sets.items():
        log.call("a", 1, HTTP, f"[method]outgoing-request.set-{name}", [number, value], OK)
    log.call("a", 1, OUTGOING, "handle", [number, None], answer)


def test_requests_are_told_by_whom_they_went_to() -> None:
    log = Log()
    granted = {"allow": [WEB, LOCAL], "timeout": 5}
    log.created("a", {"wasi:http": granted})
    for number in (3, 4):
        requested(log, number, "get", "a.example.com", {"ok": 10 + number})
    requested(log, 5, "put", "a.example.com:443", {"ok": 15})
    requested(log, 6, "get", "b.example.com", {"ok": 16})
    requested(log, 7, "delete", "b.example.com", {"err": "HTTP-request-denied"})
    requested(log, 8, {"other": "PURGE"}, "x\x00", {"ok": 18})  # which no worker would say
    log.call("a", 1, HTTP, EXCHANGE, [13])
    told = [{"ok": {"ok": 19}}, [200, [], [], None]]
    log.add("a", 1, EventType.HOST_ANSWER, told, HTTP, EXCHANGE)
    grant = log.audited()["a"].grants["wasi:http"]
    assert grant.usage.told() == [
        "GET https://a.example.com:443: 2 requests",
        "GET https://b.example.com:443: 1 requests",
        "PUT https://a.example.com:443: 1 requests",
    ]
    assert grant.counts.refused == 1
    place = {"scheme": "https", "port": 443, "private": False}
    assert grant.least(LINKED) == {
        "allow": [
            {"host": "a.example.com", "methods": ["GET", "PUT"], **place},
            {"host": "b.example.com", "methods": ["GET"], **place},
        ],
        "timeout": 5,
    }
    assert grant.usage.facts()["requests"][0]["count"] == 2


def test_who_sends_no_request_needs_no_grant_for_it() -> None:
    log = Log()
    log.created("a", {"wasi:http": {"allow": [WEB]}})
    log.call("a", 1, HTTP, "[constructor]fields", [], 3)
    assert log.audited()["a"].grants["wasi:http"].least(LINKED) is None


def test_a_number_means_nothing_to_another_incarnation() -> None:
    log = Log()
    log.created("a", EVERYTHING)
    log.call("a", 1, "wasi:filesystem/preopens", "get-directories", [], [[10, "/data"]])
    descriptor(log, "open-at", 10, [], "x", [], ["read"], answer=20)
    log.add("a", 0, EventType.STARTED, {"component": "c0ffee"})
    descriptor(log, "write", 20, b"x", 0)
    usage = log.audited()["a"].grants["wasi:filesystem"].usage
    assert usage.facts()["directories"]["/data"]["changes"] == 0


def test_grants_are_those_that_there_are_last() -> None:
    log = Log()
    log.created("a", EVERYTHING)
    log.call("a", 1, RUNTIME, "log", ["x"], None)
    log.created("a", {"message-server": {}}, EventType.CHANGED)
    account = log.audited()["a"]
    assert account.changes == 1
    assert account.grants.keys() == {"message-server", "runtime"}
    assert account.grants["runtime"].granted is None and account.grants["runtime"].is_used


def test_a_handler_of_an_authors_own_is_counted_and_its_settings_stay() -> None:
    facts = {
        "interface": "demo:web/pages",
        "settings": {"base": "x"},
        "sha256": "",
        "functions": {},
    }
    log = Log()
    log.created(
        "a", {"handlers.py:Pages": facts, "handlers.py:Spare": {**facts, "interface": "d:e/f"}}
    )
    log.call("a", 1, "demo:web/pages", "fetch", ["/"])
    log.add("a", 1, EventType.HOST_ANSWER, [{"ok": b"x"}], "demo:web/pages", "fetch")
    grants = log.audited()["a"].grants
    assert grants["handlers.py:Pages"].counts.by_name == {"fetch": 1}
    assert grants["handlers.py:Pages"].least(LINKED) == {"base": "x"}
    assert grants["handlers.py:Spare"].least(LINKED) is None


@pytest.mark.parametrize(
    ("address", "template"),
    [
        ("w-3", "w-3"),
        ("pool/w-3", "pool/w"),
        ("pool/w-3/inner/x-7", "pool/w/inner/x"),
        ("pool/w-3/x-7", "pool/w/x-7"),
        ("pool/nonumber", "pool/nonumber"),
    ],
)
def test_an_instance_is_known_by_its_template(address: str, template: str) -> None:
    assert template_of(address, frozenset({"pool", "pool/w-3/inner"})) == template
    assert template_of(address, frozenset()) == address


def test_pools_are_told_from_the_facts_of_supervisors() -> None:
    simple = {"flags": {"strategy": "simple_one_for_one"}}
    chains = [("/", simple), ("pool", simple), ("shop", {"flags": {"strategy": "one_for_all"}})]
    assert list(pools([*chains, ("odd", {"flags": 3})])) == ["", "pool"]


def test_instances_of_a_pool_have_one_account() -> None:
    log = Log()
    for number in (1, 2):
        log.created(f"pool/w-{number}", EVERYTHING)
        log.call(f"pool/w-{number}", 1, MESSAGES, "send", [f"to-{number}", b""], OK)
    accounts = log.audited(pools=["pool"])
    assert accounts.keys() == {"pool/w"}
    account = accounts["pool/w"]
    assert account.actors == {"pool/w-1", "pool/w-2"} and account.changes == 0
    assert account.grants["message-server"].least(LINKED) == {"send_to": ["to-1", "to-2"]}


def test_a_manifest_has_what_was_used_and_what_must_be_granted_to_link() -> None:
    log = Log()
    for name in ("b", "shop/a", "shop/z", "shop/a/spawned"):
        log.created(name, EVERYTHING)
    log.call("shop/a", 1, MESSAGES, "send", ["b", b""], OK)
    accounts = log.audited().values()
    imports = frozenset({MESSAGES})
    lines = "\n".join(manifest_lines(accounts, lambda _sha256: imports))
    mute = {"type": "message-server", "send_to": []}
    assert tomllib.loads(lines) == {
        "child": [
            {"name": "b", "handler": [mute]},
            {
                "name": "shop",
                "child": [
                    {"name": "a", "handler": [{"type": "message-server", "send_to": ["b"]}]},
                    {"name": "z", "handler": [mute]},
                ],
            },
        ]
    }
    assert "# shop/a/spawned, which shop/a has spawned:" in lines
    assert "never called, but the component imports it" in lines
    # Where nobody knows what it imports, what links is kept, and what need not link is not.
    found = tomllib.loads("\n".join(manifest_lines(accounts, lambda _sha256: None)))
    assert found["child"][0]["handler"] == [mute, {"type": "runtime"}]


def test_a_hostile_log_does_not_make_it_grow_or_fail() -> None:
    log = Log()
    log.add("nobody", 1, EventType.HOST_CALL, [["x"], None], RUNTIME, "log")
    log.created("a", {"runtime": 3, "nonsense": {}, "message-server": {}})
    for number in range(FUNCTIONS_MAX + 10):
        log.call("a", 1, RUNTIME, f"f{number}", [], None)
        log.call("a", 1, f"wasi:{number}/x", "f", [], None)
    payloads: list[Any] = [[], None, 3, [[], None, 4], {"x": 1}]
    for payload in payloads:
        for type_ in EventType:
            log.add("a", 1, type_, payload, MESSAGES, "send")
    log.call("a", 1, "wasi:filesystem/preopens", "get-directories", [], [["x", 3], 7, None])
    log.call("a", 1, TYPES, OPEN, [], {"ok": "x"})
    account = log.audited()["a"]
    assert len(account.grants["runtime"].counts.by_name) == FUNCTIONS_MAX + 1
    assert account.grants["runtime"].counts.by_name[OTHERS] == 10
    assert len(account.wasi.by_name) == FUNCTIONS_MAX + 1
    manifest_lines([account], lambda _sha256: None)
