"""A command that is told to end ends, in order, wherever the signal meets it."""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.cli.conftest import COMPONENTS, Home
from tests.waiting import WAIT_S
from theater.cli.orderly import ended_in_order

INSTANTS = 8
APART_S = 0.06  # the instants lie so far apart: over the start of a command and its system


class Destroyed:
    """A signal comes while this is."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def test_what_is_dropped_in_a_destructor_is_raised_again() -> None:
    with pytest.raises(SystemExit) as ended, ended_in_order():
        Destroyed()
        threading.Event().wait(WAIT_S)
        raise AssertionError("it goes on")
    assert ended.value.code == 128 + signal.SIGTERM


def test_a_second_signal_does_not_cut_the_way_out_short() -> None:
    ended = []
    with pytest.raises(SystemExit) as first, ended_in_order():
        try:
            signal.raise_signal(signal.SIGHUP)
        finally:
            signal.raise_signal(signal.SIGTERM)
            try:
                ended.append("what was begun")
            finally:
                signal.raise_signal(signal.SIGHUP)
                ended.append("and what that had begun")
    assert first.value.code == 128 + signal.SIGHUP
    assert ended == ["what was begun", "and what that had begun"]


def test_afterwards_signals_mean_what_they_meant_before() -> None:
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_in_order():
            signal.raise_signal(signal.SIGHUP)  # as under nohup
    finally:
        signal.signal(signal.SIGHUP, before[1])
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_signal_at_any_instant_of_a_start_leaves_nothing_behind(home: Home) -> None:
    """Before there is anything to end in order it may simply be killed."""
    made_in = home.directory / "tmp"
    made_in.mkdir()
    home.env["TMPDIR"] = str(made_in)
    component = str(COMPONENTS / "counter.wat")
    home.out("run", component)
    for instant in range(INSTANTS):
        number = (signal.SIGTERM, signal.SIGHUP)[instant % 2]
        run = home.popen("run", component, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(instant * APART_S)
        run.send_signal(number)
        assert run.wait(WAIT_S) in (-number, 128 + number)
    assert list(Path(made_in).iterdir()) == [] and not home.processes()
