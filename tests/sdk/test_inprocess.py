"""An actor's class in a unit test behaves as in Theater."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from theater_actor import (
    LATER,
    Actor,
    Channel,
    Message,
    NotDone,
    cancel,
    log,
    me,
    open_channel,
    outstanding,
    request,
    respond,
    send,
    shutdown,
)

from theater.testing import InProcess


@dataclass
class State:
    told: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


class Clerk(Actor):
    state: State

    def on_start(self) -> None:
        log(f"{me()} is here")

    def on_message(self, message: Message) -> None:
        self.lost = True  # an attribute is no state
        match message.text.split():
            case ["fail"]:
                self.state.told.append("never")
                send("ledger", "never")
                raise ValueError("on purpose")
            case ["ask-then-fail"]:
                send("ledger", "before the ask")
                request("prices", "tea")
                send("ledger", "after it")
                raise ValueError("on purpose")
            case ["answer", text]:
                for each in self.state.waiting:
                    respond(each, text)
                self.state.waiting.clear()
            case ["cancel"]:
                for each in outstanding():
                    cancel(each)
            case ["stop"]:
                shutdown({"sold": 3})
            case ["channel"]:
                channel = open_channel("ledger", "may I?")
                channel.send("thanks")
                channel.close()
            case [item]:
                price = request("prices", item).json()
                self.state.told.append(f"{item} {price}")
                send("ledger", {"item": item, "price": price})

    def on_request(self, message: Message, request: str) -> Any:
        if message == b"later":
            self.state.waiting.append(request)
            return LATER
        return {"told": self.state.told, "lost": hasattr(self, "lost")}

    def on_channel_open(self, channel: Channel, message: Message) -> Any:
        return "welcome" if message == b"please" else False

    def on_channel_message(self, channel: Channel, message: Message) -> None:
        self.state.told.append(message.text)
        channel.send(message)


@pytest.fixture
def clerk() -> InProcess:
    return InProcess(Clerk, address="shop/clerk", answers={"prices": lambda item: len(item)})


def test_it_starts_asks_sends_and_remembers(clerk: InProcess) -> None:
    clerk.message("tea")
    clerk.message(b"bread")
    assert clerk.logged == ["shop/clerk is here"]
    assert clerk.asked == [("prices", b"tea"), ("prices", b"bread")]
    assert [(to, body.json()) for to, body in clerk.sent] == [
        ("ledger", {"item": "tea", "price": 3}),
        ("ledger", {"item": "bread", "price": 5}),
    ]
    assert clerk.state == State(told=["tea 3", "bread 5"])
    answer = clerk.request("?")
    assert answer is not None and answer.json() == {"told": ["tea 3", "bread 5"], "lost": False}


def test_a_turn_that_raises_has_not_happened_but_for_what_came_before_its_last_ask(
    clerk: InProcess,
) -> None:
    for message in ("fail", "ask-then-fail"):
        with pytest.raises(ValueError, match="on purpose"):
            clerk.message(message)
    assert clerk.sent == [("ledger", b"before the ask")]
    assert clerk.state == State()


def test_an_answer_may_come_later_or_never(clerk: InProcess) -> None:
    assert clerk.request("later") is None
    (first,) = clerk.outstanding
    clerk.message("answer yes")
    assert clerk.responded == {first: b"yes"} and clerk.outstanding == []
    clerk.request("later")
    clerk.message("cancel")
    assert list(clerk.responded.values()) == [b"yes", None]


def test_what_others_answer_may_be_an_error(clerk: InProcess) -> None:
    clerk.answers["prices"] = NotDone("timeout: no answer from prices within 5 s")
    with pytest.raises(NotDone) as caught:
        clerk.message("tea")
    assert caught.value.kind == "timeout"
    del clerk.answers["prices"]
    with pytest.raises(NotDone, match="no-actor"):
        clerk.message("tea")


def test_channels_are_opened_refused_and_used(clerk: InProcess) -> None:
    assert clerk.open_channel("no") == (None, None)
    channel, first = clerk.open_channel("please")
    assert channel is not None and first == b"welcome"
    clerk.channel_message(channel, "hello")
    assert clerk.said == [(channel.id, b"hello")] and clerk.state.told == ["hello"]
    clerk.answers["ledger"] = b""
    clerk.message("channel")
    (_, (opened, said)) = clerk.said
    assert said == b"thanks" and clerk.closed == [opened]


def test_one_that_has_shut_down_takes_nothing_more(clerk: InProcess) -> None:
    clerk.message("stop")
    assert clerk.shut_down is not None and clerk.shut_down.json() == {"sold": 3}
    with pytest.raises(RuntimeError, match="has shut down"):
        clerk.message("tea")


def test_a_method_that_is_not_there_is_named() -> None:
    class Deaf(Actor):
        pass

    with pytest.raises(NotImplementedError, match="Deaf takes no messages: it has no on_message"):
        InProcess(Deaf).message("x")


def test_an_older_state_is_upgraded() -> None:
    @dataclass
    class New:
        names: list[str] = field(default_factory=list)

    class Grown(Actor):
        state: New

        def upgrade(self, stored: Any) -> Any:
            if "name" in stored:
                stored["names"] = [stored.pop("name")]
            return stored

        def on_message(self, message: Message) -> None:
            self.state.names.append(message.text)

    Grown.__annotations__["state"] = New  # of a class in a function, by itself
    actor = InProcess(Grown, b'{"name": "ann"}')
    actor.message("bob")
    assert actor.state == New(["ann", "bob"])


def test_outside_of_any_actor_the_functions_say_where_they_work() -> None:
    with pytest.raises(RuntimeError, match="there is no Theater here"):
        log("x")
