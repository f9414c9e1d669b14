"""A system that runs is checked as it goes on, and is not held up."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.conftest import COMPONENTS, Theater, actor
from tests.waiting import eventually
from theater.fsck import file
from theater.fsck.check import check
from theater.fsck.findings import Note, Problem, Summary


@pytest.fixture
def theater(tmp_path: Path) -> Iterator[Theater]:
    theater = Theater(tmp_path)
    yield theater
    theater.end()


def look(theater: Theater) -> Summary:
    found: list[Problem | Note] = []
    summary = check(str(theater.data / "chain.db"), found.append)
    assert found == []
    return summary


def test_what_goes_on_meanwhile_is_no_problem(
    theater: Theater, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "PAGE_ROWS", 7)  # many pages, so that much happens between them
    system = theater.up(
        actor("a"),
        actor("b"),
        actor("c", extra="restart = 'permanent'\n"),
        head="[supervisor]\nintensity = 1000\nperiod = 1\n",
    )
    went_on = 0
    for number in range(8):
        system.send_many("a", [b"series 40 b append ,"] * 4 + [b"request b echo x"] * 4)
        system.send("c", b"trap")
        if number % 2:
            os.kill(system.actor("b")["pid"], signal.SIGKILL)
        for letter in system.dead_letters("c")[:1]:
            system.drop_dead(letter.id)
        went_on += look(theater).went_on
    assert went_on, "it was never looked at while it went on"
    eventually(lambda: all(not row["mailbox"] for row in system.ps()), "all to be done")
    system.request("a", b"echo done")
    assert not look(theater).went_on or look(theater).events
    theater.note(system)


def test_what_is_told_of_children_meanwhile_is_no_problem(
    theater: Theater, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "PAGE_ROWS", 7)
    shutil.copy(COMPONENTS / "counter.wat", theater.directory)
    (theater.directory / "w.toml").write_text('name = "w"\npackage = "counter.wat"\n')
    boss = actor("boss", "boss.wat") + '[[child.handler]]\ntype = "supervisor"\n'
    system = theater.up(boss)
    names = [system.request("boss", b"s w.toml") for _ in range(2)]
    went_on = 0
    for _ in range(6):
        for name in names:
            system.send("boss", b"+ " + name)
            system.send_many(name.decode(), [b"x"] * 60)
            system.send_many("boss", [b"g " + name, b"e " + name, b"l"])
        system.send("boss", b"- " + names[0])
        went_on += look(theater).went_on
    assert went_on, "it was never looked at while it went on"
    eventually(lambda: all(not row["mailbox"] for row in system.ps()), "all to be done")
    look(theater)
    theater.note(system)


def test_each_page_is_a_transaction_of_its_own(theater: Theater) -> None:
    """A reader that stays in one would keep the write-ahead log from being emptied."""
    system = theater.up(actor("a"))
    system.send_many("a", [b"log x"] * 20)
    system.request("a", b"echo done")
    log = file.LogFile(str(theater.data / "chain.db"))
    rows = log.pages("SELECT seq FROM events", ("seq",))
    next(rows)
    assert not log._db.in_transaction
    system.request("a", b"echo on")
    assert len(list(rows)) >= 20
    log.close()
    theater.note(system)
