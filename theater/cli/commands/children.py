"""Commands about what supervisors have below them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from theater.cli.frame import Data, Json, JsonObject, Manifest, place, run
from theater.cli.terminal import Terminal

commands = typer.Typer()

Actors = Annotated[
    list[str], typer.Argument(metavar="ACTOR", help="Actors, or supervisors with all below.")
]
Pool = Annotated[str, typer.Argument(metavar="POOL", help="A simple_one_for_one supervisor.")]


@commands.command()
def stop(actors: Actors, manifest: Manifest = None, data: Data = None) -> None:
    """Stop actors or supervisors; their mailboxes stay."""
    _administer("stop", actors, manifest, data)


@commands.command()
def start(actors: Actors, manifest: Manifest = None, data: Data = None) -> None:
    """Start actors or supervisors that have stopped or failed."""
    _administer("start", actors, manifest, data)


@commands.command(
    epilog="With --init the initial state takes the place of the state there is, an open turn is"
    " set aside, and whoever waits for an answer gets an error. What waits in the mailbox stays."
)
def restart(
    actors: Actors,
    init: Annotated[
        bool, typer.Option("--init", help="Begin with init: the way out of a bad state.")
    ] = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Stop actors or supervisors if they run, then start them."""
    _administer("restart", actors, manifest, data, init=init)


def _administer(
    operation: str, actors: list[str], manifest: Path | None, data: Path | None, **facts: bool
) -> None:
    from theater.cli import administer

    def action(terminal: Terminal) -> None:
        administer.administer(terminal, place(manifest, data), operation, actors, **facts)

    run(action)


@commands.command()
def delete(actors: Actors, manifest: Manifest = None, data: Data = None) -> None:
    """Forget what has stopped, and what waits in its mailbox."""
    _administer("delete", actors, manifest, data)


@commands.command()
def children(
    supervisor: Annotated[
        str,
        typer.Argument(
            metavar="SUPERVISOR", help="Or an actor that spawns; else the root supervisor, /."
        ),
    ] = "/",
    count: Annotated[bool, typer.Option("--count", help="Only how many, by kind.")] = False,
    json: Json = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Show what a supervisor, or an actor that spawns, has."""
    from theater.cli import children as module

    run(lambda terminal: module.children(terminal, place(manifest, data), supervisor, count, json))


@commands.command(
    epilog="A fragment is a file with [[child]] tables, as in a manifest. What was added is gone"
    " when its supervisor starts anew.\n\n\b\nExamples:\n"
    "  theater add another.toml\n  theater add another.toml --to shop"
)
def add(
    fragment: Annotated[Path, typer.Argument(metavar="FRAGMENT", help="A file of children.")],
    to: Annotated[
        str, typer.Option("--to", metavar="SUPERVISOR", help="Else the root supervisor, /.")
    ] = "/",
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Start more children below a supervisor."""
    from theater.cli import children as module

    run(lambda terminal: module.add(terminal, place(manifest, data), fragment, to))


@commands.command()
def scale(
    pool: Pool,
    instances: Annotated[int, typer.Argument(min=0, metavar="N", help="So many instances.")],
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Let a pool have N instances."""
    from theater.cli import children as module

    run(lambda terminal: module.scale(terminal, place(manifest, data), pool, instances))


@commands.command(
    "start-instance",
    epilog="Its number is one that no instance has had. What begins with a dash comes after --.\n\n"
    "\b\nExamples:\n  theater start-instance workers\n  theater start-instance workers -- -v fast",
)
def start_instance(
    pool: Pool,
    args: Annotated[
        list[str] | None, typer.Argument(metavar="ARG", help="Arguments of its own.")
    ] = None,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Start one more instance of a pool, with own arguments."""
    from theater.cli import children as module

    run(lambda terminal: module.start_instance(terminal, place(manifest, data), pool, args or []))


@commands.command(
    epilog="Who does not change goes on running. What changes of an actor's process (component,"
    " grants, limits) holds from its next start on: theater restart ACTOR."
)
def reload(
    manifest: Annotated[
        Path | None, typer.Argument(metavar="MANIFEST", help="Else the one that the system has.")
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Stop and delete what is no longer in it.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
    json: JsonObject = False,
    file: Manifest = None,
    data: Data = None,
) -> None:
    """Read the manifest again and make the system what it says."""
    from theater.cli import reload as module

    def action(terminal: Terminal) -> None:
        where = place(file, data, manifest)
        named = where.manifest is not None
        module.reload(terminal, where, named, prune, dry_run, json)

    run(action)
