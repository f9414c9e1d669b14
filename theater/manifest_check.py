"""Find everything wrong with the tables of a manifest, and say where and what to do. Pure.

Two looks at the same tables: pydantic checks each value by itself, a walk checks what holds
between them (names of siblings, actor or supervisor, handlers). Both always run, so that all
problems come out at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

from pydantic import ValidationError

from theater import addresses, grants
from theater.errors import Problem
from theater.manifest_files import Files
from theater.manifest_schema import (
    ROW_MAX,
    ActorKeys,
    ChildTable,
    DefaultsTable,
    LimitsTable,
    MailboxTable,
    SingleLimitsTable,
    SingleTable,
    SupervisorTable,
    SystemLimitsTable,
    SystemTable,
    Table,
    file_path,
)
from theater.quoting import described, escaped, nearest, quoted

Loc = tuple[str | int, ...]

PROBLEMS_MAX = 100  # more than anyone reads; a hostile file could make a million
DEPTH_MAX = 16  # of supervisors in supervisors

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")
_SYNONYMS = {
    "arguments": ("args",),
    "children": ("child",),
    "component": ("package",),
    "environment": ("env",),
    "handlers": ("handler",),
    "max_restarts": ("intensity",),
    "max_seconds": ("period",),
    "module": ("component", "package"),
    "package": ("component",),
    "path": ("component", "package"),
    "state": ("initial_state",),
    "wasm": ("component", "package"),
}
_NOT_YET = ("auto_shutdown", "backoff", "on_restart", "significant")
_SINGLE_ONLY = SingleTable.model_fields.keys() - SystemTable.model_fields.keys()
_ACTOR_ONLY = (ActorKeys.model_fields.keys() | {"limits"}) - {"restart", "shutdown"}
T = TypeVar("T", bound=Table)


class _Enough(Exception):
    """No use in looking further, for the reason given."""


class Findings:
    """Problems as they are found, each at its place in the tables."""

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self._tables = tables
        self._found: list[tuple[Loc, str]] = []

    def add(self, loc: Loc, message: str) -> None:
        if len(self._found) >= PROBLEMS_MAX:
            raise _Enough(f"more than {PROBLEMS_MAX} problems; not all are shown")
        self._found.append((loc, message))

    def problems(self) -> list[Problem]:
        """In the order of the file."""
        ordered = sorted(self._found, key=lambda found: self._position(found[0]))
        return [Problem(path_text(loc), message) for loc, message in ordered]

    def _position(self, loc: Loc) -> list[int]:
        position: list[int] = []
        here: Any = self._tables
        for part in loc:
            if isinstance(here, dict) and part in here:
                position.append(list(here).index(part))
            elif isinstance(here, list) and isinstance(part, int) and part < len(here):
                position.append(part)
            else:  # a missing key: after those that are there
                return [*position, len(here) if isinstance(here, dict | list) else 0]
            here = here[part]
        return position


def path_text(loc: Loc) -> str:
    """("child", 2, "restart") -> `child[2].restart`."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else quoted(part)
            text += f".{key}" if text else key
    return text


def check(
    tables: dict[str, Any], files: Files
) -> tuple[SystemTable | SingleTable | None, list[Problem]]:
    """The checked manifest and [], or None and everything that is wrong with it."""
    findings = Findings(tables)
    checked: SystemTable | SingleTable | None = None
    try:
        _check_children(tables.get("child"), (), "", files, findings)
        if is_single(tables):
            _check_handlers(tables, (), findings)
            _check_files(tables, (), files, findings)
            checked = _check_values(SingleTable, tables, findings)
        else:
            of_system = _check_kind_of_system(tables, findings)
            checked = _check_values(SystemTable, of_system, findings)
    except _Enough as reason:
        return None, [*findings.problems(), Problem("", str(reason))]
    problems = findings.problems()
    return (None if problems else checked), problems


def is_single(tables: Mapping[str, Any]) -> bool:
    """Whether this is a manifest of one actor (`package`) rather than of a system."""
    if "child" in tables or "defaults" in tables:
        return False
    return not tables.keys().isdisjoint(_SINGLE_ONLY)


