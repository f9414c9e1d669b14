"""What pydantic finds wrong with the keys of a manifest, in our words. Pure.

Above all unknown keys: which known one was meant, or in which other table it belongs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, TypeVar

from pydantic import ValidationError

from theater import capabilities
from theater.manifest_findings import PROBLEMS_MAX, Findings, Loc
from theater.manifest_schema import (
    BackoffTable,
    ChildTable,
    DefaultsTable,
    FragmentTable,
    LimitsTable,
    MailboxTable,
    SingleLimitsTable,
    SingleTable,
    SupervisorTable,
    SystemLimitsTable,
    SystemTable,
    Table,
)
from theater.manifest_values import Budget
from theater.quoting import described, escaped, nearest

_SYNONYMS = {
    "arguments": ("args",),
    "cap": ("max",),
    "children": ("child",),
    "compile": ("build",),
    "component": ("package",),
    "delay": ("backoff", "base"),
    "environment": ("env",),
    "handlers": ("handler",),
    "id": ("name",),
    "initial": ("base",),
    "max_delay": ("max",),
    "max_restarts": ("intensity",),
    "max_seconds": ("period",),
    "min": ("base",),
    "module": ("component", "package"),
    "multiplier": ("factor",),
    "package": ("component",),
    "path": ("component", "package"),
    "reset_after": ("settled",),
    "restart_delay": ("backoff",),
    "source": ("build",),
    "state": ("initial_state",),
    "wasm": ("component", "package"),
}
_IN_MANIFEST = "the manifest of the system, not in a fragment"
T = TypeVar("T", bound=Table)


def check_values(
    model: type[T], tables: dict[str, Any], findings: Findings, *, missing: bool = True
) -> T | None:
    """Let pydantic check `tables`; its errors in our words. With `missing` False a key that is
    not there is no error."""
    try:
        return model.model_validate(tables, context=Budget(PROBLEMS_MAX + 1))
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
                # Of a bad name of a variable pydantic marks, behind it, that the key is meant.
                is_of_key = loc[-1] == "[key]" and loc[-3:-2] == ("env",)
                findings.add(loc[:-1] if is_of_key else loc, str(error["ctx"]["error"]))
            case "missing":
                table = _table_at(loc[:-1], model)
                others = unknown.get(loc[:-1], ())
                if missing and not meant(others, table.model_fields, {str(loc[-1])}):
                    findings.add(loc, f"missing; {_purpose(str(loc[-1]), table)}")
            case "extra_forbidden":
                findings.add(loc, _unknown_key(loc, model, findings.tables))
            case "model_type" if isinstance(loc[-1], int):
                pass  # a child that is no table; whoever looks at all children says so
            case "model_type" | "dict_type":
                example = ", as in { base = 1, max = 60 }" if loc[-1] == "backoff" else ""
                findings.add(loc, f"found {described(error['input'])}; must be a table{example}")
            case "list_type":
                findings.add(loc, _not_an_array(loc, error["input"]))
            case _:
                findings.add(loc, escaped(error["msg"]))
    return None


def _purpose(key: str, table: type[Table]) -> str:
    if key == "base":
        return "it is the delay before a first restart, as in backoff = { base = 1, max = 60 }"
    if table is FragmentTable:
        return "a fragment describes the children to be added, each beginning with [[child]]"
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
        "backoff": BackoffTable,
        "child": ChildTable,
        "defaults": DefaultsTable,
        "limits": LimitsTable,
        "mailbox": MailboxTable,
        "supervisor": SupervisorTable,
    }
    return tables[names[-1]]


def _unknown_key(loc: Loc, top: type[Table], tables: Mapping[str, Any]) -> str:
    key = str(loc[-1])
    table = _table_at(loc[:-1], top)
    known = sorted(table.model_fields)
    allowed = "allowed: " + ", ".join(known)
    if table is FragmentTable and (key in SystemTable.model_fields or key == "package"):
        return "unknown key; a fragment has [[child]] tables and [defaults], nothing else"
    if key not in _SYNONYMS and (place := place_of(key, loc, top, tables)):
        return f"unknown key; it belongs in {place}"
    if table is SystemTable and len(loc) == 1:
        known += ["package"]
    synonyms = _SYNONYMS.get(key, ())
    if not any(word in known for word in synonyms):
        for word in synonyms:
            if place := place_of(word, loc, top, tables):
                return f'unknown key; it is called "{word}" and belongs in {place}'
    close = _suggestion(key, known)
    return f'unknown key; did you mean "{close}"? {allowed}' if close else f"unknown key; {allowed}"


def place_of(key: str, loc: Loc, top: type[Table], tables: Mapping[str, Any]) -> str | None:
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
        return _place_of_supervisor("", loc[: 2 * depth], top, tables)
    # Of a backoff; but these are words that can mean something else among limits.
    if key in BackoffTable.model_fields and not {"limits", "mailbox", "handler"} & {*names}:
        return _place_of_supervisor(".backoff", loc[: 2 * depth], top, tables)
    if key in SystemLimitsTable.model_fields:
        if top is FragmentTable:
            return _IN_MANIFEST
        return "the [limits] of the system, at the top of the file"
    for type_, handler in capabilities.HANDLERS.items():
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
    return _IN_MANIFEST if top is FragmentTable and key in SystemTable.model_fields else None


def _place_of_supervisor(
    below: str, child: Loc, top: type[Table], tables: Mapping[str, Any]
) -> str:
    """The [supervisor] that a key is about which stands in the `child`, or outside of any."""
    here: Any = tables
    for part in child:
        here = here[part]
    depth = len(child) // 2
    above = ""
    if depth and not {"component", "build"}.isdisjoint(here):
        depth -= 1
        above = ", of the supervisor above"
    if top is FragmentTable and depth == 0:
        return _IN_MANIFEST
    return f"[{'child.' * depth}supervisor{below}]{above}"


def meant(keys: Iterable[str], known: Iterable[str], wanted: set[str]) -> bool:
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
