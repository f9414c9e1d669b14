"""Commands that start, stop and show a system."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from theater.cli.frame import (
    Data,
    Json,
    JsonObject,
    Manifest,
    ManifestArgument,
    Options,
    place,
    run,
)

commands = typer.Typer()

Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0, metavar="S", help="Wait at most S seconds.")
]


@commands.command(
    epilog="Ctrl-C stops everything in reverse order, a second one kills.\n\n\b\nExamples:\n"
    "  theater up\n  theater up -d && theater ps\n  theater up examples/market/manifest.toml\n"
    "  theater up --fresh\n  theater up --watch"
)
def up(
    manifest: ManifestArgument = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when all actors are ready.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Put the log that is there away and begin anew.")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", "-w", help="Build what is saved, and restart what it changes; nothing else."
        ),
    ] = False,
    file: Manifest = None,
    data: Data = None,
) -> None:
    """Start the system; show what its actors say and do."""
    from theater.cli import up as module

    run(lambda terminal: module.up(terminal, place(file, data, manifest), detach, fresh, watch))


@commands.command(
    "run",
    epilog="PATH is a component (.wasm, .wat), a source that `build` knows (.py, .js, a project),"
    " or a manifest with one actor; else what is here or above. Without a manifest it is granted"
    " what it imports, and no files. It ends when everything has been handled but timers to come;"
    " exit code 1 if something failed.\n\n\b\nExamples:\n  theater run hello.py\n"
    "  theater run hello.wasm -- Ada Bob\n  cat names | theater run hello.wasm > answers",
)
def run_one(
    path: Annotated[
        str | None, typer.Argument(metavar="PATH", help="Of a component, a source, a manifest.")
    ] = None,
    messages: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- MESSAGE", help="Without any: a line each, from stdin."),
    ] = None,
    ask: Annotated[
        bool | None,
        typer.Option(
            "--request/--send", help="Wait for an answer to each, or not; else as it exports."
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, metavar="S", help="Wait at most S seconds for an answer.")
    ] = 30.0,
    file: Manifest = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep what happens there, and go on from it.")
    ] = None,
) -> None:
    """Run one actor in the foreground, and talk to it."""
    from theater.cli import run as module

    words = [each for each in (path, *(messages or [])) if each is not None]
    target, said = split(words, Options.words)
    wishes = module.Wishes(said, ask, timeout)
    run(lambda terminal: module.run(terminal, place(file, data), target, wishes))


def split(words: list[str], line: list[str]) -> tuple[Path | None, list[str]]:
    """The path and the messages among the words of a command. `line`: all that was given, where
    `--` still stands before the messages."""
    after = len(line) - line.index("--") - 1 if "--" in line else max(0, len(words) - 1)
    at = len(words) - after
    if at > 1:
        raise typer.BadParameter("one PATH, then -- and the messages")
    return (Path(words[0]) if at else None), words[at:]


@commands.command()
def down(
    kill: Annotated[bool, typer.Option("--kill", help="Do not wait for anybody.")] = False,
    timeout: Timeout = None,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Stop the system in reverse order; return when it is gone."""
    from theater.cli import administer

    run(lambda terminal: administer.down(terminal, place(manifest, data), kill, timeout))


@commands.command()
def ps(json: Json = False, manifest: Manifest = None, data: Data = None) -> None:
    """Show the actors: status, pid, restarts, mailbox, memory."""
    from theater.cli import status

    run(lambda terminal: status.ps(terminal, place(manifest, data), json))


@commands.command(
    epilog="A supervisor: its strategy, how many restarts of how many its window holds, its period."
    " An actor: its incarnation and restart type; of one that may spawn, how that is supervised."
)
def tree(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on, until the system ends or Ctrl-C.")
    ] = False,
    json: Json = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Show the supervision tree: who is under whom, and how."""
    from theater.cli import tree as module

    run(lambda terminal: module.tree(terminal, place(manifest, data), watch, json))


@commands.command(
    "why-restarted",
    epilog="Also why something does not run; also while the system is down.\n\n\b\nExamples:\n"
    "  theater why-restarted shop/prices\n  theater why-restarted -n 5 shop",
)
def why_restarted(
    actor: Annotated[str, typer.Argument(metavar="ACTOR", help="An actor or a supervisor.")],
    count: Annotated[
        int, typer.Option("-n", min=1, metavar="N", help="The last N times, oldest first.")
    ] = 1,
    json: JsonObject = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Tell why: what died, of what, and which rule fired."""
    from theater.cli import why

    run(lambda terminal: why.why_restarted(terminal, place(manifest, data), actor, count, json))
