"""`theater down`, `stop`, `start`, `restart` and `check`."""

from __future__ import annotations

from typing import Any

from theater.cli.place import Place, ask
from theater.cli.status import number_of
from theater.cli.terminal import RED, Terminal
from theater.errors import NotRunning, Refused, TheaterError


def down(terminal: Terminal, place: Place, kill: bool, timeout_s: float | None) -> None:
    """Returns when nothing of the system is left."""
    try:
        control = place.control()
    except NotRunning:
        if place.is_starting():
            raise
        terminal.note("nothing is running")
        return
    try:
        answer = control.ask("kill" if kill else "down", timeout_s=30.0)
        for each in answer["troubles"]:
            if each["since"] is not None:
                lost = "what has not been acknowledged is not in it, and nothing else is lost"
                terminal.note(f"{each['what']}: {lost}", RED)
        terminal.progress("killing everything ..." if kill else "stopping in reverse order ...")
        if not control.wait_end(timeout_s):
            raise TheaterError(
                f"still stopping after {timeout_s:g} s; `theater ps` shows what is left,"
                " `theater down --kill` does not wait"
            )
    except KeyboardInterrupt:
        terminal.note("not waiting any longer; the system goes on stopping")
        raise
    finally:
        control.close()
    terminal.note("stopped")


def administer(
    terminal: Terminal, place: Place, operation: str, actors: list[str], **facts: Any
) -> None:
    """Ask root to stop, start or restart actors, one after the other; print what it says."""
    control = place.control()
    refused = 0
    try:
        for actor in actors:
            try:
                text = ask(control, operation, actor, **facts)["text"]
                terminal.print(f"{actor}: {text}")
                terminal.flush()
            except Refused as error:
                refused += 1
                terminal.error(f"cannot {operation} {actor}: {error}")
    finally:
        control.close()
    if refused:
        raise SystemExit(1)


def check(terminal: Terminal, place: Place) -> None:
    """Judge the manifest, its components and its grants, and start nothing."""
    from theater.spec import SupervisorSpec
    from theater.supervisor.prepare import prepare_system

    file = place.find_manifest()
    prepared = prepare_system(file, place.data_directory(), terminal.progress)
    for warning in prepared.warnings:
        terminal.note(f"{file}: warning: {warning}")
    root = prepared.spec.root
    counts = [number_of(len(list(root.actors())), "actor")]
    written = [root, *root.all_written()]
    if pools := sum(
        isinstance(each, SupervisorSpec) and each.template is not None for each in written
    ):
        counts.append(number_of(pools, "pool"))
    counts.append(number_of(len(prepared.artifacts), "component"))
    terminal.print(f"ok: {', '.join(counts)}")
