"""Processes of the system that hang, and requests that are none: nothing waits for ever."""

from __future__ import annotations

import os
import signal

import pytest

from tests.real.conftest import Theater, actor, eventually
from theater.errors import Refused


def test_a_hanging_zygote_is_replaced_when_something_was_asked_of_it(theater: Theater) -> None:
    system = theater.up(actor("a", extra="[child.limits]\nstart_timeout = 2\n"), actor("b"))
    zygote = system.info()["helpers"]["zygote"]
    os.kill(zygote, signal.SIGSTOP)
    pid = system.actor("a")["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: system.info()["helpers"]["zygote"] != zygote, "another zygote")
    system.wait_status("a", "running")
    assert system.request("a", b"echo on") == b"on"
    theater.note(system)


def test_killing_everything_does_not_wait_for_a_hanging_broker(theater: Theater) -> None:
    system = theater.up(actor("a"))
    os.kill(system.info()["helpers"]["broker"], signal.SIGSTOP)
    assert system.down(kill=True, timeout_s=30.0)


def test_text_that_nobody_could_write_down_is_refused(theater: Theater) -> None:
    pool = '[[child]]\nname = "p"\nsupervisor = { strategy = "simple_one_for_one" }\n' + actor(
        "w"
    ).replace("[child", "[child.child")
    system = theater.up(pool, actor("a"))
    ask = system._control.ask
    for args in (["\ud800"], ["a\0b"], "x", [1]):
        with pytest.raises(Refused, match="UTF-8"):
            ask("start_instance", pool="p", args=args)
    with pytest.raises(Refused, match="string in UTF-8"):
        ask("stop", actor="\ud800")
    assert system.request("a", b"echo on") == b"on"
