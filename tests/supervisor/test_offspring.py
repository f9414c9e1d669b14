"""What an actor may have spawned: from which manifests, and with which grants."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from theater.errors import ManifestError
from theater.inheritance import refused
from theater.paths import DataPaths, component_path
from theater.spec import (
    ActorSpec,
    Custom,
    Handler,
    Limits,
    MailboxBounds,
    SupervisorSpec,
    SystemSpec,
)
from theater.spec_data import pack, unpack
from theater.stores import directory_of, hash_of, manifest_of
from theater.supervisor import offspring
from theater.supervisor.offspring import Birth, born, prepare_birth
from theater.supervisor.prepare import PreparedFragment, prepare_children

COMPONENTS = Path(__file__).parent.parent / "components"
TEXT = 'name = "c"\npackage = "counter.wat"\n'


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Where the parent's manifest lies."""
    directory = tmp_path / "here"
    directory.mkdir()
    shutil.copy(COMPONENTS / "counter.wat", directory)
    return directory


def parent(here: Path, *handlers: Handler, **more: Any) -> ActorSpec:
    given = (Handler("supervisor"), *handlers)
    return ActorSpec("boss", "/boss.wat", handlers=given, directory=str(here), **more)


def judged(birth: Birth, data: str = "/nowhere") -> ActorSpec:
    system = SystemSpec("t", SupervisorSpec(""))
    [child] = prepare_birth(birth, system, data, lambda _: None).compiled()
    assert isinstance(child, ActorSpec)
    return child


