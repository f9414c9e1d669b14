"""A system that begins anew, where another has left its log."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.real.conftest import Theater, actor, assert_whole, gone, processes
from tests.waiting import eventually
from theater.client import System


def test_what_a_killed_system_left_is_put_away_whole(theater: Theater) -> None:
    system = theater.up(actor("a"))
    system.send("a", b"set kept")
    assert system.request("a", b"get") == b"kept"
    pids = processes(system)
    os.kill(system.info()["pid"], signal.SIGKILL)
    eventually(lambda: gone(pids), "everything to be dead")
    system.close()
    events: list[str] = []
    with System.start(
        theater.manifest, fresh=True, on_event=lambda e: events.append(e["event"])
    ) as anew:
        assert anew.request("a", b"get") == b""
        assert anew.actor("a")["incarnation"] == 1
        assert anew.archive is not None and "archived" in events
        archive = Path(anew.archive)
    assert_whole(archive)
    with System.start(theater.manifest, data=str(archive)) as before:  # also that can go on
        assert before.request("a", b"get") == b"kept"
        assert before.archive is None
