"""`theater verify`, `head`, `prove` and `check-proof` from outside."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.conftest import Home, actor
from tests.waiting import eventually

WHOLE = (
    r"[0-9]+ chains, [0-9]+ events, [0-9]+ contents?, [0-9]+ tree heads?: verified"
    r"( up to event [0-9]+)?\n(note: (of )?these events .*\n)?"
)


def test_a_log_is_verified_whether_its_system_runs_or_not(running: Home) -> None:
    assert running.out("request", "probe", "echo hi") == "hi"
    assert re.fullmatch(WHOLE, running.out("verify"))
    running.out("head")
    *_, summary = map(json.loads, running.out("verify", "--json").splitlines())
    assert summary["kind"] == "summary" and summary["problems"] == 0 and summary["signed"]


def test_what_was_killed_and_went_on_is_proven_to_others(home: Home, tmp_path: Path) -> None:
    home.write(actor("probe"), actor("counter", "counter.wat"))
    home.out("up", "-d")
    for number in range(2):
        home.out("send", "counter", "+")
        home.out("request", "probe", f"log line {number}")
    old = tmp_path / "old.json"
    old.write_text(home.out("head", "--json"))
    for pid in home.processes():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not home.processes(), "everything to be dead")
    assert re.fullmatch(WHOLE, home.out("verify", "--head", str(old)))
    home.out("up", "-d")
    home.out("request", "probe", "echo again")
    home.out("down")
    assert "note" not in home.out("verify", "--head", str(old)), "all is signed at the end"

    # What somebody else gets: a head, a key, a proof; and is far from the log.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "head.json").write_text(home.out("head", "--json"))
    shutil.copyfile(home.data / "heads.pub", elsewhere / "key.pub")
    home.out("prove", "probe:7", "-o", str(elsewhere / "proof.json"))
    (elsewhere / "on.json").write_text(home.out("prove", "--from", str(old)))
    check = ("--head", "head.json", "--key", "key.pub")
    event, proven = home.out("check-proof", "proof.json", *check, cwd=elsewhere).splitlines()
    seq = json.loads((elsewhere / "proof.json").read_text())["seq"]
    assert event.startswith(f"{seq} 20") and ' probe 2.1  host-call   log("line 0")' in event
    assert re.fullmatch(
        rf'proven: event {seq} of [0-9]+ is in the chain of "probe", signed .*Z with key .*', proven
    )
    facts = json.loads(home.out("check-proof", "proof.json", *check, "--json", cwd=elsewhere))
    assert facts["proven"] and facts["payload"]["arguments"] == ["line 0"]
    out = home.out("check-proof", "on.json", *check, "--from", str(old), cwd=elsewhere)
    assert re.match(r"proven: the log of [0-9]+ events begins with that of [0-9]+, signed", out)

    # Also from what was recorded of it, which has the heads and not the key.
    run = str(elsewhere / "run.theater")
    home.out("record", "-o", run)
    assert re.fullmatch(WHOLE, home.out("verify", "--data", run, "--head", str(old)))
    assert home.out("prove", "probe:7", "--data", run) == (elsewhere / "proof.json").read_text()
    assert home.out("head", "--data", run, "--json") == (elsewhere / "head.json").read_text()

    facts = json.loads((elsewhere / "proof.json").read_text())
    facts["time"] += 1
    (elsewhere / "proof.json").write_text(json.dumps(facts))
    done = home.run("check-proof", "proof.json", *check, cwd=elsewhere)
    assert (done.returncode, done.stderr) == (7, b"")
    assert done.stdout == b"not proven: its path does not lead from the event to the head's root\n"
    home.out("up", "-d", "--fresh")
    home.out("down")
    assert "another" not in home.out("head")
    done = home.run("verify", "--head", str(old))
    assert done.returncode == 7 and b"which is not known" in done.stdout, "it is another log"
    (archive,) = (home.data / "archive").iterdir()
    assert re.fullmatch(WHOLE, home.out("verify", "--data", str(archive), "--head", str(old)))


def test_damage_is_told_a_line_each_and_is_exit_code_7(home: Home) -> None:
    home.write(actor("probe"))
    home.out("up", "-d")
    home.out("request", "probe", "echo hi")
    home.out("down")
    with closing(sqlite3.connect(home.data / "chain.db")) as db, db:
        db.execute("UPDATE turns SET fuel = 1 WHERE turn = 2")
        db.execute("UPDATE events SET function = '\x1b[31m\u202e' WHERE seq = 1")
    done = home.run("verify")
    assert (done.returncode, done.stderr) == (7, b"")
    *problems, last = done.stdout.decode().splitlines()
    assert "\x1b" not in done.stdout.decode() and len(problems) == 2
    assert re.fullmatch(
        r"probe, turn 2, position [0-9]+, seq [0-9]+: column fuel is 1 in turns; should be"
        r" [0-9]+, as is chained",
        problems[1],
    )
    assert re.fullmatch(r"2 chains, [0-9]+ events, [0-9]+ contents?, .*: 2 problems", last)
    done = home.run("verify", "--json")
    *objects, summary = map(json.loads, done.stdout.splitlines())
    assert summary["problems"] == len(objects) == 2
    assert objects[1]["where"]["turn"] == 2


def test_a_log_that_was_cut_off_is_refused_a_head(home: Home) -> None:
    home.write(actor("probe"))
    home.out("up", "-d")
    home.out("down")
    with closing(sqlite3.connect(home.data / "chain.db")) as db, db:
        db.execute("DELETE FROM events WHERE seq > 3")
    error = home.fails(7, "head")
    assert "the log has 3 events, and" in error and "something was cut off" in error


def test_chain_files_of_the_original_are_verified(home: Home) -> None:
    vectors = json.loads((Path(__file__).parent.parent / "pack" / "vectors.json").read_text())[
        "chain"
    ][2:]
    events = [
        {
            "hash": list(bytes.fromhex(each["hash"])),
            "parent_hash": each["parent"] and list(bytes.fromhex(each["parent"])),
            "event_type": each["event_type"],
            "data": list(bytes.fromhex(each["data"])),
        }
        for each in vectors
    ]
    file = home.directory / "chain.json"
    file.write_text(json.dumps(events))
    assert home.out("verify", "chain.json") == f"4 events: verified, head {vectors[-1]['hash']}\n"
    *chain, last = home.out("verify", "chain.json", "--show").splitlines(keepends=True)
    assert "".join(chain) == "".join(each["text"] for each in vectors)
    assert last == f"4 events: verified, head {vectors[-1]['hash']}\n"
    first, *_ = map(json.loads, home.out("verify", "chain.json", "--show", "--json").splitlines())
    assert (first["event"], first["parent"], first["type"]) == (0, None, "wasm")
    assert "chain-event-payload::wasm(" in first["text"]
    assert "--show is for a FILE" in home.fails(2, "verify", "--show")
    events[2]["event_type"] = "other"
    file.write_text(json.dumps(events))
    done = home.run("verify", "chain.json")
    assert done.returncode == 7 and done.stdout.startswith(b"event 2: hash is ")
    assert done.stdout.endswith(b"\n4 events: 1 problem\n")
    file.write_text("{}")
    assert "chain.json is no chain file: it does not begin with [" in home.fails(
        1, "verify", "chain.json"
    )


def test_what_is_given_wrongly_is_told(home: Home) -> None:
    home.write(actor("probe"))
    for command in (["verify"], ["head"], ["prove", "1"]):
        assert "nothing has run here yet" in home.fails(4, *command)
    assert "either an event is proven, or" in home.fails(2, "prove")
    assert "cannot read nowhere: No such file" in home.fails(6, "prove", "--from", "nowhere")
    (home.directory / "x").write_text("x")
    wrong = ["check-proof", "x", "--head", "x", "--key", "x"]
    assert "x holds no proof: it is no JSON" in home.fails(1, *wrong)
