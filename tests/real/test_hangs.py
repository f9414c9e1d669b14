"""Processes of the system that hang, and requests that are none: nothing waits for ever."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.real.conftest import COMPONENTS, Theater, actor
from tests.waiting import WAIT_S, eventually
from theater.client import System
from theater.errors import NotRunning, Refused
from theater.events import decode


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
    assert system.down(kill=True, timeout_s=WAIT_S)


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


def test_a_hanging_broker_is_replaced_when_it_owes_something(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"))
    broker = system.info()["helpers"]["broker"]
    pid = system.actor("a")["pid"]
    os.kill(broker, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: system.info()["helpers"]["broker"] != broker, "another broker")
    eventually(lambda: system.actor("a")["pid"] not in (None, pid), "another worker")
    assert system.request("a", b"echo on") == b"on"
    assert system.actor("b")["incarnation"] == 1
    told = "SELECT bytes FROM events WHERE type = 'decided' ORDER BY seq"
    decided = [decode(row[0]).payload for row in system.log.query(told)]
    assert {"decision": "replaced", "helper": "broker", "reason": "killed by SIGKILL"} in decided
    theater.note(system)


def test_components_that_nobody_needs_any_more_are_closed(theater: Theater, tmp_path: Path) -> None:
    system = theater.up(actor("a"))
    root = psutil.Process(system.info()["pid"])
    more = tmp_path / "more.toml"

    def add(number: int) -> None:
        component = tmp_path / f"{number}.wat"
        component.write_text((COMPONENTS / "minimal.wat").read_text() + f";; {number}\n")
        more.write_text(f'[[child]]\nname = "x"\ncomponent = "{component}"\n')
        system.add_child(more)
        system.stop("x")

    add(0)
    before = root.num_fds()
    for number in range(1, 5):
        system.delete_child("x")
        add(number)
    eventually(lambda: root.num_fds() <= before, "root to close the components of before")
    system.start_child("x")
    assert system.actor("x")["status"] == "running"
    theater.note(system)


def test_a_client_too_many_is_turned_away_and_root_does_not_spin(theater: Theater) -> None:
    system = theater.up(actor("a"))
    root = psutil.Process(system.info()["pid"])

    def is_signed() -> bool:
        """The first tree head; whoever has signed it holds descriptors of root's no more."""
        names = {child.name() for child in root.children()}
        return (theater.data / "heads.jsonl").exists() and "theater-notary" not in names

    eventually(is_signed, "the first head")
    soft, hard = root.rlimit(psutil.RLIMIT_NOFILE)
    # What counts is the number that the next one would get, and some have been closed meanwhile.
    used = set(map(int, os.listdir(f"/proc/{root.pid}/fd")))
    free = next(number for number in itertools.count() if number not in used)
    psutil.Process(root.pid).rlimit(psutil.RLIMIT_NOFILE, (free, hard))
    with pytest.raises(NotRunning, match="before it answered"):
        System(str(theater.data)).ps()
    assert system.actor("a")["status"] == "running"
    psutil.Process(root.pid).rlimit(psutil.RLIMIT_NOFILE, (soft, hard))
    with System(str(theater.data)) as again:
        assert again.actor("a")["status"] == "running"
