"""Whoever judges a manifest says how long it may be silent, and is held to that."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from theater import wire
from theater.spec import ActorSpec, SupervisorSpec, SystemSpec
from theater.supervisor import preparer
from theater.supervisor.offspring import Birth
from theater.supervisor.preparer import LATE_S, Preparation, Wish
from theater.supervisor.spawn import Helper
from theater.supervisor.waiter import Waiter


class Judge:
    """A preparation by a process that does nothing; we say its words."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, idle_s: float = 0.0) -> None:
        ours, self.words = socket.socketpair()
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pidfd = os.pidfd_open(process.pid)
        helper = Helper("preparer", process.pid, pidfd, ours, process)
        monkeypatch.setattr(preparer, "start_preparer", lambda _log: helper)
        self.process = process
        self.now_s = 0.0
        self.waiter = Waiter()
        self.answers: list[Any] = []
        self.closed = 0
        self.preparation = Preparation(
            self.waiter, 2, lambda: self.now_s, lambda *_: None, self._close, idle_s
        )
        self.wish()

    def wish(self) -> None:
        wish = Wish("m.toml", None, SystemSpec("s", SupervisorSpec("")), "/data")
        self.preparation.judge(wish, self.answers.append)

    def _close(self) -> None:
        self.closed += 1

    def say(self, *word: Any) -> None:
        self.words.sendall(wire.frame(word))
        self.waiter.wait(5.0)

    def at(self, now_s: float) -> None:
        self.now_s = now_s
        self.preparation.hurry()


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Judge]:
    judge = Judge(monkeypatch)
    yield judge
    judge.words.close()
    judge.process.kill()
    judge.process.wait()


def test_root_waits_for_nobody_to_read_a_large_wish(judge: Judge) -> None:
    judge.preparation.helper.socket.settimeout(5.0)  # else a mistake would wait for ever
    handed = socket.recv_fds(judge.words, 1, 1)[1]
    birth = Birth(ActorSpec("a", "/a.wasm", env={"A": "x" * (1 << 20)}), "a.toml")
    wish = Wish("", None, SystemSpec("s", SupervisorSpec("")), "/data", birth=birth)
    judge.preparation.hand_over(wish)
    handed += socket.recv_fds(judge.words, 1, 1)[1]
    for descriptor, expected in zip(handed, ("m.toml", ""), strict=True):
        with open(descriptor, "rb") as file:
            assert preparer.read_wish(file).file == expected


def test_one_that_is_silent_is_killed_and_its_wish_refused(judge: Judge) -> None:
    judge.at(LATE_S - 1)
    assert judge.answers == [] and judge.process.poll() is None
    judge.at(LATE_S)
    assert judge.answers == [{"ok": False, "error": "it was not read and judged within 60 s"}]
    assert judge.process.poll() is not None and judge.closed == 1


def test_one_that_has_said_so_may_take_longer(judge: Judge) -> None:
    judge.now_s = 50.0
    judge.say("within", 100.0)
    assert judge.preparation.due_s == 50.0 + 100.0 + LATE_S
    judge.at(judge.preparation.due_s - 1)
    assert judge.closed == 0
    judge.say("failed", {"error": "no"})
    judge.at(1e6)
    assert judge.answers == [{"ok": False, "error": "no"}]


def test_one_that_is_kept_judges_the_next_until_nobody_has_asked_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = Judge(monkeypatch, idle_s=5.0)
    judge.at(50.0)
    judge.say("failed", {"error": "no"})
    assert judge.preparation.is_idle() and judge.preparation.due_s == 55.0
    judge.now_s = 54.0
    judge.wish()
    assert not judge.preparation.is_idle() and judge.preparation.due_s == 54.0 + LATE_S
    judge.say("failed", {"error": "again"})
    judge.at(58.0)
    assert judge.closed == 0
    judge.at(59.0)
    assert judge.closed == 1 and judge.process.poll() is not None
    assert not judge.preparation.is_idle()
    assert [answer["error"] for answer in judge.answers] == ["no", "again"]
    judge.words.close()


def test_one_that_dies_has_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Judge(monkeypatch, idle_s=5.0)
    judge.words.close()
    judge.waiter.wait(5.0)
    error = "what was to be read could not be judged"
    assert judge.answers == [{"ok": False, "error": error}] and judge.closed == 1
    judge.at(1e6)
    assert judge.closed == 1
