"""Starting and stopping a loop in a worker, and what a package answers a round with."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from tests.worker.guests import FUEL, FakeHost
from tests.worker.packages import COMPONENTS, start
from theater.calls import ACTOR, CLIENT, LOOP, LOOP_CLIENT
from theater.pack.codec import encode
from theater.worker.export import check_sizes
from theater.worker.failure import GuestFailure
from theater.worker.handlers.loop import Loop
from theater.worker.package import Package

OK = {"ok": None}
WAT = (COMPONENTS / "pack-loop.wat").read_text()


def loop(takes_rounds: bool = True) -> Loop:
    return Loop(lambda: takes_rounds, 5)


def test_a_loop_is_started_and_stopped_whether_there_is_one_or_not() -> None:
    handler = loop()
    assert handler.call("stop-loop", []) == OK
    assert handler.call("start-loop", [b"12345"]) == OK == handler.call("start-loop", [b""])
    assert handler.call("stop-loop", []) == OK
    with pytest.raises(LookupError):
        handler.call("pause-loop", [])


def test_what_no_loop_can_be_is_refused() -> None:
    long = loop().call("start-loop", [b"123456"])
    assert long == {"err": "too-large: 6 bytes; a loop state has at most 5"}
    error = "refused: the package does not export theater:simple/loop-client.loop"
    assert loop(takes_rounds=False).call("start-loop", [b"1"]) == {"err": error}
    assert loop(takes_rounds=False).call("stop-loop", []) == OK


def at(number: int, last: int, letter: bytes) -> bytes:
    return struct.pack("<II", number, last) + letter


def state(count: int) -> bytes:
    return encode(struct.pack("<I", count))


@pytest.fixture
def host() -> FakeHost:
    return FakeHost(lambda function, _args: {"ok": b"pong"} if function == "request" else OK)


@pytest.fixture
def package(host: FakeHost) -> Package:
    return start(WAT, host)


def round(package: Package, number: int, last: int, letter: bytes) -> Any:
    given = [state(number), [at(number, last, letter)]]
    return package.call(LOOP_CLIENT, "loop", given, FUEL)[0]


def test_a_package_starts_and_stops_its_loop(package: Package, host: FakeHost) -> None:
    assert package.call(ACTOR, "init", [None, ["a"]], FUEL)[0] == {"ok": [state(0)]}
    for request in (b"s" + at(0, 3, b"."), b"x"):
        answer, _ = package.call(CLIENT, "handle-request", [state(0), ["id", request]], FUEL)
        assert answer == {"ok": [state(0), [b""]]}
    assert host.calls == [(LOOP, "start-loop", [at(0, 3, b".")]), (LOOP, "stop-loop", [])]


@pytest.mark.parametrize(
    ("number", "letter", "answer"),
    [
        (0, b".", {"ok": at(1, 2, b".")}),
        (1, b".", {"err": "done"}),
        (1, b"x", {"ok": at(2, 2, b"x")}),
        (1, b"q", {"err": "done"}),
        (1, b"n", {"err": "it answered (), which is no variant of ok and err"}),
    ],
)
def test_a_round_leaves_the_next_state_or_why_there_is_none(
    package: Package, number: int, letter: bytes, answer: Any
) -> None:
    assert round(package, number, 2, letter) == {"ok": [state(number + 1), [answer]]}


def test_a_result_is_no_variant(package: Package) -> None:
    (answer,) = round(package, 1, 2, b"r")["ok"][1]
    assert answer["err"].startswith("it answered ok<")


def test_a_round_can_fail(package: Package) -> None:
    assert round(package, 1, 2, b"e") == {"err": "not today"}
    given = [state(1), [at(0, 2, b".")]]
    failed = package.call(LOOP_CLIENT, "loop", given, FUEL)[0]
    assert failed == {"err": "a round came twice, or never"}
    with pytest.raises(GuestFailure, match="unreachable"):
        round(package, 1, 2, b"t")


def test_a_next_state_is_no_larger_than_a_message() -> None:
    check_sizes("loop", [b"", [{"ok": b"12345"}]], 1, 5, 5)
    check_sizes("loop", [b"", [{"err": "too many words"}]], 1, 5, 5)
    with pytest.raises(GuestFailure, match="the answer has 6 bytes; the limit is 5"):
        check_sizes("loop", [b"", [{"ok": b"123456"}]], 1, 5, 5)
