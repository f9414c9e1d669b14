"""Nobody is granted a directory in which Theater keeps its own."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from theater import preopens
from theater.spec import ActorSpec, Handler, SupervisorSpec
from theater.supervisor import territory


def granting(*hosts: str, write: bool = False) -> SupervisorSpec:
    directories = [
        {"host": host, "guest": f"/{number}", "write": write} for number, host in enumerate(hosts)
    ]
    handlers = (Handler("runtime"), Handler(preopens.HANDLER, {"preopens": directories}))
    actor = ActorSpec("pool/a", "a.wat", handlers=handlers, where="child[0].child[0]")
    pool = SupervisorSpec("pool", children=(), template=actor, where="child[0]")
    return SupervisorSpec("", children=(pool,))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/no-such-place")
    for name in ("project/.theater/archive", "project/data", "cache/theater"):
        (tmp_path / name).mkdir(parents=True)
    os.symlink("project/.theater", tmp_path / "link")
    return tmp_path


CASES = {
    "project/data": None,
    "cache/other": None,
    "project/.theater2": None,
    "project": 'the data directory of Theater, ".*/project/.theater", lies in it; grant a dir',
    "project/.theater": "the data directory .* lies in it",
    "project/.theater/archive": "lies in the data directory of Theater",
    "link": "the data directory",
    "link/archive": "the data directory",
    "cache": "the compile cache of Theater, .* lies in it",
    "cache/theater": "the compile cache",
    "/no-such-place/theater/beef": "lies in the directory of the sockets of Theater",
    "": "lies in it",
}


@pytest.mark.parametrize("host", CASES)
def test_what_overlaps_is_told_and_nothing_else(home: Path, host: str) -> None:
    granted = granting(str(home / "project/data"), str(home / host))
    problems = territory.check(granted, str(home / "project/.theater"))
    expected = CASES[host]
    if expected is None:
        assert problems == []
    else:
        [problem] = problems
        assert problem.path == "child[0].child[0].handler[1].preopens[1].host"
        assert re.search(expected, problem.message), problem.message


def test_where_the_next_start_reads_a_grant_to_write_is_warned_of(home: Path) -> None:
    manifest = str(home / "project/theater.toml")
    hosts = [str(home / "project/data"), str(home / "project")]
    assert territory.warnings(granting(*hosts), manifest) == []
    [warning] = territory.warnings(granting(*hosts, write=True), manifest)
    assert warning.path.endswith("preopens[1].host")
    assert warning.message.endswith("with write, and the manifest lies in it")
    [warning] = territory.warnings(granting(os.getcwd(), write=True), manifest)
    assert "the component of pool/a lies in it" in warning.message


def test_the_root_of_everything_has_it_all(home: Path) -> None:
    assert len(territory.check(granting("/"), str(home / "project/.theater"))) == 1


def test_a_grant_to_write_what_a_component_is_built_from_is_warned_of(home: Path) -> None:
    (home / "project/lib").mkdir()
    made_from = {str(home / "project/lib/words.py"): str(home / "project/hello.py")}
    manifest = str(home / "theater.toml")
    granted = granting(str(home / "project/data"), str(home / "project/lib"), write=True)
    [warning] = territory.warnings(granted, manifest, made_from)
    assert warning.path.endswith("preopens[1].host")
    assert warning.message.endswith("with write, and what hello.py is built from lies in it")
    read_only = granting(str(home / "project/lib"))
    assert territory.warnings(read_only, manifest, made_from) == []
