"""What a component imports and exports, sorted by who is at the other end."""

from __future__ import annotations

from typing import Any

import pytest

from theater import manifest
from theater.calls import ACTOR
from theater.capabilities import HANDLERS
from theater.grants import INIT
from theater.linkage import (
    End,
    exported,
    imported,
    manifest_lines,
    name_of,
    needed,
    problems,
    takes,
    world,
)

RUNTIME = "theater:simple/runtime"
HOST = "theater:simple/message-server-host"
CLIENT = "theater:simple/message-server-client"
AN_ACTOR: dict[str, Any] = {ACTOR: {"version": None, "functions": {"init": INIT}}}


def interfaces(*names: str, version: str | None = None, **functions: str) -> dict[str, Any]:
    return {name: {"version": version, "functions": functions} for name in names}


def test_each_import_has_somebody_at_its_other_end_or_nobody() -> None:
    found = imported(
        interfaces(
            "wasi:filesystem/types",
            "wasi:http/types",
            "theater:simple/store",
            "a:b/c",
            HOST,
            "theater:simple/types",
            "wasi:io/streams",
            RUNTIME,
            "",
        )
    )
    assert [(each.name, each.end.value, each.handler) for each in found] == [
        (HOST, "handler", "message-server"),
        (RUNTIME, "handler", "runtime"),
        ("theater:simple/store", "handler", "store"),
        ("a:b/c", "own", None),
        ("", "nobody", None),
        ("wasi:filesystem/types", "wasi", "wasi:filesystem"),
        ("wasi:http/types", "wasi", "wasi:http"),
        ("wasi:io/streams", "wasi", None),
        ("theater:simple/types", "types", None),
    ]


def test_what_an_actor_must_export_comes_first_and_what_nobody_calls_last() -> None:
    found = exported(interfaces("a:b/c", CLIENT, ACTOR, "wasi:cli/run"))
    assert [(each.name, each.end) for each in found] == [
        (ACTOR, End.THEATER),
        (CLIENT, End.THEATER),
        ("a:b/c", End.UNUSED),
        ("wasi:cli/run", End.UNUSED),
    ]


def test_files_are_never_granted_for_being_imported() -> None:
    every = interfaces("wasi:filesystem/types", "wasi:filesystem/preopens", RUNTIME, HOST, "a:b/c")
    assert needed(every) == ["message-server", "runtime"]
    assert needed({}) == []


def test_only_what_no_grant_can_help_is_a_problem() -> None:
    log = {RUNTIME: {"version": None, "functions": {"log": "func(msg: string)"}}}
    assert problems(log, AN_ACTOR) == []
    assert problems(interfaces("wasi:http/types", "wasi:cli/exit"), AN_ACTOR) == []
    (unknown,) = problems(interfaces("theater:simple/runtme"), AN_ACTOR)
    assert 'did you mean "theater:simple/runtime"?' in unknown
    (none,) = problems(log, {})
    assert none.startswith(f"does not export {ACTOR}")


def test_messages_come_through_the_functions_that_are_exported() -> None:
    exports = {CLIENT: {"version": None, "functions": {"handle-send": "func()"}}}
    assert takes(exports, "handle-send")
    assert not takes(exports, "handle-request")
    assert not takes({}, "handle-send")


@pytest.mark.parametrize(
    "file,name",
    [
        ("hello.wasm", "hello"),
        ("/a/b/My Actor.v2.WAT", "my-actor.v2"),
        ("hello/", "hello"),
        ("noextension", "noextension"),
        ("...", "actor"),
        ("\u202e.wasm", "actor"),
        ("_x.py", "_x"),
        ("a" * 300 + ".wat", "a" * 64),
    ],
)
def test_a_file_names_its_actor(file: str, name: str) -> None:
    assert name_of(file) == name


def test_the_lines_of_a_manifest_are_a_manifest() -> None:
    handlers = [name for name in HANDLERS if not HANDLERS[name].required]
    for file in ("hello.wasm", 'od"d \\ \n\u202e.wat', "x" * 1000):
        text = "\n".join(['name = "x"', *manifest_lines("hello", file, handlers)])
        (actor,) = manifest.parse(text, "/somewhere/theater.toml").root.actors()
        assert actor.component == f"/somewhere/{file}"
        assert [handler.type for handler in actor.handlers] == handlers


def test_the_world_names_interfaces_with_their_versions() -> None:
    imports = interfaces("wasi:io/streams", version="0.2.0") | interfaces("", tell="func()")
    exports = AN_ACTOR | interfaces("exports")
    assert world(imports, exports) == [
        "package root:component;",
        "",
        "world root {",
        "  import wasi:io/streams@0.2.0;",
        "  import tell: func();",
        f"  export {ACTOR};",
        "  // export exports: an interface of its own, in no package",
        "}",
    ]