def _check_kind_of_system(tables: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """The tables to be checked as those of a system."""
    if "package" in tables:
        findings.add(
            ("package",),
            "a manifest is either one actor (package) or a system ([[child]]), not both; "
            "in a [[child]] the key is called component",
        )
        # The keys of an actor are checked too, though there is no telling whose they are.
        alone = {key: value for key, value in tables.items() if key in _SINGLE_ONLY}
        _check_handlers(tables, (), findings)
        _check_values(SingleTable, alone, findings, missing=False)
        return {key: value for key, value in tables.items() if key not in alone}
    if tables.keys().isdisjoint({"child", "defaults", "supervisor"}):
        known = {*SystemTable.model_fields, *SingleTable.model_fields}
        if not _meant(tables, known, {"package", "child", "defaults", "supervisor"}):
            findings.add(
                (),
                'says nothing to run: add [[child]] tables, or package = "..." for one actor',
            )
    return tables


def _check_children(
    children: object, above: Loc, path: str | None, files: Files, findings: Findings
) -> None:
    """`path` is the address of the supervisor above, None if that is unusable."""
    if not isinstance(children, list):
        return  # pydantic says so
    first: dict[str, int] = {}
    for index, child in enumerate(children):
        if not isinstance(child, dict):
            continue
        loc: Loc = (*above, "child", index)
        name = child.get("name")
        address = None
        if isinstance(name, str) and addresses.check_segment(name) is None:
            if name in first:
                twin = path_text((*above, "child", first[name]))
                findings.add((*loc, "name"), f"{quoted(name)} is already the name of {twin}")
            first.setdefault(name, index)
            if path is not None:
                address = addresses.child(path, name)
                if problem := addresses.check_address(address):
                    findings.add((*loc, "name"), problem)
                    address = None
        _check_kind_of_child(child, loc, findings)
        _check_handlers(child, loc, findings)
        _check_files(child, loc, files, findings)
        if len(loc) // 2 > DEPTH_MAX and not child.keys().isdisjoint(("child", "supervisor")):
            # Neither we nor pydantic recurse without a bound.
            raise _Enough(f"{path_text(loc)[:80]}...: supervisors nest deeper than {DEPTH_MAX}")
        _check_children(child.get("child"), loc, address, files, findings)


def _check_kind_of_child(child: dict[str, Any], loc: Loc, findings: Findings) -> None:
    supervisor = [key for key in ("supervisor", "child") if key in child]
    if "component" in child and supervisor:
        findings.add(
            loc,
            f"has component and {supervisor[0]}: a child is either an actor or a supervisor",
        )
    elif supervisor:
        for key in child.keys() & _ACTOR_ONLY:
            findings.add((*loc, key), "belongs to an actor, and this child is a supervisor")
    elif "component" not in child and not _meant(
        child, ChildTable.model_fields, {"component", "supervisor", "child"}
    ):
        table = ".".join(part for part in loc if isinstance(part, str))
        findings.add(
            (*loc, "component"),
            f'missing: component = "file.wasm" for an actor, or [{table}.supervisor]',
        )


def _check_files(table: Mapping[str, Any], loc: Loc, files: Files, findings: Findings) -> None:
    """What a table names must be there. Of values that are wrong in themselves pydantic tells."""
    for key in ("component", "package"):
        with suppress(ValueError):
            if key in table and (problem := files.check_component(file_path(table[key]))):
                findings.add((*loc, key), problem)
    state = table.get("initial_state")
    if isinstance(state, dict) and state.keys() == {"file"}:
        with suppress(ValueError):
            if problem := files.check_state(file_path(state["file"]), ROW_MAX):
                findings.add((*loc, "initial_state", "file"), problem)


def _check_handlers(table: Mapping[str, Any], loc: Loc, findings: Findings) -> None:
    handlers = table.get("handler")
    if not isinstance(handlers, list):
        return  # pydantic says so
    first: dict[str, int] = {}
    for index, handler in enumerate(handlers):
        here: Loc = (*loc, "handler", index)
        if not isinstance(handler, dict):
            findings.add(here, f"found {described(handler)}; must be a table with a type")
            continue
        type_ = handler.get("type")
        settings = {key: value for key, value in handler.items() if key != "type"}
        if "type" not in handler:
            if not _meant(settings, ("type",), {"type"}):
                names = ", ".join(grants.HANDLERS)
                findings.add((*here, "type"), f"missing; available: {names}")
            for key in settings:
                if nearest(key, ("type",)):
                    findings.add((*here, key), 'unknown key; did you mean "type"?')
            continue
        for below, message in grants.check_handler(type_, settings):
            if message.startswith("unknown setting") and (
                place := _place(str(below[0]), (*here, below[0]), SystemTable)
            ):
                message = f"unknown key; it belongs in {place}"
            findings.add((*here, *below), message)
        if isinstance(type_, str):
            if type_ in first:
                twin = path_text((*loc, "handler", first[type_]))
                findings.add((*here, "type"), f"{quoted(type_)} is already granted by {twin}")
            first.setdefault(type_, index)


def _check_values(
    model: type[T], tables: dict[str, Any], findings: Findings, *, missing: bool = True
) -> T | None:
    """Let pydantic check `tables`; its errors in our words. With `missing` False a key that is
    not there is no error."""
    try:
        return model.model_validate(tables)
    except ValidationError as problem:
        errors = problem.errors(include_url=False, include_input=True)
    unknown: dict[Loc, list[str]] = {}
    for error in errors:
        if error["type"] == "extra_forbidden":
            unknown.setdefault(error["loc"][:-1], []).append(str(error["loc"][-1]))
    for error in errors:
        loc = error["loc"]
        match error["type"]:
            case "value_error":
                # A bad name of a variable: pydantic marks that the key is meant.
                loc = loc[:-1] if loc[-1] == "[key]" and len(loc) > 1 else loc
                findings.add(loc, str(error["ctx"]["error"]))
            case "missing":
                table = _table_at(loc[:-1], model)
                others = unknown.get(loc[:-1], ())
                if missing and not _meant(others, table.model_fields, {str(loc[-1])}):
                    findings.add(loc, f"missing; {_purpose(str(loc[-1]), table)}")
            case "extra_forbidden":
                findings.add(loc, _unknown_key(loc, model))
            case "model_type" | "dict_type":
                findings.add(loc, f"found {described(error['input'])}; must be a table")
            case "list_type":
                findings.add(loc, _not_an_array(loc, error["input"]))
            case _:
                findings.add(loc, escaped(error["msg"]))
    return None


def _purpose(key: str, table: type[Table]) -> str:
    if key == "package":
        return 'it names the file of the actor\'s component, as in package = "counter.wasm"'
    thing = "child" if table is ChildTable else "manifest"
    return f'every {thing} has a name, as in name = "shop"'


def _not_an_array(loc: Loc, value: object) -> str:
    key = str(loc[-1])
    if key == "args":
        return f"found {described(value)}; must be an array of strings"
    header = ".".join(part for part in loc if isinstance(part, str))
    return f"found {described(value)}; must be tables, each beginning with [[{header}]]"


def _table_at(loc: Loc, top: type[Table]) -> type[Table]:
    """The model of the table at `loc`."""
    names = [part for part in loc if isinstance(part, str)]
    if not names:
        return top
    if names == ["limits"]:
        return SingleLimitsTable if top is SingleTable else SystemLimitsTable
    tables: dict[str, type[Table]] = {
        "child": ChildTable,
        "defaults": DefaultsTable,
        "limits": LimitsTable,
        "mailbox": MailboxTable,
        "supervisor": SupervisorTable,
    }
    return tables[names[-1]]


def _unknown_key(loc: Loc, top: type[Table]) -> str:
    key = str(loc[-1])
    if key in _NOT_YET:
        return "unknown key: not available in this version"
    table = _table_at(loc[:-1], top)
    known = sorted(table.model_fields)
    allowed = "allowed: " + ", ".join(known)
    if key not in _SYNONYMS and (place := _place(key, loc, top)):
        return f"unknown key; it belongs in {place}"
    if table is SystemTable and len(loc) == 1:
        known += ["package"]
    meant = _suggestion(key, known)
    return f'unknown key; did you mean "{meant}"? {allowed}' if meant else f"unknown key; {allowed}"


def _place(key: str, loc: Loc, top: type[Table]) -> str | None:
    """Where a key belongs that stands in the wrong table at `loc`; None if nowhere."""
    names = [part for part in loc[:-1] if isinstance(part, str)]
    depth = next((at for at, name in enumerate(names) if name != "child"), len(names))
    single = top is SingleTable
    # The tables of the actor around it; outside of any, those of an actor somewhere below.
    prefix = "" if single else "child." * max(depth, 1)
    nowhere = depth == 0 and not single
    for name, table in (("limits", LimitsTable), ("mailbox", MailboxTable)):
        if key in table.model_fields:
            return f"[{prefix}{name}]" + (f" or [defaults.{name}]" if nowhere else "")
    if key in SupervisorTable.model_fields:
        return f"[{'child.' * depth}supervisor]"
    if key in SystemLimitsTable.model_fields:
        return "the [limits] of the system, at the top of the file"
    for type_, handler in grants.HANDLERS.items():
        if key in handler.settings or (key == "type" and type_ == "runtime"):
            of_type = f' of type "{type_}"' if key != "type" else ""
            return f"a [[{prefix}handler]]{of_type}"
    if key in ChildTable.model_fields and depth:
        return f"the [[{prefix[:-1]}]] itself, above its own tables"
    if key in top.model_fields:
        return "the top of the file, above the first table"
    if key in ChildTable.model_fields and nowhere:
        also = " or [defaults]" if key in DefaultsTable.model_fields else ""
        return f"a [[child]]{also}"
    return None


def _meant(keys: Iterable[str], known: Iterable[str], wanted: set[str]) -> bool:
    """Whether one of the unknown `keys` is a misspelt form of a wanted one: then the problem is
    that key, not a missing one."""
    known = list(known)
    unknown = (key for key in keys if key not in known)
    # Of a hundred unknown keys none is a slip of the pen.
    return any(_suggestion(key, known) in wanted for key in islice(unknown, 100))


def _suggestion(key: str, known: Iterable[str]) -> str | None:
    """The known key that `key` was probably meant to be."""
    known = list(known)
    synonyms = (word for word in _SYNONYMS.get(key, ()) if word in known)
    return next(synonyms, None) or nearest(key, known)
