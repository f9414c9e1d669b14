"""`theater down`, `stop`, `start`, `restart` and `check`."""

from __future__ import annotations

from theater.cli.place import Place
from theater.cli.terminal import Terminal
from theater.errors import Refused, TheaterError


def down(terminal: Terminal, place: Place, kill: bool, timeout_s: float | None) -> None:
    """Returns when nothing of the system is left."""
    control = place.control()
    try:
        control.ask("kill" if kill else "down", timeout_s=30.0)
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


def administer(terminal: Terminal, place: Place, operation: str, actors: list[str]) -> None:
    """Ask root to stop, start or restart actors, one after the other; print what it says."""
    control = place.control()
    refused = 0
    try:
        for actor in actors:
            try:
                text = control.ask(operation, actor=actor)["text"]
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
    from theater.supervisor.prepare import prepare_system

    prepared = prepare_system(place.find_manifest(), terminal.progress)
    actors = list(prepared.spec.root.actors())
    terminal.print(
        f"ok: {_count(len(actors), 'actor')}, {_count(len(prepared.artifacts), 'component')}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
