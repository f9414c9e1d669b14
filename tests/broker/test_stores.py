"""Stores: what a step may say of them, what it changes, and what is answered before it is written.

In the histories the workers' side is the real handler, with real files.
"""

from __future__ import annotations

import copy
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.broker.logged import order
from tests.broker.pretend import PretendedWorker, commit, make_turns
from tests.broker.whole import Whole, give
from theater.broker.book import ToWorker
from theater.broker.turns import Turns
from theater.calls import STORE
from theater.errors import ProtocolError
from theater.events import EventType, content_hash
from theater.stores import UNFINISHED, Access, hash_of
from theater.worker.contents import Contents
from theater.worker.handlers import ASK
from theater.worker.handlers.store import Store

OK = {"ok": None}
LONG = b"long " * 1000
SETTINGS = {"shared": ["s"], "read_only": ["r"]}


def ref(content: bytes) -> dict[str, str]:
    return {"hash": hash_of(content)}


def begun(granted: bool = True) -> tuple[Turns, PretendedWorker]:
    """A turn has begun; its next event has the index 1."""
    turns = make_turns("a", stores=Access.of("a", SETTINGS) if granted else None)
    turns.deliver_from_client("a", b"go", "send", "id-1")
    worker = PretendedWorker(turns, turns.actors["a"])
    worker.take()
    worker.begin()
    return turns, worker


def call(worker: PretendedWorker, function: str, arguments: list[Any], *answer: Any) -> None:
    assert worker.record is not None
    worker.record.add(EventType.HOST_CALL, STORE, function, [arguments, *answer])


@pytest.mark.parametrize(
    ("function", "arguments", "answer"),
    [
        ("new", [], {"ok": "a:1:1"}),
        ("store", ["s", b"x"], {"ok": ref(b"x")}),
        ("store", ["s", LONG], {"ok": ref(LONG)}),
        ("store", ["a:9:9", b"x"], {"ok": ref(b"x")}),
        ("get", ["r", ref(b"x")], {"ok": b"x"}),
        ("get", ["r", ref(LONG)], {"ok": LONG}),
        ("exists", ["r", ref(b"x")], {"ok": False}),
        ("label", ["s", "l", ref(b"x")], OK),
        ("remove-label", ["s", "l"], OK),
        ("remove-from-label", ["s", "l", ref(b"x")], OK),
        ("store-at-label", ["s", "l", b"x"], {"ok": ref(b"x")}),
        # Refused: whatever was asked for.
        ("store", ["nobody", b"x"], {"err": "refused: "}),
        ("label", ["s", "l", {"hash": "no"}], {"err": "refused: "}),
        ("list-labels", ["nobody"], {"err": "refused: "}),
    ],
)
def test_what_a_worker_may_say(function: str, arguments: list[Any], answer: Any) -> None:
    _, worker = begun()
    call(worker, function, arguments, answer)
    worker.end(None)


