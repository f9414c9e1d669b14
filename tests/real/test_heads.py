"""Tree heads of real systems: when they are signed, and what dies without harm."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil

from tests.real.conftest import Theater, actor, gone, processes
from tests.waiting import eventually
from theater import heads, keys
from theater.client import System
from theater.client.reader import LogReader
from theater.heads import Head

OFTEN = "head_every = 0.05\n"


def kept(data: Path) -> list[Head]:
    try:
        lines = (data / "heads.jsonl").read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [heads.parse(line) for line in lines]


def covers(system: System, data: Path) -> bool:
    """Whether all that is committed is signed."""
    found = kept(data)
    return bool(found) and found[-1].size == system.log.last_seq()


def notary_of(system: System) -> psutil.Process | None:
    for child in psutil.Process(system.info()["pid"]).children():
        with contextlib.suppress(psutil.Error):  # it has just ended
            if "theater.notary" in child.cmdline():
                return child
    return None


def test_a_head_is_signed_at_first_when_the_log_has_grown_and_at_the_end(theater: Theater) -> None:
    system = theater.up(actor("a"), head=OFTEN)
    eventually(lambda: kept(theater.data), "the first head, with which the key is made")
    system.send("a", b"set more")
    eventually(lambda: covers(system, theater.data), "a head of what has come since")
    system.send("a", b"set most")
    system.close()
    log = LogReader(str(theater.data / "chain.db"))
    assert kept(theater.data)[-1].size == log.last_seq(), "all of a run is signed at its end"
    log.close()
    key = keys.read_public((theater.data / "heads.pub").read_bytes(), "")
    for head in kept(theater.data):
        assert key.verifies(head.signature, head.signed())


def test_an_idle_system_signs_nothing(theater: Theater) -> None:
    system = theater.up(actor("a"), head=OFTEN)
    eventually(lambda: covers(system, theater.data), "all to be signed")
    root = psutil.Process(system.info()["pid"])
    before, switches = kept(theater.data), root.num_ctx_switches().voluntary
    # A few intervals: root is woken once in each.
    eventually(lambda: root.num_ctx_switches().voluntary >= switches + 5, "some intervals")
    assert kept(theater.data) == before and notary_of(system) is None


def test_the_death_of_the_notary_harms_nobody(theater: Theater) -> None:
    system = theater.up(actor("a"), head=OFTEN)
    killed = 0
    while killed < 3:
        system.send("a", b"append x")
        notary = notary_of(system)
        if notary is not None:
            os.kill(notary.pid, signal.SIGKILL)
            killed += 1
    system.send("a", b"append y")
    eventually(lambda: covers(system, theater.data), "the next one to sign all")
    sizes = [head.size for head in kept(theater.data)]
    assert sizes == sorted(set(sizes))
    assert system.actor("a")["incarnation"] == 1


def test_a_system_that_was_killed_goes_on_with_its_heads(theater: Theater) -> None:
    system = theater.up(actor("a"), head=OFTEN)
    system.send("a", b"set more")
    eventually(lambda: covers(system, theater.data), "all to be signed")
    pids = processes(system)
    os.kill(system.info()["pid"], signal.SIGKILL)
    eventually(lambda: gone(pids), "everything to be dead")
    system.close()
    before = kept(theater.data)
    theater.up().close()
    after = kept(theater.data)
    assert after[: len(before)] == before and after[-1].size > before[-1].size


def test_a_log_that_begins_anew_has_a_key_of_its_own(theater: Theater) -> None:
    theater.up(actor("a"), head="head_every = 0\n").close()
    assert not list(theater.data.glob("chain.db-*")), "who signed the last one leaves nothing"
    before = kept(theater.data)
    first = before[-1]
    with System.start(theater.manifest, fresh=True) as system:
        archive = Path(system.archive or "")
    assert kept(archive) == before
    assert {each.name for each in archive.glob("heads.*")} >= {"heads.key", "heads.pub"}
    assert all(head.key != first.key for head in kept(theater.data))
    with System.start(theater.manifest, data=str(archive)):
        pass
    after = kept(archive)
    assert len(after) > len(before) and {head.key for head in after} == {first.key}


def test_ps_tells_of_a_log_that_is_not_the_one_that_was_signed(theater: Theater) -> None:
    theater.up(actor("a"), head=OFTEN).close()
    found = kept(theater.data)
    key = keys.read_private((theater.data / "heads.key").read_bytes(), "")
    other = heads.sign(key, found[-1].size, bytes(32), 0.0)
    (theater.data / "heads.jsonl").write_text(f"{other.line()}\n")
    system = theater.up()
    told = eventually(lambda: system.info()["troubles"], "root to be told")
    assert "tree heads were signed of" in told[0]["what"] and "verify" in told[0]["todo"]
    (theater.data / "heads.jsonl").write_text("".join(f"{head.line()}\n" for head in found))
    system.send("a", b"set more")
    eventually(lambda: not system.info()["troubles"], "it to be over")