def toml(settings: dict[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in settings.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


API = {"host": "api.example.com", "methods": ["GET", "POST"]}
CASES: list[tuple[str, dict[str, Any], dict[str, Any], str | None]] = [
    ("runtime", {}, {}, None),
    ("runtime", {"max_events": 10}, {"max_events": 10}, None),
    ("runtime", {"max_events": 10}, {}, "max_events is 1000, of 10"),
    ("runtime", {}, {"max_events": 1001}, "max_events is 1001, of 1000"),
    ("message-server", {}, {}, None),
    ("message-server", {}, {"send_to": []}, None),
    ("message-server", {}, {"send_to": ["a"]}, "send_to has a"),
    ("message-server", {"send_to": ["a/*"]}, {}, None),
    ("message-server", {"send_to": ["a/*"]}, {"send_to": ["a/b"]}, None),
    ("message-server", {"send_to": ["a/*"]}, {"send_to": ["a/b-*"]}, None),
    ("message-server", {"send_to": ["a/b-*"]}, {"send_to": ["a/*"]}, "send_to has a/*"),
    ("message-server", {"send_to": ["a/*"]}, {"send_to": ["a/**"]}, "send_to has a/**"),
    ("message-server", {"send_to": ["a/**"]}, {"send_to": ["a/*/c", "a/b/**"]}, None),
    ("message-server", {"send_to": ["**"]}, {"send_to": ["**", "x"]}, None),
    ("timer", {"max_timers": 5}, {"max_timers": 5}, None),
    ("timer", {"max_timers": 5}, {}, "max_timers is 1000, of 5"),
    ("store", {"shared": ["a"], "read_only": ["b"]}, {"shared": ["a"]}, None),
    ("store", {"shared": ["a"], "read_only": ["b"]}, {"read_only": ["a", "b"]}, None),
    ("store", {"shared": ["a"], "read_only": ["b"]}, {"shared": ["b"]}, "shared has b"),
    ("store", {}, {"read_only": ["a"]}, "read_only has a"),
    ("supervisor", {"max_children": 5}, {"max_children": 5}, None),
    ("supervisor", {"max_children": 5}, {}, "max_children is 100, of 5"),
    ("supervisor", {"intensity": 1}, {"intensity": 2}, "intensity is 2, of 1"),
    ("supervisor", {"period": 10}, {"period": 60}, None),
    ("supervisor", {"period": 10}, {"period": 0.1}, "period is 0.1, of 10"),
    ("supervisor", {"period": 10}, {}, "period is 5, of 10"),
    ("supervisor", {"period": 10}, {"intensity": 0}, None),
    ("supervisor", {}, {"templates": {"a": "c.toml"}}, "the template a is none of its own"),
    ("wasi:http", {"allow": [API]}, {"allow": [API]}, None),
    ("wasi:http", {"allow": [API]}, {"allow": [{**API, "methods": ["GET"]}]}, None),
    ("wasi:http", {"allow": [API]}, {"allow": [{**API, "methods": ["PUT"]}]}, "allow has PUT"),
    ("wasi:http", {"allow": [API]}, {"allow": [{**API, "port": 80}]}, "allow has GET, POST"),
    ("wasi:http", {"allow": [API]}, {"allow": [{**API, "private": True}]}, "allow has GET, POST"),
    (
        "wasi:http",
        {"allow": [{"host": "*.example.com"}]},
        {"allow": [{"host": "a.example.com"}, {"host": "*.b.example.com"}]},
        None,
    ),
    (
        "wasi:http",
        {"allow": [{"host": "a.example.com"}]},
        {"allow": [{"host": "*.example.com"}]},
        "allow has GET, HEAD https://*.example.com:443",
    ),
    ("wasi:http", {"allow": [API]}, {"allow": [API], "timeout": 31}, "timeout is 31, of 30"),
    (
        "wasi:http",
        {"allow": [API]},
        {"allow": [API], "interrupted": {"POST": "again"}},
        "interrupted has POST again",
    ),
]


@pytest.mark.parametrize(("type_", "own", "wanted", "wrong"), CASES)
def test_nothing_is_granted_that_the_parent_has_not(
    here: Path, type_: str, own: dict[str, Any], wanted: dict[str, Any], wrong: str | None
) -> None:
    (here / "c.toml").write_text(f'{TEXT}[[handler]]\ntype = "{type_}"\n{toml(wanted)}')
    given = parent(here) if type_ == "supervisor" else parent(here, _settled(type_, own))
    if type_ == "supervisor":
        given = ActorSpec("boss", "/b.wat", handlers=(Handler(type_, own),), directory=str(here))
    birth = Birth(given, "c.toml")
    if wrong is None:
        assert judged(birth).path == "boss/c"
        return
    with pytest.raises(ManifestError, match=re.escape(wrong)):
        judged(birth)


def _settled(type_: str, settings: dict[str, Any]) -> Handler:
    """As a manifest would have it."""
    if type_ != "wasi:http":
        return Handler(type_, settings)
    from theater import requests

    return Handler(type_, requests.settled(settings, lambda path: path))


def test_a_handler_that_the_parent_has_not_is_refused(here: Path) -> None:
    (here / "c.toml").write_text(f'{TEXT}[[handler]]\ntype = "timer"\n')
    with pytest.raises(ManifestError, match='"timer" is not granted to boss itself'):
        judged(Birth(parent(here), "c.toml"))


def test_a_handler_of_an_authors_own_is_the_parents_or_none(here: Path) -> None:
    """A module beside the child's manifest, which an actor may have written, is not imported."""
    (here / "sub").mkdir()
    (here / "sub" / "own.py").write_text("raise SystemExit('this was imported')\n")
    shutil.copy(COMPONENTS / "counter.wat", here / "sub")
    text = f'{TEXT}[[handler]]\ntype = "own.py:Own"\nlevel = 1\n'
    (here / "sub" / "c.toml").write_text(text)
    custom = Custom("own.py:Own", str(here), "my:own/api", {}, {"level": "int"}, "00")
    given = parent(here, Handler("own.py:Own", {"level": 1}, custom))
    assert judged(Birth(given, "sub/c.toml")).handlers[0].custom == custom
    more = parent(here, Handler("own.py:Own", {"level": 2}, custom))
    with pytest.raises(ManifestError, match=r'settings of "own.py:Own" have to be those of boss'):
        judged(Birth(more, "sub/c.toml"))


def test_limits_are_at_most_the_parents(here: Path) -> None:
    (here / "c.toml").write_text(f'{TEXT}[limits]\nmemory = "1 GiB"\nfuel = 5\n')
    given = parent(here, limits=Limits(memory_bytes=1 << 20), mailbox=MailboxBounds(7))
    child = judged(Birth(given, "c.toml"))
    assert (child.limits.memory_bytes, child.limits.fuel) == (1 << 20, 5)
    assert child.mailbox.max_messages == 7


def test_directories_are_compared_by_what_they_really_are(here: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (here / "data").mkdir()
    (here / "data" / "link").symlink_to(tmp_path / "secret")
    (here / "alias").symlink_to(here / "data")

    def text(host: str, write: str = "false") -> str:
        preopens = f'preopens = [{{ host = "{host}", guest = "/d", write = {write} }}]'
        return f'{TEXT}[[handler]]\ntype = "wasi:filesystem"\n{preopens}\n'

    granted = {"preopens": [{"host": str(here / "data"), "guest": "/data", "write": False}]}
    given = parent(here, Handler("wasi:filesystem", granted))
    (here / "c.toml").write_text(text("data"))
    judged(Birth(given, "c.toml"))
    for host, write, wrong in (
        ("data/link", "false", "secret, which boss is not granted itself"),
        ("data", "true", "data with write, which boss"),
        (".", "false", "here, which boss is not granted"),
        ("alias", "false", "alias, which boss is not granted"),  # or lost when boss starts again
    ):
        (here / "c.toml").write_text(text(host, write))
        with pytest.raises(ManifestError, match=wrong):
            judged(Birth(given, "c.toml"))


# Manifests in stores


def test_a_manifest_may_come_out_of_a_store(here: Path, tmp_path: Path) -> None:
    data, content = str(tmp_path / "data"), TEXT.encode()
    hash = hash_of(content)
    file = Path(DataPaths(data).store) / directory_of("plans") / hash
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    birth = Birth(parent(here), "store:plans#c", ("plans", hash))
    assert judged(birth, data).path == "boss/c"
    file.write_bytes(content + b"#")
    with pytest.raises(ManifestError, match=r"store:plans#c: the content .* is not what its hash"):
        judged(birth, data)
    file.unlink()
    with pytest.raises(ManifestError, match=r"store:plans#c: the content .* cannot be read"):
        judged(birth, data)
    (here / "store:plans#c").write_bytes(content)
    with pytest.raises(ManifestError, match="store:plans#c: its store has no such label any more"):
        judged(Birth(parent(here), "store:plans#c"), data)


def test_it_names_nothing_outside_of_the_parents_directory(here: Path, tmp_path: Path) -> None:
    shutil.copy(COMPONENTS / "counter.wat", tmp_path / "outside.wat")
    content = b'name = "c"\npackage = "../outside.wat"\n'
    hash = hash_of(content)
    file = Path(DataPaths(str(tmp_path)).store) / directory_of("plans") / hash
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    birth = Birth(parent(here), "store:plans#c", ("plans", hash))
    with pytest.raises(ManifestError, match="lies outside of the directory"):
        judged(birth, str(tmp_path))


@pytest.mark.parametrize("swapped", ["c.toml", "state"])
def test_a_link_that_comes_between_leads_nowhere(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    """Made after it was looked where the file is, and before it is opened."""
    (here / "c.toml").write_text(f'{TEXT}initial_state = {{ file = "state" }}\n')
    (here / "state").write_text("1")
    secret = tmp_path / "secret"
    secret.write_text(TEXT)
    open_ = os.open

    def swap(path: str, *arguments: Any, **more: Any) -> int:
        if path == str(here / swapped):
            (here / swapped).unlink()
            (here / swapped).symlink_to(secret)
        return open_(path, *arguments, **more)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(ManifestError, match="lies outside of the directory"):
        judged(Birth(parent(here), "c.toml"))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("store:plans#a", ("plans", "a")),
        ("store:boss/x:2:1#a", ("boss/x:2:1", "a")),
        ("store:odd#name#a", ("odd#name", "a")),
        ("store:plans", ("", "plans")),
        ("plans.toml", None),
    ],
)
def test_how_a_manifest_in_a_store_is_named(name: str, found: tuple[str, str] | None) -> None:
    assert manifest_of(name) == found


# Components that an actor gives itself

CODE = (COMPONENTS / "pack-echo.wat").read_bytes()
WITHOUT = 'name = "c"\n'
MANIFESTS = {
    "none": WITHOUT,
    "one": TEXT,
    "one that is not there": 'name = "c"\npackage = "gone.wasm"\n',
    "one that lies elsewhere": 'name = "c"\npackage = "/etc/passwd"\n',
    "none of a child": 'name = "x"\n[[child]]\nname = "c"\n',
    "one of a child": 'name = "x"\n[[child]]\nname = "c"\ncomponent = "counter.wat"\n',
}


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_what_is_given_is_run_whatever_the_manifest_names(
    here: Path, tmp_path: Path, manifest: str
) -> None:
    (here / "c.toml").write_text(MANIFESTS[manifest])
    child = judged(Birth(parent(here), "c.toml", code=CODE), str(tmp_path / "data"))
    assert child.component_sha256 == hash_of(CODE)
    kept = component_path(str(tmp_path / "data"), child.component_sha256)
    assert child.component == kept and Path(kept).read_bytes() == CODE


def test_a_manifest_in_a_store_may_be_of_what_is_given(here: Path, tmp_path: Path) -> None:
    data, hash = str(tmp_path / "data"), hash_of(WITHOUT.encode())
    file = Path(DataPaths(data).store) / directory_of("plans") / hash
    file.parent.mkdir(parents=True)
    file.write_text(WITHOUT)
    birth = Birth(parent(here), "store:plans#c", ("plans", hash), CODE)
    assert judged(birth, data).component_sha256 == hash_of(CODE)
    with pytest.raises(ManifestError, match="says nothing to run"):
        judged(replace(birth, code=None), data)


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        (b"", "wasm-bytes: the file is empty"),
        (b"\0asm\1\0\0\0", "wasm-bytes: "),
        (b"\0asm" + bytes(1000), "wasm-bytes: "),
        (b"\x7fELF" + bytes(1000), "wasm-bytes: "),
        ((COMPONENTS / "probe.wat").read_bytes(), "imports theater:simple/runtime, which the man"),
        ((COMPONENTS / "no-actor.wat").read_bytes(), "theater:simple/actor"),
    ],
)
def test_what_cannot_be_run_is_refused_and_no_path_is_told(
    here: Path, tmp_path: Path, code: bytes, wrong: str
) -> None:
    (here / "c.toml").write_text(WITHOUT)
    with pytest.raises(ManifestError, match=wrong) as caught:
        judged(Birth(parent(here), "c.toml", code=code), str(tmp_path / "data"))
    assert str(tmp_path) not in str(caught.value)
    assert os.listdir(DataPaths(str(tmp_path / "data")).components) == []