@pytest.mark.parametrize(
    ("function", "arguments", "answer", "why"),
    [
        ("new", [], {"ok": "a:1:2"}, "not called after the call that made it"),
        ("new", [], {"ok": "b:1:1"}, "not called after the call that made it"),
        ("store", ["nobody", b"x"], {"ok": ref(b"x")}, "does not grant"),
        ("store", ["b:1:1", b"x"], {"ok": ref(b"x")}, "does not grant"),
        ("store", ["r", b"x"], {"ok": ref(b"x")}, "read-only"),
        ("store", ["s", b"x"], {"ok": ref(b"y")}, "not the hash of the content"),
        ("store", ["s", LONG], {"ok": ref(b"y")}, "not the hash of the content"),
        ("store", ["s", b"x"], {"ok": {**ref(b"x"), "more": 1}}, "not the hash of the content"),
        ("store", ["s", b"x"], OK, "not the hash of the content"),
        ("store", ["s", "x"], {"ok": ref(b"x")}, ""),
        ("store", ["s"], {"ok": ref(b"x")}, ""),
        ("store", ["s", b"x", b"y"], {"ok": ref(b"x")}, "no arguments"),
        ("store", [1, b"x"], {"ok": ref(b"x")}, "no arguments"),
        ("store", ["s", None], {"ok": ref(b"x")}, ""),
        ("get", ["s", ref(b"x")], {"ok": b"y"}, "not the one of this hash"),
        ("get", ["s", ref(b"x")], {"ok": LONG}, "not the one of this hash"),
        ("get", ["s", ref(b"x")], OK, ""),
        ("get", ["nobody", ref(b"x")], {"ok": b"x"}, "does not grant"),
        ("get", ["s", {"hash": "../x"}], {"ok": b"x"}, "is not the hash"),
        ("exists", ["nobody", ref(b"x")], {"ok": True}, "does not grant"),
        ("exists", ["s", ref(b"x")], {"ok": b"yes"}, "no answer of exists"),
        ("label", ["s", "l", ref(b"x")], {"ok": "done"}, "no answer of label"),
        ("label", ["r", "l", ref(b"x")], OK, "read-only"),
        ("label", ["s", "", ref(b"x")], OK, "cannot be empty"),
        ("label", ["s", "x" * 256, ref(b"x")], OK, "256 bytes"),
        ("label", ["s", "a\nb", ref(b"x")], OK, "control character"),
        ("label", ["s", b"l", ref(b"x")], OK, "no arguments"),
        ("label", ["s", None, ref(b"x")], OK, "no arguments"),
        ("label", ["s", "l", {"hash": "X" * 64}], OK, "is not the hash"),
        ("label", ["s", "l", "x"], OK, ""),
        ("label", ["s", "l", None], OK, ""),
        ("remove-label", ["r", "l"], OK, "read-only"),
        ("remove-from-label", ["s", "l", {}], OK, ""),
        ("store-at-label", ["r", "l", b"x"], {"ok": ref(b"x")}, "read-only"),
        ("replace-content-at-label", ["s", "", b"x"], {"ok": ref(b"x")}, "cannot be empty"),
        ("list-labels", ["s"], {"ok": []}, "answered by nobody who can"),
        ("get-by-label", ["s", "l"], OK, "answered by nobody who can"),
        ("forget", ["s"], OK, "answered by nobody who can"),
        ("forget", ["s"], None, "is not an ask"),
        ("store", ["s", b"x"], None, "is not an ask"),
        ("list-labels", ["nobody"], None, "does not grant"),
        ("list-labels", ["s", "more"], None, "no arguments"),
        ("get-by-label", ["s", "\n"], None, "control character"),
        ("get-by-label", ["s"], None, ""),
    ],
)
def test_what_no_worker_says_ends_it(
    function: str, arguments: list[Any], answer: Any, why: str
) -> None:
    turns, worker = begun()
    call(worker, function, arguments, *([] if answer is None else [answer]))
    with pytest.raises(ProtocolError, match=why or None):
        worker.end(None) if answer is not None else worker.commit()
    assert not turns.batch.contents and not turns.batch.labels and not turns.batch.events


@pytest.mark.parametrize("function", ["new", "store", "get", "label", "list-labels"])
def test_without_the_handler_nothing_may_be_said(function: str) -> None:
    _, worker = begun(granted=False)
    call(worker, function, [], {"ok": "a:1:1"})
    with pytest.raises(ProtocolError):
        worker.end(None)


@pytest.mark.parametrize("function", ["new", "exists", "store"])
def test_no_store_is_used_before_the_call(function: str) -> None:
    turns = make_turns("a", stores=Access.of("a", SETTINGS))
    turns.deliver_from_client("a", b"go", "send", "id-1")
    worker = PretendedWorker(turns, turns.actors["a"])
    worker.take()
    worker.begin((EventType.HOST_CALL, STORE, function, [["s", ref(b"x")], {"ok": True}]))
    with pytest.raises(ProtocolError, match="before the turn's call"):
        worker.end(None)


def ask(turns: Turns, worker: PretendedWorker, function: str, *arguments: Any) -> Any:
    call(worker, function, list(arguments))
    worker.commit()
    answers = [
        item.message[3]
        for item in turns.out
        if isinstance(item, ToWorker) and item.message[0] == "answer"
    ]
    assert worker.record is not None
    worker.record.answered(STORE, function, answers[-1])
    return answers[-1]


