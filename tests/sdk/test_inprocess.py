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
    clear_timer,
    log,
    me,
    now,
    open_channel,
    outstanding,
    request,
    respond,
    send,
    set_interval,
    set_timeout,
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


@dataclass
class Ticked:
    ticks: list[str] = field(default_factory=list)
    times: list[int] = field(default_factory=list)


class Alarm(Actor):
    state: Ticked

    def on_start(self) -> None:
        set_interval("often", 100)

    def on_message(self, message: Message) -> None:
        match message.text.split():
            case ["once", name, ms]:
                set_timeout(name, int(ms))
            case ["often", name, ms]:
                set_interval(name, int(ms))
            case ["clear", name]:
                clear_timer(name)
            case ["fail"]:
                set_timeout("never", 1)
                raise ValueError("on purpose")

    def on_tick(self, timer: str) -> None:
        self.state.ticks.append(timer)
        self.state.times.append(now())
        if timer == "again" and len(self.state.ticks) < 3:
            set_timeout("again", 10)
        if timer == "bad":
            raise ValueError("on purpose")


def test_timers_go_off_in_order_when_time_passes() -> None:
    alarm = InProcess(Alarm)
    begun = alarm.now_ms
    alarm.message("once soon 250")
    alarm.wait(99)
    assert alarm.state.ticks == []
    alarm.wait(251)
    assert alarm.state.ticks == ["often", "often", "soon", "often"]
    assert alarm.state.times == [begun + ms for ms in (100, 200, 250, 300)]
    assert alarm.now_ms == begun + 350 and set(alarm.timers) == {"often"}


def test_a_timer_is_set_with_its_turn_replaced_by_its_name_and_cleared() -> None:
    alarm = InProcess(Alarm)
    with pytest.raises(ValueError, match="on purpose"):
        alarm.message("fail")
    alarm.message("once often 50")
    alarm.message("once again 5")
    alarm.message("clear unknown")
    alarm.wait(1000)
    assert alarm.state.ticks == ["again", "again", "again", "often"] and alarm.timers == {}
    alarm.message("often x 10")
    alarm.message("clear x")
    alarm.wait(1000)
    assert len(alarm.state.ticks) == 4


@pytest.mark.parametrize("text", ["often x 9", f"once x {1 << 53}", f"once {'x' * 256} 1"])
def test_a_timer_that_is_refused_raises(text: str) -> None:
    alarm = InProcess(Alarm)
    with pytest.raises(NotDone) as error:
        alarm.message(text)
    assert error.value.kind == "refused" and set(alarm.timers) == {"often"}


def test_a_tick_that_fails_raises_and_its_timer_is_over() -> None:
    alarm = InProcess(Alarm)
    alarm.message("once bad 1")
    with pytest.raises(ValueError, match="on purpose"):
        alarm.wait(10)
    assert set(alarm.timers) == {"often"} and alarm.state.ticks == []


def test_an_actor_without_on_tick_says_so() -> None:
    class Deaf(Actor):
        def on_start(self) -> None:
            set_timeout("x", 1)

    with pytest.raises(NotImplementedError, match="Deaf takes no ticks: it has no on_tick"):
        InProcess(Deaf).wait(1)
