"""Sort what a component imports and exports by who is at the other end. Pure.

Imports and exports are the compiler's description: see `supervisor/describe.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from theater.calls import ACTOR
from theater.capabilities import CALLED, FOR_PACKAGES, HANDLERS, PROVIDED
from theater.errors import Problem
from theater.grants import TYPES, check_grants, may_be_own
from theater.pack.interfaces import EXPORTS as PACKAGE_CALLED
from theater.pack.interfaces import NOT_FOR_ACTORS, is_package
from theater.quoting import quoted
from theater.spec import ActorSpec, Handler

CLIENT = "theater:simple/message-server-client"
PATH_MAX = 4096
NAME_MAX = 64
# Of WASI, what there is. The rest links too, and traps when it is called.
WASI_THERE = ("cli", "clocks", "filesystem", "http", "io", "random", "sockets")
WASI_REFUSED = ("sockets",)  # answered "not permitted"
WASI_GRANTED = {"filesystem": "wasi:filesystem", "http": "wasi:http"}  # with this handler
WASI_WITHOUT = {"filesystem": "no file is there", "http": "every request is denied"}  # without it


class End(StrEnum):
    """Who is at the other end of an interface."""

    HANDLER = "handler"  # provides it where the manifest grants it
    OWN = "own"  # a handler that its author has written, where the manifest grants it
    NOBODY = "nobody"
    WASI = "wasi"  # always links
    TYPES = "types"  # has no functions
    THEATER = "theater"  # calls what is exported
    ACTORS = "actors"  # call what is exported, where they may
    UNUSED = "unused"  # nobody calls it


@dataclass(frozen=True, slots=True)
class Interface:
    """One that a component imports or exports. `name` is "" for what is outside of any."""

    name: str
    version: str | None
    functions: Mapping[str, str]  # name -> type text
    end: End
    handler: str | None = None  # that provides it, or would
    hash: str | None = None  # hex, that a package says it was built with


def imported(imports: Mapping[str, Any]) -> list[Interface]:
    """In order: what handlers grant, what does not link, WASI."""
    order = list(End)
    found = [
        Interface(
            name,
            each["version"],
            each["functions"],
            *_import_end(name, "pack" in each),
            _hash(each),
        )
        for name, each in imports.items()
    ]
    return sorted(found, key=lambda each: (order.index(each.end), each.name))


def _hash(described: Mapping[str, Any]) -> str | None:
    hash: str | None = described.get("pack", {}).get("hash")
    return hash


def _import_end(name: str, is_package: bool) -> tuple[End, str | None]:
    if name in PROVIDED:
        return End.HANDLER, PROVIDED[name][0]
    if name in FOR_PACKAGES and is_package:
        return End.HANDLER, FOR_PACKAGES[name]
    if name.startswith("wasi:"):
        return End.WASI, WASI_GRANTED.get(wasi_package(name))
    if name == TYPES:
        return End.TYPES, None
    if may_be_own(name) and not is_package:
        return End.OWN, None
    return End.NOBODY, None


def exported(exports: Mapping[str, Any]) -> list[Interface]:
    """What an actor must export first, then what else is called, then the rest."""
    is_pack = is_package(exports)
    called = [ACTOR, *(PACKAGE_CALLED if is_pack else CALLED)]

    def end(name: str) -> End:
        if name in called:
            return End.THEATER
        return End.ACTORS if is_pack and name not in NOT_FOR_ACTORS else End.UNUSED

    found = [
        Interface(
            name,
            each["version"],
            each["functions"],
            end(name),
            hash=_hash(each),
        )
        for name, each in exports.items()
    ]
    return sorted(
        found,
        key=lambda each: (
            called.index(each.name) if each.name in called else len(called),
            each.name,
        ),
    )


def wasi_package(interface: str) -> str:
    """`io` of `wasi:io/streams`."""
    return interface.removeprefix("wasi:").partition("/")[0]


def needed(imports: Mapping[str, Any]) -> list[str]:
    """The handlers that a manifest must grant, as far as they are there."""
    wanted = {each.handler for each in imported(imports) if each.end is End.HANDLER}
    return [handler for handler in HANDLERS if handler in wanted]


def takes(exports: Mapping[str, Any], function: str) -> bool:
    """Whether it exports a function that messages come through: `handle-request`, ..."""
    return CLIENT in exports and function in exports[CLIENT]["functions"]


def problems(imports: Mapping[str, Any], exports: Mapping[str, Any]) -> list[str]:
    """What stands in the way also of one that is granted all it imports."""
    handlers = tuple(Handler(name) for name in needed(imports))
    actor = ActorSpec(path="actor", component="", handlers=handlers)
    others = {
        name: each for name, each in imports.items() if "pack" in each or not may_be_own(name)
    }
    found: list[Problem] = check_grants(actor, others, exports)
    return [problem.message for problem in found]


def name_of(file: str) -> str:
    """What an actor may be called whose component or source this file is."""
    stem = file.rstrip("/").rpartition("/")[2]
    stem = stem.rpartition(".")[0] or stem
    return re.sub(r"[^a-z0-9_.-]+", "-", stem.lower()).strip("-.")[:NAME_MAX] or "actor"


def manifest_lines(
    name: str, component: str, handlers: Iterable[str], more: Iterable[str] = ()
) -> list[str]:
    """A child of a manifest with these grants. `more`: lines of its table."""
    lines = ["[[child]]", f"name = {quoted(name)}", f"component = {quoted(component, PATH_MAX)}"]
    lines += more
    for handler in handlers:
        lines += ["", "[[child.handler]]", f"type = {quoted(handler)}"]
    return lines


def world(imports: Mapping[str, Any], exports: Mapping[str, Any]) -> list[str]:
    """The component's world in WIT, as far as it names interfaces: their types are theirs."""
    lines = ["package root:component;", "", "world root {"]
    for verb, interfaces in (("import", imports), ("export", exports)):
        for name, each in interfaces.items():
            if ":" in name:
                version = f"@{each['version']}" if each["version"] else ""
                lines.append(f"  {verb} {name}{version};")
            elif name:
                lines.append(f"  // {verb} {name}: an interface of its own, in no package")
            else:
                functions = each["functions"].items()
                lines += [f"  {verb} {function}: {text};" for function, text in functions]
    return [*lines, "}"]