def test_an_ask_sees_what_its_turn_has_done_and_nothing_is_written_yet() -> None:
    turns, worker = begun()
    call(worker, "store-at-label", ["s", "l", b"x"], {"ok": ref(b"x")})
    call(worker, "label", ["s", "m", ref(b"x")], OK)
    assert ask(turns, worker, "get-by-label", "s", "l") == {"ok": ref(b"x")}
    call(worker, "remove-label", ["s", "l"], OK)
    call(worker, "remove-from-label", ["s", "m", ref(b"y")], OK)
    assert ask(turns, worker, "list-labels", "s") == {"ok": ["m"]}
    assert ask(turns, worker, "list-labels", "r") == {"ok": []}
    assert ask(turns, worker, "list-all-content", "s") == {"ok": [ref(b"x")]}
    assert ask(turns, worker, "calculate-total-size", "s") == {"ok": 1}
    call(worker, "remove-from-label", ["s", "m", ref(b"x")], OK)
    assert ask(turns, worker, "get-by-label", "s", "m") == OK
    worker.end(None)
    batch = commit(turns)
    first = batch.events[1][0]  # of the second event: the first is the call
    assert batch.contents == {"s": {content_hash(b"x"): (1, first)}}
    assert batch.labels == {"s": {"l": None, "m": None}}
    assert {row[3:] for row in batch.asks} >= {("get-by-label", None, None)}


def test_a_list_that_is_too_long_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("theater.storecalls", "theater.broker.stores"):
        monkeypatch.setattr(f"{module}.LIST_MAX", 3)
    turns, worker = begun()
    for number in range(3):
        content = b"%d" % number
        call(worker, "store-at-label", ["s", str(number), content], {"ok": ref(content)})
    assert ask(turns, worker, "list-labels", "s") == {"ok": ["0", "1", "2"]}
    assert len(ask(turns, worker, "list-all-content", "s")["ok"]) == 3
    call(worker, "store-at-label", ["s", "3", b"3"], {"ok": ref(b"3")})
    for function, what in (("list-labels", "labels"), ("list-all-content", "contents")):
        expected = f'too-large: store "s" has more than 3 {what} to list'
        assert ask(turns, worker, function, "s") == {"err": expected}


# Histories


@dataclass
class Model:
    """Stores, the plain way."""

    contents: dict[str, dict[str, int]] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)

    def do(self, function: str, store: str, *rest: Any) -> None:
        labels = self.labels.setdefault(store, {})
        if function in ("store", "store-at-label", "replace-content-at-label"):
            hash = hash_of(rest[-1])
            self.contents.setdefault(store, {})[hash] = len(rest[-1])
            if len(rest) == 2:
                labels[rest[0]] = hash
        elif function in ("label", "replace-at-label"):
            labels[rest[0]] = rest[1]["hash"]
        elif function == "remove-label" or labels.get(rest[0]) == rest[1]["hash"]:
            labels.pop(rest[0], None)

    def answer(self, function: str, store: str, *rest: Any) -> Any:
        labels, contents = self.labels.get(store, {}), self.contents.get(store, {})
        match function:
            case "get-by-label":
                hash = labels.get(rest[0])
                return {"ok": None if hash is None else {"hash": hash}}
            case "list-labels":
                return {"ok": sorted(labels)}
            case "list-all-content":
                return {"ok": [{"hash": hash} for hash in sorted(contents)]}
        return {"ok": sum(contents.values())}


