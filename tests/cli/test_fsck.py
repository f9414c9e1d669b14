"""`theater fsck` from outside: what it prints where, and its exit code."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing

from tests.cli.conftest import Home, actor


def test_a_log_is_checked_whether_its_system_runs_or_not(running: Home) -> None:
    assert running.out("request", "probe", "echo hi") == "hi"
    line = r"2 actors, [0-9]+ events, [0-9]+ contents?: whole( up to event [0-9]+)?\n"
    assert re.fullmatch(line, running.out("fsck"))
    (summary,) = map(json.loads, running.out("fsck", "--json").splitlines())
    assert summary["kind"] == "summary" and summary["problems"] == 0
    assert {"actors", "events", "contents", "last_seq", "went_on"} <= summary.keys()


def test_damage_is_told_a_line_each_and_is_exit_code_7(home: Home) -> None:
    home.write(actor("probe"))
    home.out("up", "-d")
    home.out("request", "probe", "echo hi")
    home.out("down")
    assert ": whole" in home.out("fsck")
    with closing(sqlite3.connect(home.data / "chain.db")) as db, db:
        db.execute("UPDATE turns SET fuel = 1")
        db.execute("UPDATE incarnations SET reason = '\x1b[31m\u202e'")
    done = home.run("fsck")
    assert (done.returncode, done.stderr) == (7, b"")
    *problems, last = done.stdout.decode().splitlines()
    assert re.fullmatch(r"1 actor, [0-9]+ events, 1 content: 3 problems", last)
    first, second, third = problems
    assert re.fullmatch(
        r"probe, turn 1: fuel is 1 in turns; should be [0-9]+, as is chained", first
    )
    assert first.replace("turn 1", "turn 2").partition(";")[0] == second.partition(";")[0]
    assert "\x1b" not in third and "probe, incarnation 1: reason is " in third
    done = home.run("fsck", "--json")
    assert done.returncode == 7
    *objects, summary = map(json.loads, done.stdout.splitlines())
    assert summary["problems"] == len(objects) == 3
    assert objects[0]["where"] == {"actor": "probe", "turn": 1}
    assert objects[0]["found"] == "fuel is 1 in turns"


def test_what_is_no_log_is_told(home: Home) -> None:
    home.write(actor("probe"))
    kept = "; `theater run` keeps what happens only with --data\n"
    told = "nothing has run here yet: there is no log in"
    assert f"{told} .theater{kept}" in home.fails(4, "fsck")
    assert f"{told} other\n" in home.fails(4, "fsck", "--data", "other")
    home.data.mkdir()
    (home.data / "chain.db").write_bytes(b"not a database at all\n" * 100)
    done = home.run("fsck")
    assert done.returncode == 7 and b"file is not a database" in done.stdout
    assert b"Traceback" not in done.stderr
    (home.data / "chain.db").unlink()
    (home.data / "chain.db").mkdir()
    assert "is not a file" in home.fails(6, "fsck")
