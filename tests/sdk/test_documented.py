"""The actors in the pages for authors do what these say of them."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.conftest import ROOT
from theater.testing import InProcess

PAGES = [ROOT / "docs" / name for name in ("authors.md", "testing.md", "store.md", "timers.md")]


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """All their Python, one block after the other, as one module."""
    import sys

    text = "\n".join(page.read_text() for page in PAGES)
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.S | re.M))
    module = types.ModuleType("documented")
    monkeypatch.setitem(sys.modules, "documented", module)  # where type hints are looked up
    exec(compile(code, "the pages for authors", "exec"), module.__dict__)
    yield module


def test_the_tests_that_it_shows_pass(page: Any) -> None:
    tests = [name for name in dir(page) if name.startswith("test_")]
    assert len(tests) == 6
    for name in tests:
        if "theater_system" not in getattr(page, name).__annotations__ and "killed" not in name:
            getattr(page, name)()


def test_the_first_actor_counts(page: Any) -> None:
    hello = InProcess(page.Hello)
    hello.message("ann")
    assert hello.request("bob") == b"2"
    assert hello.logged == ["hello, ann", "hello, bob"]


def test_the_mistake_is_one(page: Any) -> None:
    forgetful = InProcess(page.Forgetful)
    forgetful.message("ann")
    assert forgetful.request("ann") == b"1"
    page.cache.clear()  # what a restart does
    assert forgetful.request("ann") == b"0"


def test_an_older_state_is_made_a_new_one(page: Any) -> None:
    assert InProcess(page.Grown, b'{"name":"ann"}').state == page.Names(["ann"])


def test_answers_may_come_later(page: Any) -> None:
    bell = InProcess(page.Bell)
    assert bell.request("wake me") is None and bell.request("me too") is None
    bell.message("ring")
    assert list(bell.responded.values()) == [b"ring", b"ring"]


def test_who_listens_hears(page: Any) -> None:
    radio = InProcess(page.Radio)
    channel, first = radio.open_channel()
    assert channel is not None and first == b"you are listening"
    radio.message("news")
    assert radio.said == [(channel.id, b"news")]
    radio.channel_close(channel)
    radio.message("more news")
    assert len(radio.said) == 1
