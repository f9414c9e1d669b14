"""`theater inspect`: what a component imports and exports, and what a manifest has to grant it."""

from __future__ import annotations

import json
import os
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theater.cli.place import Usage, shown_path
from theater.cli.status import number_of, size
from theater.cli.terminal import BOLD, DIM, RED, Terminal
from theater.errors import ComponentError
from theater.linkage import (
    WASI_REFUSED,
    WASI_THERE,
    WASI_WITHOUT,
    End,
    Interface,
    exported,
    imported,
    manifest_lines,
    name_of,
    needed,
    problems,
    wasi_package,
    world,
)
from theater.pack.interfaces import is_package
from theater.values import visible

if TYPE_CHECKING:
    from theater.supervisor.cache import Artifact

WIDTH_MIN = 40


def inspect(terminal: Terminal, component: str, as_json: bool, as_wit: bool) -> None:
    """ComponentError, with exit code 3, if it cannot be an actor's, whatever is granted."""
    from theater.cli import handlers
    from theater.cli.build import is_source, made_of
    from theater.supervisor.cache import look, prepare

    if handlers.is_handler(component):
        handlers.inspect(terminal, component, as_json, as_wit)
        return
    if is_source(Path(component)):
        component = shown_path(made_of(component, terminal.progress).component)
    was_compiled = look(component) is not None
    before_s = time.monotonic()
    artifact = prepare(component, on_progress=terminal.progress)
    took_s = None if was_compiled else time.monotonic() - before_s
    wrong = problems(artifact.imports, artifact.exports)
    wanted = [each.name for each in imported(artifact.imports) if each.end is End.OWN]
    own = handlers.providers(set(wanted), terminal)
    if as_wit and is_package(artifact.exports):
        raise Usage(f"{component}: a package of Pack's, which has no world in WIT")
    if as_json:
        facts = _facts(component, artifact, was_compiled, wrong)
        terminal.print(
            json.dumps(facts | {"own": {each: own.get(each) for each in wanted}}, indent=2)
        )
    elif as_wit:
        for line in world(artifact.imports, artifact.exports):
            terminal.print(visible(line))
    else:
        for line in _told(terminal, component, artifact, took_s, own):
            terminal.print(line)
        _tell_grants(terminal, component, artifact, wrong, own)
    if wrong:
        terminal.flush()
        raise SystemExit(ComponentError.exit_code)


def _facts(
    component: str, artifact: Artifact, was_compiled: bool, wrong: list[str]
) -> dict[str, Any]:
    return {
        "component": component,
        "kind": "package" if is_package(artifact.exports) else "component",
        "size": os.stat(component).st_size,
        "sha256": artifact.component_sha256,
        "artifact": {
            "path": artifact.path,
            "size": artifact.size,
            "sha256": artifact.artifact_sha256,
            "was_compiled": was_compiled,
        },
        "imports": [_json(each) for each in imported(artifact.imports)],
        "exports": [_json(each) for each in exported(artifact.exports)],
        "grants": needed(artifact.imports),
        "problems": wrong,
    }


def _json(interface: Interface) -> dict[str, Any]:
    facts = {
        "interface": interface.name,
        "version": interface.version,
        "functions": dict(interface.functions),
        "end": interface.end.value,
    }
    if interface.hash is not None:
        facts["hash"] = interface.hash
    return facts if interface.handler is None else facts | {"handler": interface.handler}


# For people


def _told(
    terminal: Terminal,
    component: str,
    artifact: Artifact,
    took_s: float | None,
    own: dict[str, str],
) -> Iterator[str]:
    out = terminal.out
    how = "is in the cache" if took_s is None else f"took {took_s:.1f} s, and is in the cache now"
    kind = ", a package of Pack's" if is_package(artifact.exports) else ""
    yield f"{visible(component)}: {os.stat(component).st_size:,} bytes{kind}"
    yield f"SHA-256   {artifact.component_sha256}"
    yield f"compiled  {size(artifact.size)}, {how}"
    width = max(out.width() or 10**9, WIDTH_MIN)
    imports = imported(artifact.imports)
    for title, interfaces in (
        ("imports", [each for each in imports if each.end is not End.WASI]),
        ("exports", exported(artifact.exports)),
    ):
        if interfaces:
            yield ""
            yield out.style(title, BOLD)
        for each in interfaces:
            yield from _interface(terminal, each, width, own)
    wasi = [each for each in imports if each.end is End.WASI]
    if wasi:
        yield ""
        yield from _wasi(terminal, wasi, width)


