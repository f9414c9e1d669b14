"""`theater record`, and what can be asked of the file it makes."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Home, actor
from tests.waiting import eventually

CALM = "[supervisor]\nintensity = 100\nperiod = 1\n"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Home]:
    """`running.theater` was recorded from a running system, which then went on and went down."""
    home = Home(tmp_path_factory.mktemp("recorded"), cache)
    home.write(actor("a"), actor("b"), head=CALM)
    try:
        home.out("up", "-d")
        home.ask("a", "set hello", "log about to\ntrap")
        home.out("record", "-o", "running.theater")
        home.ask("b", "log later")
        home.out("down")
        home.out("record")
        yield home
    finally:
        home.end()


def test_a_running_system_is_recorded_as_it_was_then(recorded: Home) -> None:
    assert "later" not in recorded.out("logs", "--data", "running.theater")
    assert "b | later\n" in recorded.out("logs", "--data", "run.theater")
    assert "a ~ about to  (not committed)" in recorded.out("logs", "--data", "running.theater")


def test_all_that_reads_a_log_reads_the_file_elsewhere(recorded: Home, tmp_path: Path) -> None:
    run = str(recorded.directory / "run.theater")
    read = ["--data", run]
    text = recorded.out("why", "a", *read, cwd=tmp_path)
    assert text.startswith("a trapped: wasm `unreachable` instruction executed\n")
    assert f"theater --data {run} replay a --from 3 --until 3" in text and "dead retry" not in text
    assert recorded.out("state", "a", *read, cwd=tmp_path) == "hello\n"
    for command in (["events"], ["dead", "list"], ["why-restarted", "a"]):
        assert recorded.out(*command, *read, cwd=tmp_path)
    assert recorded.run("fsck", *read, cwd=tmp_path).returncode == 0
    assert os.listdir(tmp_path) == []


def test_what_ran_when_it_was_recorded_is_not_said_to_be_down(recorded: Home) -> None:
    text = recorded.out("why-restarted", "a", "--data", "running.theater")
    assert text.startswith("a was restarted ") and ": it had died\n" in text
    text = recorded.out("why-restarted", "a", "--data", "run.theater")
    assert text.startswith("a does not run: the system was taken down")


def test_nothing_runs_in_a_file(recorded: Home) -> None:
    for command in (["ps"], ["send", "a", "x"], ["stop", "a"], ["dead", "drop", "--all"]):
        errors = recorded.fails(4, *command, "--data", "run.theater")
        assert errors == "theater: run.theater is a recorded run: nothing runs in it\n"
    assert "is a recorded run" in recorded.fails(2, "up", "--data", "run.theater")
    assert "copy the file" in recorded.fails(2, "record", "--data", "run.theater")


def test_a_file_is_not_written_over_and_has_the_name_of_one(recorded: Home) -> None:
    assert "is there already" in recorded.fails(1, "record")
    assert "is called NAME.theater" in recorded.fails(2, "record", "-o", "run.zip")
    (recorded.directory / "bad.theater").write_bytes(b"no")
    errors = recorded.fails(7, "logs", "--data", "bad.theater")
    assert "bad.theater is no recorded run" in errors


def test_the_manifest_that_was_used_is_in_it(home: Home) -> None:
    first = home.write(actor("a")).read_bytes()
    home.out("up", "-d")
    copy = home.data / "chain.db.manifest.toml"
    assert copy.read_bytes() == first
    second = home.write(actor("a"), actor("b"), head="# another\n").read_bytes()
    home.out("reload", "--dry-run")
    assert copy.read_bytes() == first
    home.out("reload")
    eventually(lambda: copy.read_bytes() == second, "the manifest of now")
    home.out("record")
    with zipfile.ZipFile(home.directory / "run.theater") as archive:
        assert archive.read("manifest.toml") == second
        facts = json.loads(archive.read("run.json"))
    assert len(facts["components"]) == 1 and facts["missing"] == []
    home.out("down")


def test_a_component_that_is_not_kept_is_named(home: Home) -> None:
    home.write(actor("a"))
    home.out("up", "-d")
    home.out("down")
    for path in (home.data / "components").iterdir():
        path.unlink()
    done = home.run("record")
    assert done.returncode == 0
    assert b"is not kept, so a cannot be replayed from it" in done.stderr