@pytest.mark.parametrize("wrong", ["name = 1\n", 'name = "c"\nbuild = "counter.wat"\n', None])
def test_what_is_refused_takes_nothing_from_who_runs_the_same(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str | None
) -> None:
    """Also while that is judged at the same time, in another process."""
    data = str(tmp_path / "data")
    (here / "wrong.toml").write_text(wrong or f'{WITHOUT}[[handler]]\ntype = "timer"\n')
    (here / "c.toml").write_text(WITHOUT)

    def meanwhile(*arguments: Any) -> PreparedFragment:
        with monkeypatch.context() as other:
            other.setattr(os, "getpid", lambda: 1)
            with pytest.raises(ManifestError):
                judged(Birth(parent(here), "wrong.toml", code=CODE), data)
        return prepare_children(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(offspring, "prepare_children", meanwhile)
        child = judged(Birth(parent(here), "c.toml", code=CODE), data)
    with pytest.raises(ManifestError):
        judged(Birth(parent(here), "wrong.toml", code=CODE), data)
    assert os.listdir(DataPaths(data).components) == [hash_of(CODE)]
    assert Path(child.component).read_bytes() == CODE


def test_of_two_births_of_the_same_bytes_each_has_its_component(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = str(tmp_path / "data")
    (here / "c.toml").write_text(WITHOUT)
    children = []

    def meanwhile(*arguments: Any) -> PreparedFragment:
        with monkeypatch.context() as other:
            other.setattr(offspring, "prepare_children", prepare_children)
            other.setattr(os, "getpid", lambda: 1)
            children.append(judged(Birth(parent(here), "c.toml", code=CODE), data))
        return prepare_children(*arguments)

    monkeypatch.setattr(offspring, "prepare_children", meanwhile)
    children.append(judged(Birth(parent(here), "c.toml", code=CODE), data))
    assert len(children) == 2 and children[0] == children[1]
    assert os.listdir(DataPaths(data).components) == [hash_of(CODE)]


@pytest.mark.parametrize(
    "text",
    [
        'name = "c"\nbuild = "counter.wat"\n',
        'name = "x"\n[[child]]\nname = "c"\nbuild = "counter.wat"\n',
        'name = "c"\nbuild = { source = "counter.wat" }\n',
    ],
)
def test_what_is_to_be_built_is_refused_whatever_is_given(
    here: Path, tmp_path: Path, text: str
) -> None:
    (here / "c.toml").write_text(text)
    with pytest.raises(ManifestError, match="what an actor spawns is not built"):
        judged(Birth(parent(here), "c.toml", code=CODE), str(tmp_path / "data"))


@pytest.mark.parametrize(
    "text",
    [
        'name = "x"\n[[child]]\nname = "a"\n[[child]]\nname = "b"\n',
        'name = "x"\n[[child]]\nname = "a"\n[child.supervisor]\nintensity = 1\n',
        'name = "x"\nchild = 1\n',
        'name = "x"\nchild = [1]\n',
        'name = "x"\nchild = []\n',
    ],
)
def test_it_is_one_actor_that_runs_what_is_given(here: Path, tmp_path: Path, text: str) -> None:
    (here / "c.toml").write_text(text)
    with pytest.raises(ManifestError):
        judged(Birth(parent(here), "c.toml", code=CODE), str(tmp_path / "data"))


def test_what_is_given_is_granted_no_more_than_others(here: Path, tmp_path: Path) -> None:
    (here / "c.toml").write_text(f'{WITHOUT}[[handler]]\ntype = "timer"\n')
    with pytest.raises(ManifestError, match='"timer" is not granted to boss itself'):
        judged(Birth(parent(here), "c.toml", code=CODE), str(tmp_path / "data"))


def test_a_specification_comes_back_as_it_was(here: Path) -> None:
    (here / "c.toml").write_text(f'{TEXT}restart = "transient"\nargs = ["x"]\n[env]\nA = "b"\n')
    child = born(judged(Birth(parent(here), "c.toml")), "boss/c-2", (3, 1), b"\x00\xff", True)
    assert unpack(pack(child)) == child and child.resumed and child.initial_state == b"\x00\xff"


@pytest.mark.parametrize(
    ("state", "resumed", "found"),
    [(None, False, b"1"), (b"2", False, b"2"), (b"2", True, b"2"), (None, True, None)],
)
def test_with_which_state_it_begins(
    here: Path, state: bytes | None, resumed: bool, found: bytes | None
) -> None:
    (here / "c.toml").write_text(f'{TEXT}initial_state = "1"\n')
    child = born(judged(Birth(parent(here), "c.toml")), "boss/c", (2, 1), state, resumed)
    assert (child.initial_state, child.resumed, child.spawned) == (found, resumed, (2, 1))


@pytest.mark.parametrize(
    ("own", "wanted", "wrong"),
    [
        # [whom it may send to, whom it may call]; None: it is granted, and does not say
        (["**", ["calculator"]], ["**", None], "send_to has **"),
        (["**", ["calculator"]], ["**", ["calculator"]], None),
        (["**", ["calculator"]], ["**", []], None),
        (["a", None], [None, ["a"]], None),
        (["a", None], ["a", None], None),
        (["a", None], [None, ["b"]], "send_to has b"),
        ([None, None], [None, ["a"]], "send_to has a"),
        ([None, ["a"]], [None, None], None),
    ],
)
def test_whom_a_child_may_call_is_what_it_comes_to(
    own: list[Any], wanted: list[Any], wrong: str | None
) -> None:
    def granted(path: str, send_to: Any, call_to: Any) -> ActorSpec:
        both = (
            Handler("message-server", {} if send_to is None else {"send_to": [send_to]}),
            Handler("rpc", {} if call_to is None else {"send_to": call_to}),
        )
        return ActorSpec(path, "/x.wasm", handlers=both)

    found = refused(granted("boss/kid", *wanted), granted("boss", *own))
    assert [text for index, text in found if index == 1] == (
        [] if wrong is None else [f'"rpc": {wrong}, which boss is not granted itself']
    )