class History:
    """Two actors with a store in common, one that only reads it, and stores of their own."""

    names = ("a", "b", "c")
    grants = ({"shared": ["s"]}, {"shared": ["s", "t"]}, {"read_only": ["s"], "shared": ["t"]})

    def __init__(self, directory: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.directory = directory
        self.met: Counter[str] = Counter()
        (directory / "store" / UNFINISHED).mkdir(parents=True)
        self.orders = [
            order(name, grants={"message-server": {}, "store": settings})
            for name, settings in zip(self.names, self.grants, strict=True)
        ]
        self.model = Model()  # as decided; `written` is as it is on the disk
        self.pending: dict[str, list[tuple[str, list[Any]]]] = {}
        self.system = Whole(directory, *self.orders)
        self.handlers: dict[str, Store] = {}
        self.contents: list[Contents] = []
        for name in self.names:
            self.system.start(name)
            self._handler(name)
        self.stores = ["s", "t", *(f"{name}:1:1" for name in self.names), "nobody"]
        self.written = copy.deepcopy(self.model)

    def close(self) -> None:
        for contents in self.contents:
            os.close(contents._root)
            os.close(contents._workshop)

    def _handler(self, name: str) -> None:
        contents = Contents(str(self.directory / "store"), name, False)
        contents.open()
        self.contents.append(contents)

        def key() -> str:
            record = self.system.workers[name].record
            assert record is not None
            return record.key(record.index)

        access = Access.of(name, self.grants[self.names.index(name)])
        self.handlers[name] = Store(access, contents, 1 << 20, key)

    def moment(self) -> None:
        name = self.dice.choice(self.names)
        worker = self.system.workers.get(name)
        if worker is None:
            self._write()
            self.system.expect(name)
        elif worker.record is None:
            if worker.inputs:
                worker.begin()
            else:
                self._write()
                give(self.system, name)
            self.pending[name] = []
        else:
            self._in_turn(name, worker)

    def _in_turn(self, name: str, worker: PretendedWorker) -> None:
        match self.dice.random():
            case chance if chance < 0.72:
                self._call(name, worker)
            case chance if chance < 0.88:
                worker.end(b"s")
                self._take_effect(name)
                self.met["ended"] += 1
            case chance if chance < 0.93:
                self._write()
                self.system.kill(name)
                self.pending[name] = []
                self.met["killed"] += 1
            case chance if chance < 0.96:
                self._write()
            case _:
                self.system = self.system.again(*self.orders)  # all dies at once
                self.model = copy.deepcopy(self.written)
                self.pending.clear()
                for each in self.names:
                    self.system.expect(each)
                self.met["all died"] += 1

    def _write(self) -> None:
        self.system.step()
        self.written = copy.deepcopy(self.model)

    def _take_effect(self, name: str) -> None:
        for function, arguments in self.pending[name]:
            self.model.do(function, *arguments)
        self.pending[name] = []

    def _call(self, name: str, worker: PretendedWorker) -> None:
        dice = self.dice
        store = dice.choice(self.stores)
        label = dice.choice(["l", "m", "ä"])
        content = dice.choice([b"", b"x", b"y", LONG])
        calls: list[tuple[str, list[Any]]] = [
            ("new", []),
            ("store", [store, content]),
            ("get", [store, ref(content)]),
            ("exists", [store, ref(content)]),
            ("label", [store, label, ref(content)]),
            ("replace-at-label", [store, label, ref(content)]),
            ("remove-label", [store, label]),
            ("remove-from-label", [store, label, ref(content)]),
            ("store-at-label", [store, label, content]),
            ("replace-content-at-label", [store, label, content]),
            ("get-by-label", [store, label]),
            ("list-labels", [store]),
            ("list-all-content", [store]),
            ("calculate-total-size", [store]),
        ]
        function, arguments = dice.choice(calls)
        answer = self.handlers[name].call(function, list(arguments))
        if answer is ASK:
            found = ask(self.system.turns, worker, function, *arguments)
            self._take_effect(name)  # what the turn has done before comes first
            assert found == self.model.answer(function, *arguments), (function, arguments)
            self.met["asked"] += 1
            return
        call(worker, function, arguments, answer)
        if "err" in answer:
            self.met[answer["err"].partition(":")[0]] += 1
            return
        self.met["done"] += 1
        if function == "get":
            assert answer["ok"] == content
        elif function not in ("new", "exists"):
            self.pending[name].append((function, arguments))

    def check(self) -> None:
        self._write()
        for store in self.stores:
            rows = self.system.query(f"SELECT label, hash FROM labels WHERE store = '{store}'")
            assert {label: hash.hex() for label, hash in rows} == self.model.labels.get(store, {})
            rows = self.system.query(f"SELECT hash, size FROM contents WHERE store = '{store}'")
            assert {hash.hex(): size for hash, size in rows} == self.model.contents.get(store, {})
        assert self.system.problems() == []


@pytest.mark.parametrize("seed", range(12))
def test_any_history_is_that_of_a_plain_model(tmp_path: Path, seed: int) -> None:
    history = History(tmp_path, seed)
    try:
        for _ in range(500):
            history.moment()
        history.check()
    finally:
        history.close()
    met = {"asked", "done", "ended", "killed", "all died", "refused", "no-content"}
    assert met <= history.met.keys(), history.met
