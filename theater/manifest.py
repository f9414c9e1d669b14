"""Read a manifest: from TOML to a `SystemSpec`, or every problem in it at once.

`parse` is pure but for the paths it makes absolute; `load` is thin and looks at the disk. What the
keys mean: `manifest_schema`; what can be wrong: `manifest_check`; what is right and still unwise:
`manifest_warnings`. A fragment is a file of more children for a system that runs.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from theater import addresses, preopens, requests, sources
from theater.errors import ManifestError, Problem
from theater.manifest_files import (
    PATH_SHOWN_MAX,
    Files,
    StateFile,
    lies_below,
    os_problem,
    read_file,
)
from theater.quoting import escaped
from theater.spec import (
    ActorSpec,
    AutoShutdown,
    Backoff,
    ChildSpec,
    Durability,
    Handler,
    Limits,
    MailboxBounds,
    OnFull,
    OnRestart,
    Restart,
    Strategy,
    SupervisorSpec,
    SystemSpec,
    instance,
)

if TYPE_CHECKING:  # pydantic is imported when a manifest is parsed, not with this module
    from theater.manifest_schema import (
        BackoffTable,
        ChildTable,
        DefaultsTable,
        LimitsTable,
        SingleLimitsTable,
        SingleTable,
        SupervisorTable,
        SystemLimitsTable,
        SystemTable,
    )

MANIFEST_MAX_BYTES = 1024 * 1024  # tomllib needs seconds for a hostile megabyte
KEY_PARTS_MAX = 32

# tomllib's time grows with the square of the parts of a dotted key: minutes for a megabyte. Looked
# for where a key can begin, so that text with dots in it is (but for the oddest) left alone.
_LONG_KEY = re.compile(
    r"""(?:^[ \t]*+\[{0,2}|[{,])
    (?:[ \t]*+(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.){N}""".replace(
        "{N}", f"{{{KEY_PARTS_MAX}}}"
    ),
    re.MULTILINE | re.VERBOSE,
)


def load(path: str | os.PathLike[str]) -> SystemSpec:
    """Read the manifest at `path`, and the files it names; ManifestError says all that is wrong.

    Components are looked at (is there a file that can be read?) but not read.
    """
    file = escaped(os.fspath(path), PATH_SHOWN_MAX)
    text, files = _read(path, file)
    return _parse(text, file, files)


def load_fragment(
    path: str | os.PathLike[str], under: str, state_max_bytes: int | None = None
) -> tuple[ChildSpec, ...]:
    """Read a file of more children for the supervisor at the address `under` ("": the root).

    It is judged as a manifest would be, and ManifestError says all that is wrong, with one thing
    left to the running system: whether that supervisor takes significant children. (That names
    and addresses are still free, too.) `state_max_bytes` is that of the system.
    """
    from theater import manifest_check

    file = escaped(os.fspath(path), PATH_SHOWN_MAX)
    text, files = _read(path, file)
    if under and (problem := addresses.check_address(under)):
        raise ManifestError(file, [Problem("", f"cannot be read for a supervisor: {problem}")])
    checked, problems = manifest_check.check_fragment(_tables(text, file), files, under)
    if checked is None:
        raise ManifestError(file, problems)
    children = _children(checked.child, under, "", checked.defaults, files)
    added = SupervisorSpec(path=under, children=children)
    _refuse_large_states(added, state_max_bytes, file)
    return children


def load_offspring(
    path: str, name: str, below: str | None, state_max_bytes: int, component: str | None = None
) -> ActorSpec:
    """Read the manifest of one actor that an actor spawns; its address is its name.

    `name`: what messages, which the actor may see, call the manifest; `below`: the directory that
    all it names has to lie in, unless whoever wrote the spawning actor's own manifest has named
    this one; `component`: in place of the one that it names, if it does. ManifestError says all
    that is wrong.
    """
    shown = escaped(name, PATH_SHOWN_MAX)
    if below is not None and not lies_below(path, below):
        outside = "lies outside of the directory that the actor may spawn from"
        raise ManifestError(shown, [Problem("", outside)])
    text, files = _read(path, shown, below)
    files.given = component
    return _one_actor(_parse(text, shown, files), state_max_bytes, shown)


def parse_offspring(
    text: bytes, name: str, below: str, state_max_bytes: int, component: str | None = None
) -> ActorSpec:
    """The same of a text that is in no file; what it names is relative to `below`."""
    files = Files(below, on_disk=True, below=below)
    files.given = component
    return _one_actor(_parse(text, escaped(name), files), state_max_bytes, escaped(name))


def _one_actor(system: SystemSpec, state_max_bytes: int, file: str) -> ActorSpec:
    [first, *more] = system.root.written or (None,)
    if more or not isinstance(first, ActorSpec) or system.root.template is not None:
        raise ManifestError(file, [Problem("", "has to be the manifest of one actor")])
    _refuse_large_states(system.root, state_max_bytes, file)
    return first


def parse(text: bytes | str, file: str) -> SystemSpec:
    """The system that `text` describes; `file` names it in problems and is what paths in it are
    relative to. No file is opened: components are not looked for, and an initial state that is
    in a file is a problem. ManifestError holds all problems there are."""
    directory = os.path.dirname(os.path.abspath(file))
    return _parse(text, escaped(file, PATH_SHOWN_MAX), Files(directory, on_disk=False))


def _parse(text: bytes | str, file: str, files: Files) -> SystemSpec:
    from theater import manifest_check, manifest_schema

    tables = _tables(text, file)
    if files.given is not None:
        _put_component(tables, files.given)
    checked, problems = manifest_check.check(tables, files)
    if checked is None:
        raise ManifestError(file, problems)
    if isinstance(checked, manifest_schema.SingleTable):
        system = _single(checked, files)
    else:
        system = _system(checked, files)
    _refuse_large_states(system.root, system.state_max_bytes, file)
    return replace(system, text=text if isinstance(text, bytes) else text.encode())


def _put_component(tables: dict[str, Any], component: str) -> None:
    """In place of the one that the actor has, if it has one."""
    children = tables.get("child")
    if not isinstance(children, list):
        tables["package"] = component
        return
    for each in children:
        if isinstance(each, dict):
            each["component"] = component


def _read(path: str | os.PathLike[str], file: str, below: str | None = None) -> tuple[bytes, Files]:
    """The text of a file, which messages call `file`, and what the paths in it are relative to."""
    name = os.fspath(path)
    try:
        text = read_file(name, MANIFEST_MAX_BYTES + 1, below)
        directory = os.path.dirname(os.path.abspath(name))
    except OSError as problem:
        raise ManifestError(file, [Problem("", os_problem(problem))]) from None
    return text, Files(directory, on_disk=True, below=below)


def _refuse_large_states(root: SupervisorSpec, max_bytes: int | None, file: str) -> None:
    if max_bytes is None:
        return
    too_large = [
        Problem(
            f"{actor.where}.initial_state".lstrip("."),
            f"has {len(actor.initial_state)} bytes; limits.state_max is {max_bytes}",
        )
        for actor in root.all_written()
        if isinstance(actor, ActorSpec)
        and actor.initial_state is not None
        and len(actor.initial_state) > max_bytes
    ]
    if too_large:
        raise ManifestError(file, too_large)


def _tables(text: bytes | str, file: str) -> dict[str, Any]:
    def refuse(message: str) -> NoReturn:
        raise ManifestError(file, [Problem("", message)])

    if isinstance(text, str):
        text = text.encode("utf-8", "surrogatepass")
    if len(text) > MANIFEST_MAX_BYTES:
        refuse(f"is larger than {MANIFEST_MAX_BYTES} bytes, the most a manifest may have")
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = text.count(b"\n", 0, problem.start) + 1
        refuse(f"line {line}: not UTF-8 (byte {text[problem.start]:#04x})")
    if match := _LONG_KEY.search(decoded):
        line = decoded.count("\n", 0, match.end()) + 1
        refuse(f"TOML: line {line}: a key with more than {KEY_PARTS_MAX} dots")
    try:
        return tomllib.loads(decoded)
    except RecursionError:
        refuse("TOML: arrays or inline tables are nested too deeply")
    except ValueError as problem:  # TOMLDecodeError, and numbers that Python will not read
        message = escaped(str(problem), 500)
        last_line = decoded.count("\n") + 1
        message = message.replace("at end of document", f"at line {last_line}, the end")
        match = re.fullmatch(r"(.*) \(at (.*)\)", message)
        refuse(f"TOML: {match[2]}: {match[1]}" if match else f"TOML: {message}")


def _system(table: SystemTable, files: Files) -> SystemSpec:
    children = _children(table.child, "", "", table.defaults, files)
    root = _supervisor(table.supervisor, children)
    return _with_limits(table, table.limits, root)


def _single(table: SingleTable, files: Files) -> SystemSpec:
    actor = _actor(table, table.name, table.package, table.limits, "", None, files)
    root = _supervisor(table.supervisor, (actor,))
    return _with_limits(table, table.limits, root)


def _with_limits(
    table: SystemTable | SingleTable,
    limits: SystemLimitsTable | SingleLimitsTable | None,
    root: SupervisorSpec,
) -> SystemSpec:
    system = SystemSpec(name=table.name, root=root)
    if table.durability is not None:
        system = replace(system, durability=Durability(table.durability))
    if table.head_every is not None:
        system = replace(system, head_every_s=table.head_every)
    if limits is None:
        return system
    return replace(
        system,
        **_given(
            message_max_bytes=limits.message_max,
            state_max_bytes=limits.state_max,
            compile_memory_bytes=limits.compile_memory,
            compile_timeout_s=limits.compile_timeout,
        ),
    )


def _supervisor(table: SupervisorTable | None, children: tuple[ChildSpec, ...]) -> SupervisorSpec:
    """The root, or what a nested supervisor has in common with it."""
    root = SupervisorSpec(path="", children=children)
    if table is None:
        return root
    strategy = None if table.strategy is None else Strategy(table.strategy)
    if strategy is Strategy.SIMPLE_ONE_FOR_ONE:
        [template] = children
        numbers = range(1, (table.instances or 0) + 1)
        instances = tuple(instance(template, number) for number in numbers)
        root = replace(root, template=template, children=instances)
    auto_shutdown = None if table.auto_shutdown is None else AutoShutdown(table.auto_shutdown)
    return replace(
        root,
        **_given(
            strategy=strategy,
            intensity=table.intensity,
            period_s=table.period,
            auto_shutdown=auto_shutdown,
            backoff=None if table.backoff is None else _backoff(table.backoff),
        ),
    )


def _backoff(table: BackoffTable) -> Backoff:
    given = _given(factor=table.factor, max_s=table.max, jitter=table.jitter)
    backoff = Backoff(table.base, **given)
    return replace(backoff, settled_s=table.settled or backoff.max_s)


def _children(
    tables: list[ChildTable] | None,
    path: str,
    where: str,
    defaults: DefaultsTable | None,
    files: Files,
) -> tuple[ChildSpec, ...]:
    specs: list[ChildSpec] = []
    for index, table in enumerate(tables or ()):
        address = addresses.child(path, table.name)
        here = f"{where}.child[{index}]".lstrip(".")
        if table.component is not None or table.build is not None:
            actor = _actor(table, address, table.component, table.limits, here, defaults, files)
            specs.append(actor)
            continue
        children = _children(table.child, address, here, defaults, files)
        restart = None if table.restart is None else Restart(table.restart)
        specs.append(
            replace(
                _supervisor(table.supervisor, children),
                path=address,
                where=here,
                **_given(restart=restart, significant=table.significant, shutdown=table.shutdown),
            )
        )
    return tuple(specs)


def _actor(
    table: ChildTable | SingleTable,
    path: str,
    component: str | None,
    limits: LimitsTable | None,
    where: str,
    defaults: DefaultsTable | None,
    files: Files,
) -> ActorSpec:
    state = table.initial_state
    if isinstance(state, StateFile):
        state = files.states[state.path]
    restart = _first("restart", table, defaults)
    on_restart = _first("on_restart", table, defaults)
    build = table.build and replace(table.build, source=files.absolute(table.build.source))
    if component is not None:
        component = files.absolute(component)
    else:
        assert build is not None, "an actor with neither component nor build was let through"
        component = sources.component_of(build.source)
    limits_said = (limits, _first("limits", defaults))
    mailbox_said = (table.mailbox, _first("mailbox", defaults))
    on_full = _first("on_full", *mailbox_said)
    return ActorSpec(
        path=path,
        component=component,
        build=build,
        initial_state=state,
        handlers=tuple(_handler(handler, files) for handler in table.handler or ()),
        env=table.env or {},
        args=tuple(table.args or ()),
        limits=Limits(
            **_given(
                memory_bytes=_first("memory", *limits_said),
                fuel=_first("fuel", *limits_said),
                turn_timeout_s=_first("turn_timeout", *limits_said),
                turn_bytes=_first("turn_bytes", *limits_said),
                start_timeout_s=_first("start_timeout", *limits_said),
                max_deliveries=_first("max_deliveries", *limits_said),
            )
        ),
        mailbox=MailboxBounds(
            **_given(
                max_messages=_first("max_messages", *mailbox_said),
                max_bytes=_first("max_bytes", *mailbox_said),
                on_full=None if on_full is None else OnFull(on_full),
            )
        ),
        where=where,
        directory=files.directory,
        **_given(
            restart=None if restart is None else Restart(restart),
            on_restart=None if on_restart is None else OnRestart(on_restart),
            significant=table.significant,
            shutdown=_first("shutdown", table, defaults),
            request_timeout_s=_first("request_timeout", table, defaults),
            state_every=_first("state_every", table, defaults),
            recycle_turns=_first("recycle_turns", table, defaults),
        ),
    )


def _handler(table: dict[str, Any], files: Files) -> Handler:
    settings = {key: table[key] for key in table if key != "type"}
    if table["type"] == preopens.HANDLER:
        settings = preopens.settled(settings, files.absolute)
    elif table["type"] == requests.HANDLER:
        settings = requests.settled(settings, files.absolute)
    elif table["type"] == "supervisor" and "templates" in settings:
        templates = settings["templates"].items()
        settings["templates"] = {name: files.absolute(path) for name, path in templates}
    return Handler(table["type"], settings)


def _first(key: str, *tables: object) -> Any:
    """The value of `key` in the first table that says it, None if none does."""
    values = (getattr(table, key, None) for table in tables)
    return next((value for value in values if value is not None), None)


def _given(**values: Any) -> dict[str, Any]:
    """The values that were given; for the others the defaults of `spec` hold."""
    return {key: value for key, value in values.items() if value is not None}
