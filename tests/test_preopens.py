"""Directories that a manifest grants: what can be said, what is wrong with it, what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from theater import manifest, preopens, wasi
from theater.capabilities import check_handler, world_calls
from theater.errors import ManifestError
from theater.manifest_files import directory_problem
from theater.preopens import Preopen
from theater.spec import ActorSpec, Handler

HEAD = """
name = "s"
[[child]]
name = "a"
component = "a.wat"
[[child.handler]]
type = "wasi:filesystem"
"""


def entry(**keys: Any) -> dict[str, Any]:
    return {"host": "data", "guest": "/data", **keys}


def write(directory: Path, text: str) -> Path:
    (directory / "data").mkdir()
    (directory / "a.wat").touch()
    path = directory / "theater.toml"
    path.write_text(text)
    return path


WRONG: list[tuple[object, tuple[str | int, ...], str]] = [
    ("data", (), 'found "data"; must be an array of tables'),
    ([], (), "without a directory, take the handler away"),
    ([entry(host=f"d{n}", guest=f"/d{n}") for n in range(17)], (), "an actor may have 16"),
    (["data"], (0,), "must be a table"),
    ([{"host": "data"}], (0, "guest"), 'missing: guest = "/data"'),
    ([{"guest": "/data"}], (0, "host"), 'missing: host = "data"'),
    ([entry(host=3)], (0, "host"), "found 3; must be a path"),
    ([entry(host="")], (0, "host"), "must not be empty"),
    ([entry(host="a\0b")], (0, "host"), "has a NUL"),
    ([entry(host="x" * 5000)], (0, "host"), "more than 4096 bytes"),
    ([entry(guest="data")], (0, "guest"), "must be an absolute path"),
    ([entry(guest=".")], (0, "guest"), "must be an absolute path"),
    ([entry(guest="")], (0, "guest"), "must be an absolute path"),
    ([entry(guest="/a/../b")], (0, "guest"), '".."'),
    ([entry(guest="/a/./b")], (0, "guest"), '".."'),
    ([entry(guest="//a")], (0, "guest"), '"//"'),
    ([entry(guest="/a/")], (0, "guest"), 'nor a "/" at its end'),
    ([entry(guest="/a\nb")], (0, "guest"), "cannot be printed"),
    ([entry(guest="/a\\b")], (0, "guest"), "backslash"),
    ([entry(guest="/" + "x" * 255)], (0, "guest"), "more than 255 bytes"),
    ([entry(write="yes")], (0, "write"), 'found "yes"; must be true or false'),
    ([{"source": "x", "guest": "/x"}], (0, "source"), 'did you mean "host"?'),
    ([entry(read_only=True)], (0, "read_only"), 'did you mean "write"?'),
    ([entry(wirte=True)], (0, "wirte"), 'did you mean "write"?'),
    ([entry(), entry(host="b")], (1, "guest"), "is the name of another directory already"),
    ([entry(), entry(host="b", guest="/data/b")], (1, "guest"), '"/data/b" lies in "/data"'),
    ([entry(guest="/data/b"), entry(host="b")], (1, "guest"), '"/data/b" lies in "/data"'),
    ([entry(), entry(host="b", guest="/")], (1, "guest"), '"/data" lies in "/"'),
    ([entry(), entry(host="data/", guest="/b")], (1, "host"), "granted already, by preopens[0]"),
]


@pytest.mark.parametrize(("value", "where", "words"), WRONG)
def test_what_is_wrong_is_named(value: object, where: tuple[str | int, ...], words: str) -> None:
    [(loc, text)] = check_handler(preopens.HANDLER, {"preopens": value})
    assert loc == ("preopens", *where)
    assert words in text and text.isprintable()


@pytest.mark.parametrize(
    "value",
    [
        [entry()],
        [entry(guest="/")],
        [entry(guest="/a/b c/ä"), entry(host="/", guest="/a/b")],
        [entry(write=True), entry(host="data/sub", guest="/database")],
    ],
)
def test_what_is_right_is_taken(value: object) -> None:
    assert check_handler(preopens.HANDLER, {"preopens": value}) == []


def test_a_handler_without_directories_says_what_is_missing() -> None:
    [(loc, text)] = check_handler(preopens.HANDLER, {})
    assert loc == ("preopens",) and "grants nothing without it" in text
    [(_, text)] = check_handler(preopens.HANDLER, {"volumes": []})
    assert 'did you mean "preopens"?' in text


def test_only_with_write_are_there_world_calls() -> None:
    reading = Handler(preopens.HANDLER, {"preopens": [entry()]})
    writing = Handler(preopens.HANDLER, {"preopens": [entry(), entry(guest="/b", write=True)]})
    assert world_calls([reading, Handler("runtime")]) == {}
    assert world_calls([reading, writing]) == wasi.FILE_CHANGES


@pytest.mark.parametrize(
    "how",
    [
        'preopens = [{ host = "data", guest = "/data", write = true }]',
        '[[child.handler.preopens]]\nhost = "./data"\nguest = "/data"\nwrite = true',
    ],
)
def test_a_directory_is_found_from_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    path = write(tmp_path, HEAD + how)
    monkeypatch.chdir("/")
    [actor] = manifest.load(path).root.actors()
    granted = actor.handler(preopens.HANDLER)
    assert granted is not None
    assert preopens.read(granted.settings) == (Preopen(f"{tmp_path}/data", "/data", write=True),)


def test_defaults_are_said_in_what_a_chain_keeps(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + 'preopens = [{ host = "data", guest = "/data" }]')
    [actor] = manifest.load(path).root.actors()
    assert actor.handlers[0].settings == {
        "preopens": [{"host": f"{tmp_path}/data", "guest": "/data", "write": False}]
    }


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("gone", "there is no such directory; make it, or correct `host`"),
        ("a.wat", "is not a directory"),
        ("data/../a.wat/x", "is not a directory"),
    ],
)
def test_a_directory_that_is_not_there_is_told_with_everything_else(
    tmp_path: Path, host: str, words: str
) -> None:
    text = (
        HEAD
        + f'preopens = [{{ host = "data", guest = "/a" }}, {{ host = "{host}", guest = "/b" }}]'
    )
    path = write(tmp_path, text.replace('name = "a"', 'name = "A"'))
    with pytest.raises(ManifestError) as caught:
        manifest.load(path)
    problems = [str(each) for each in caught.value.problems]
    assert len(problems) == 2
    assert any(
        each.startswith(f'child[0].handler[0].preopens[1].host: "{host}"') for each in problems
    )
    assert any(words in each for each in problems)


def test_what_is_no_file_names_directories_that_nobody_looks_for() -> None:
    text = HEAD + 'preopens = [{ host = "data", guest = "/data" }]'
    [actor] = manifest.parse(text, "/no/such/m.toml").root.actors()
    assert actor.handlers[0].settings["preopens"][0]["host"] == "/no/such/data"


def test_a_fragment_grants_too(tmp_path: Path) -> None:
    text = HEAD.replace('name = "s"', "") + 'preopens = [{ host = "data", guest = "/data" }]'
    [child] = manifest.load_fragment(write(tmp_path, text), "", 1000)
    assert isinstance(child, ActorSpec)
    assert child.handlers[0].settings["preopens"][0]["host"] == f"{tmp_path}/data"


def test_problems_with_directories_are_told_in_words() -> None:
    assert "permission denied" in directory_problem(PermissionError(13, "x"))
    assert "cannot be used: Too many" in directory_problem(OSError(24, "Too many"))
