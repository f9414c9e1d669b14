"""Find everything wrong with the tables of a manifest, and say where and what to do. Pure.

Two looks at the same tables: pydantic checks each value by itself, a walk checks what holds
between them (names of siblings, actor or supervisor, handlers, and what `manifest_supervision`
says). Both always run, so that all problems come out at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from theater import addresses, capabilities, manifest_supervision, preopens, requests, sources
from theater.errors import Problem
from theater.manifest_files import Files
from theater.manifest_findings import Enough, Findings, Loc, path_text
from theater.manifest_keys import check_values, meant, place_of
from theater.manifest_schema import (
    ActorKeys,
    ChildTable,
    FragmentTable,
    SingleTable,
    SystemTable,
    Table,
)
from theater.manifest_supervision import CHILDREN_MAX, Above, is_supervisor
from theater.manifest_values import INSTANCES_MAX, ROW_MAX, file_path
from theater.quoting import described, nearest, quoted

DEPTH_MAX = 16  # of supervisors in supervisors

SINGLE_ONLY = SingleTable.model_fields.keys() - SystemTable.model_fields.keys()
ACTOR_ONLY = (ActorKeys.model_fields.keys() | {"limits"}) - {"restart", "shutdown", "significant"}


def check(
    tables: dict[str, Any], files: Files
) -> tuple[SystemTable | SingleTable | None, list[Problem]]:
    """The checked manifest and [], or None and everything that is wrong with it."""
    findings = Findings(tables)
    checked: SystemTable | SingleTable | None = None
    single = is_single(tables)
    try:
        findings.add_all((), manifest_supervision.check_supervisor(tables, "child", single))
        supervisor = manifest_supervision.above(tables, "supervisor")
        _Walk(tables, SystemTable, files, findings).whole(supervisor, path="")
        if single:
            findings.add_all((), manifest_supervision.check_significant(tables, None, supervisor))
            findings.add_all((), manifest_supervision.check_recycling(tables, {}))
            _check_package(tables, findings)
            _check_handlers(tables, (), SingleTable, files, findings)
            _check_files(tables, (), files, findings)
            checked = check_values(SingleTable, tables, findings)
        else:
            of_system = _check_kind_of_system(tables, files, findings)
            checked = check_values(SystemTable, of_system, findings)
    except Enough as reason:
        return None, [*findings.problems(), Problem("", str(reason))]
    problems = findings.problems()
    return (None if problems else checked), problems


def check_fragment(
    tables: dict[str, Any], files: Files, under: str
) -> tuple[FragmentTable | None, list[Problem]]:
    """As `check`, of a file with more children for the supervisor at `under`.

    What that supervisor is, the file does not tell: whether a child of it may be significant is
    left to whoever knows.
    """
    findings = Findings(tables)
    checked: FragmentTable | None = None
    try:
        depth = under.count("/") + 1 if under else 0
        walk = _Walk(tables, FragmentTable, files, findings, depth)
        walk.whole(Above("supervisor"), path=under)
        if tables.get("child") == []:
            findings.add(("child",), "found an empty array; there has to be a [[child]] to add")
        checked = check_values(FragmentTable, tables, findings)
    except Enough as reason:
        return None, [*findings.problems(), Problem("", str(reason))]
    problems = findings.problems()
    return (None if problems else checked), problems


def is_single(tables: Mapping[str, Any]) -> bool:
    """Whether this is a manifest of one actor (`package`) rather than of a system."""
    if "child" in tables or "defaults" in tables:
        return False
    return not tables.keys().isdisjoint(SINGLE_ONLY)


def _check_package(tables: dict[str, Any], findings: Findings) -> None:
    wanted = {"package", "build"}
    if tables.keys().isdisjoint(wanted) and not meant(tables, SingleTable.model_fields, wanted):
        findings.add(
            ("package",),
            "missing; it names the file of the actor's component, as in "
            'package = "counter.wasm"; or build = "counter.py" its source',
        )


def _check_kind_of_system(
    tables: dict[str, Any], files: Files, findings: Findings
) -> dict[str, Any]:
    """The tables to be checked as those of a system."""
    if "package" in tables:
        findings.add(
            ("package",),
            "a manifest is either one actor (package) or a system ([[child]]), not both; "
            "in a [[child]] the key is called component",
        )
        # The keys of an actor are checked too, though there is no telling whose they are.
        alone = {key: value for key, value in tables.items() if key in SINGLE_ONLY}
        _check_handlers(tables, (), SystemTable, files, findings)
        check_values(SingleTable, alone, findings, missing=False)
        return {key: value for key, value in tables.items() if key not in alone}
    if tables.keys().isdisjoint({"child", "defaults", "supervisor"}):
        known = {*SystemTable.model_fields, *SingleTable.model_fields}
        if not meant(tables, known, {"package", "child", "defaults", "supervisor"}):
            findings.add(
                (),
                'says nothing to run: add [[child]] tables, or package = "..." for one actor',
            )
    return tables


class _Walk:
    """The look at all children, from the top down."""

    def __init__(
        self,
        tables: Mapping[str, Any],
        top: type[Table],
        files: Files,
        findings: Findings,
        depth: int = 0,
    ) -> None:
        self._top = top
        self._files = files
        self._findings = findings
        self._depth = depth  # of the supervisor at the top of the file
        self._children = tables.get("child")
        defaults = tables.get("defaults")
        self._defaults: dict[str, Any] = defaults if isinstance(defaults, dict) else {}

    def whole(self, supervisor: Above, path: str) -> None:
        """All that is below the top of the file; `path` is the address there."""
        size = self._below(self._children, (), path, supervisor)
        if size > CHILDREN_MAX:
            self._findings.add(
                (),
                f"makes {size} actors and supervisors, the instances of pools counted; "
                f"a system begins with at most {CHILDREN_MAX}",
            )

    def _below(self, children: object, above: Loc, path: str | None, supervisor: Above) -> int:
        """Look at the children of a supervisor; how many actors and supervisors they make.
        `path` is the address of the supervisor, None if that is unusable."""
        if not isinstance(children, list):
            return 0  # pydantic says so
        first: dict[str, int] = {}
        size = 0
        for index, child in enumerate(children):
            loc: Loc = (*above, "child", index)
            if not isinstance(child, dict):
                self._findings.add(loc, f"found {described(child)}; must be a table")
                continue
            name = child.get("name")
            address = None
            if isinstance(name, str) and addresses.check_segment(name) is None:
                if name in first:
                    twin = path_text((*above, "child", first[name]))
                    self._findings.add(
                        (*loc, "name"), f"{quoted(name)} is already the name of {twin}"
                    )
                first.setdefault(name, index)
                address = self._address(path, name, loc, supervisor)
            size += 1 + self._child(child, loc, address, supervisor)
        if not supervisor.is_pool:
            return size
        if problem := manifest_supervision.check_size(size, supervisor):
            self._findings.add((*above, "supervisor", "instances"), problem)
            return 0
        return size * max(supervisor.instances, 1)  # the template is kept as well

    def _address(self, path: str | None, name: str, loc: Loc, supervisor: Above) -> str | None:
        """Of a child, or of the longest-named instance of a template; None if unusable."""
        if path is None:
            return None
        address = addresses.child(path, name)
        of_whom = ""
        if supervisor.is_pool:
            address = manifest_supervision.last_instance(address)
            of_whom = f"the address of instance {INSTANCES_MAX}: "
        if problem := addresses.check_address(address):
            self._findings.add((*loc, "name"), of_whom + problem)
            return None
        return address

    def _child(
        self, child: dict[str, Any], loc: Loc, address: str | None, supervisor: Above
    ) -> int:
        """Look at one child and what is below it; how many that makes, not counting itself."""
        findings = self._findings
        _check_kind_of_child(child, loc, findings)
        _check_handlers(child, loc, self._top, self._files, findings)
        _check_files(child, loc, self._files, findings)
        findings.add_all(
            loc,
            manifest_supervision.check_significant(
                child, self._defaults.get("restart"), supervisor
            ),
        )
        if not is_supervisor(child):
            findings.add_all(loc, manifest_supervision.check_recycling(child, self._defaults))
            return 0
        if self._depth + len(loc) // 2 > DEPTH_MAX:
            # Neither we nor pydantic recurse without a bound.
            raise Enough(f"{path_text(loc)[:80]}...: supervisors nest deeper than {DEPTH_MAX}")
        if child.keys().isdisjoint({"component", "build"}):
            header = ".".join([*(part for part in loc if isinstance(part, str)), "child"])
            findings.add_all(loc, manifest_supervision.check_supervisor(child, header, False))
        inner = manifest_supervision.above(child, path_text((*loc, "supervisor")))
        return self._below(child.get("child"), loc, address, inner)


def _check_kind_of_child(child: dict[str, Any], loc: Loc, findings: Findings) -> None:
    supervisor = [key for key in ("supervisor", "child") if key in child]
    component = next((key for key in ("component", "build") if key in child), None)
    if component and supervisor:
        findings.add(
            loc,
            f"has {component} and {supervisor[0]}: a child is either an actor or a supervisor",
        )
    elif supervisor:
        for key in child.keys() & ACTOR_ONLY:
            findings.add((*loc, key), "belongs to an actor, and this child is a supervisor")
    elif component is None and not meant(
        child, ChildTable.model_fields, {"component", "build", "supervisor", "child"}
    ):
        table = ".".join(part for part in loc if isinstance(part, str))
        findings.add(
            (*loc, "component"),
            'missing: component = "file.wasm" for an actor, or build = "file.py" its source; or'
            f" [{table}.supervisor]",
        )


def _check_files(table: Mapping[str, Any], loc: Loc, files: Files, findings: Findings) -> None:
    """What a table names must be there. Of values that are wrong in themselves pydantic tells."""
    built = "build" in table and _check_build(table, loc, files, findings)
    for key in ("component", "package"):
        with suppress(ValueError):
            path = file_path(table[key]) if key in table and not built else None
            if path is not None and (problem := files.check_file(path)):
                findings.add((*loc, key), problem)
    state = table.get("initial_state")
    if isinstance(state, dict) and state.keys() == {"file"}:
        with suppress(ValueError):
            if problem := files.check_state(file_path(state["file"]), ROW_MAX):
                findings.add((*loc, "initial_state", "file"), problem)
    handlers = table.get("handler")
    for index, handler in enumerate(handlers if isinstance(handlers, list) else ()):
        if isinstance(handler, dict) and handler.get("type") in (
            preopens.HANDLER,
            requests.HANDLER,
        ):
            _check_granted(handler, (*loc, "handler", index), files, findings)


def _check_build(table: Mapping[str, Any], loc: Loc, files: Files, findings: Findings) -> bool:
    """Whether the component need not be there yet."""
    with suppress(ValueError):
        source = sources.read(table["build"]).source
        if problem := files.check_source(source):
            findings.add((*loc, "build"), problem)
        if sources.language_of(source) != sources.WAT:
            return True
        for key in ("component", "package"):
            if key in table:
                findings.add((*loc, key), "a .wat file is its own component; take this key away")
    return False


def _check_granted(handler: Mapping[str, Any], loc: Loc, files: Files, findings: Findings) -> None:
    """The files and directories that a handler's settings name."""
    if capabilities.check_handler(
        handler["type"], {k: v for k, v in handler.items() if k != "type"}
    ):
        return  # which is told where handlers are checked
    if handler["type"] == requests.HANDLER:
        for index, rule in enumerate(requests.read(handler).rules):
            if rule.ca and (problem := files.check_file(rule.ca)):
                findings.add((*loc, "allow", index, "ca"), problem)
        return
    for index, each in enumerate(preopens.read(handler)):
        if problem := files.check_directory(each.host, each.write):
            findings.add((*loc, "preopens", index, "host"), problem)


def _check_handlers(
    table: Mapping[str, Any], loc: Loc, top: type[Table], files: Files, findings: Findings
) -> None:
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
            if not meant(settings, ("type",), {"type"}):
                names = ", ".join(capabilities.HANDLERS)
                findings.add((*here, "type"), f"missing; available: {names}")
            for key in settings:
                if nearest(key, ("type",)):
                    findings.add((*here, key), 'unknown key; did you mean "type"?')
            continue
        for below, message in capabilities.check_handler(type_, settings, files.installed_handlers):
            if message.startswith("unknown setting") and (
                place := place_of(str(below[0]), (*here, below[0]), top, findings.tables)
            ):
                message = f"unknown key; it belongs in {place}"
            findings.add((*here, *below), message)
        if isinstance(type_, str):
            if type_ in first:
                twin = path_text((*loc, "handler", first[type_]))
                findings.add((*here, "type"), f"{quoted(type_)} is already granted by {twin}")
            first.setdefault(type_, index)