def _interface(
    terminal: Terminal, interface: Interface, width: int, own: dict[str, str]
) -> Iterator[str]:
    style = terminal.out.style
    version = f"@{interface.version}" if interface.version else ""
    name = visible(f"{interface.name}{version}") if interface.name else "outside of any interface"
    provider = own.get(interface.name)
    note = {
        End.OWN: "of a handler of your own, which nothing here names"
        if provider is None
        else f'granted by the handler "{provider}"',
        End.HANDLER: f'granted by the handler "{interface.handler}"',
        End.NOBODY: "provided by nobody",
        End.TYPES: "types only",
        End.UNUSED: "called by nobody",
        End.ACTORS: 'other actors may call it, with the handler "rpc"',
        End.THEATER: "",
        End.WASI: "",
    }[interface.end]
    bad = interface.end is End.NOBODY
    end = f"  {style(f'({note})', RED if bad else DIM)}" if note else ""
    yield f"  {name}{end}"
    if interface.hash is not None:
        yield f"    {style(f'built with {interface.hash}', DIM)}"
    if interface.end is End.UNUSED:
        return  # a tool's own; its types can fill a screen
    for function, text in interface.functions.items():
        yield from textwrap.wrap(
            visible(f"{function}: {text}"),
            width,
            initial_indent="    ",
            subsequent_indent="        ",
            break_on_hyphens=False,
        )


def _wasi(terminal: Terminal, interfaces: list[Interface], width: int) -> Iterator[str]:
    """In short: a language runtime imports all of it, whatever the program uses."""
    style = terminal.out.style
    packages: dict[str, list[Interface]] = {}
    for each in interfaces:
        packages.setdefault(wasi_package(each.name), []).append(each)
    count = sum(len(each.functions) for each in interfaces)
    yield f"{style('WASI', BOLD)}, {number_of(count, 'function')}  {style('(always links)', DIM)}"
    for package, found in sorted(packages.items()):
        handler = found[0].handler
        note = ""
        if handler is not None:
            note = f'{WASI_WITHOUT[package]} without the handler "{handler}"'
        elif package in WASI_REFUSED:
            note = "answered: not permitted"
        elif package not in WASI_THERE:
            note = "not in this version: a call traps"
        names = ", ".join(each.name.partition("/")[2] for each in found)
        shown = visible(f"wasi:{package}: {names}")
        yield from textwrap.wrap(
            shown,
            width,
            initial_indent="  ",
            subsequent_indent="      ",
            break_on_hyphens=False,
        )
        if note:
            yield f"      {style(f'({note})', DIM)}"


def _tell_grants(
    terminal: Terminal,
    component: str,
    artifact: Artifact,
    wrong: list[str],
    own: dict[str, str],
) -> None:
    terminal.print("")
    if wrong:
        terminal.print(terminal.out.style("It cannot be an actor's component:", RED))
        for message in wrong:
            terminal.print(textwrap.indent(visible(message, keep="\n"), "  "))
        return
    terminal.print(terminal.out.style("A manifest that runs it has", BOLD))
    granted = [*needed(artifact.imports), *sorted(set(own.values()))]
    for line in manifest_lines(name_of(component), component, granted):
        terminal.print(f"  {line}".rstrip())
    for each in imported(artifact.imports):
        if each.end is End.OWN and each.name not in own:
            terminal.print("")
            terminal.print("  [[child.handler]]")
            terminal.print(f'  type = "module:Class"  # that provides {visible(each.name)}')
