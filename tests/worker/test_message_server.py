"""What a worker knows of requests and channels, and what it answers its guest."""

from __future__ import annotations

from typing import Any

import pytest

from theater.worker.handlers import ASK
from theater.worker.handlers.message_server import MessageServer

OK = {"ok": None}


@pytest.fixture
def server() -> MessageServer:
    return MessageServer("a", ("b",), 10, set())


def outstanding(server: MessageServer) -> Any:
    return server.call("list-outstanding-requests", [])


def respond(server: MessageServer, id: str) -> Any:
    return server.call("respond-to-request", [id, b"x"])


def say(server: MessageServer, id: str) -> Any:
    return server.call("send-on-channel", [id, b"x"])


def test_a_request_is_outstanding_from_its_call_until_it_is_answered(
    server: MessageServer,
) -> None:
    server.stand(["b:1:1"], [], 0)
    server.begin(1, "request", "b:2:1")
    assert outstanding(server) == ["b:1:1", "b:2:1"]
    assert respond(server, "b:1:1") == OK
    assert respond(server, "b:1:1") == {"err": "refused: no outstanding request b:1:1"}
    server.end("request", "b:2:1", [None, [None]])
    assert outstanding(server) == ["b:2:1"]
    server.begin(2, "request", "b:3:1")
    server.end("request", "b:3:1", [None, [b"reply"]])
    assert outstanding(server) == ["b:2:1"]
    assert server.call("cancel-request", ["b:2:1"]) == OK and outstanding(server) == []


def test_it_asks_for_a_channel_and_learns_of_it_from_the_broker(server: MessageServer) -> None:
    assert server.call("open-channel", ["b", b"hi"]) is ASK
    assert server.call("open-channel", ["c", b"hi"])["err"].startswith("refused: ")
    assert say(server, "a:1:1") == {"err": "refused: no open channel a:1:1"}
    server.channel("a:1:1", True)
    assert say(server, "a:1:1") == OK
    assert server.call("close-channel", ["a:1:1"]) == OK
    for function in ("send-on-channel", "close-channel"):
        assert "err" in server.call(function, ["a:1:1", b"x"])


def test_one_that_it_accepts_is_open_when_the_turn_has_ended(server: MessageServer) -> None:
    server.begin(1, "channel-open", "b:1:1")
    assert "err" in say(server, "b:1:1")
    server.end("channel-open", "b:1:1", [None, [{"accepted": True, "message": None}]])
    assert say(server, "b:1:1") == OK
    server.begin(2, "channel-close", "b:1:1")
    assert "err" in say(server, "b:1:1")
    server.begin(3, "channel-open", "b:2:1")
    server.end("channel-open", "b:2:1", [None, [{"accepted": False, "message": None}]])
    assert "err" in say(server, "b:2:1")


def test_what_the_broker_has_closed_or_settled_it_does_not_use(server: MessageServer) -> None:
    server.stand(["b:1:1"], ["b:1:2"], 0)
    server.settled("b:1:1")
    server.channel("b:1:2", False)
    assert "err" in respond(server, "b:1:1") and "err" in say(server, "b:1:2")


def test_sizes_are_those_of_messages(server: MessageServer) -> None:
    server.stand(["b:1:1"], ["b:1:2"], 0)
    for function, id in (("respond-to-request", "b:1:1"), ("send-on-channel", "b:1:2")):
        answer = server.call(function, [id, b"x" * 11])
        assert answer == {"err": "too-large: 11 bytes; a message has at most 10"}
    assert outstanding(server) == ["b:1:1"]


def test_a_new_broker_knows_what_it_has_committed_and_no_more(server: MessageServer) -> None:
    server.stand([], [], 0)
    for turn in (1, 2):
        server.begin(turn, "request", f"b:{turn}:1")
        server.end("request", f"b:{turn}:1", [None, [None]])
    for turn in (3, 4):
        server.begin(turn, "channel-open", f"b:{turn}:1")
        server.end("channel-open", f"b:{turn}:1", [None, [{"accepted": True, "message": None}]])
    server.begin(5, "send", "")
    server.channel("a:5:1", True)
    server.call("close-channel", ["a:5:1"])
    # The first of each has been settled, which nobody has told: the old broker was dying.
    server.stand([], ["a:5:1", "a:5:9"], 1)
    assert outstanding(server) == ["b:2:1"]
    assert say(server, "b:3:1") == say(server, "b:4:1") == OK
    assert say(server, "a:5:9") == OK, "opened, and the old broker could not tell"
    assert "err" in say(server, "a:5:1"), "closed here, which the broker does not know yet"
    server.acknowledged(5)  # a step of the turn in which it closed, maybe one before that
    server.stand([], ["a:5:1", "b:4:1"], 4)
    assert "err" in say(server, "a:5:1")
    server.stand([], ["b:4:1"], 4)
    assert outstanding(server) == [] and "err" in say(server, "b:3:1")
    server.acknowledged(6)
    assert say(server, "b:4:1") == OK


def test_it_learns_from_a_journal_what_was_done_and_not_what_was_opened(
    server: MessageServer,
) -> None:
    server.stand(["b:1:1", "b:1:2", "b:1:3"], ["b:1:4", "b:1:5"], 3)
    server.begin(3, "request", "b:3:1")
    server.replayed("respond-to-request", ["b:1:1", b"x"], OK)
    server.replayed("respond-to-request", ["b:1:2", b"x"], {"err": "refused: ..."})
    server.replayed("cancel-request", ["b:1:3"], OK)
    server.replayed("close-channel", ["b:1:4"], OK)
    server.replayed("send-on-channel", ["b:1:5", b"x"], OK)
    server.replayed("open-channel", ["b", b"x"], {"ok": "a:3:1"})  # it may be closed again
    server.replayed("list-outstanding-requests", [], ["b:1:1"])
    server.replayed("respond-to-request", ["b:1:1", b"x"], OK)
    assert outstanding(server) == ["b:1:2", "b:3:1"]
    assert say(server, "b:1:5") == OK
    assert "err" in say(server, "b:1:4") and "err" in say(server, "a:3:1")
