"""Commands that read the log, and write to actors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from theater.cli.frame import Actor, Data, JsonLines, Manifest, place, run

commands = typer.Typer()

LongManifest = Annotated[
    Path | None,
    typer.Option("--manifest", metavar="FILE", help="The manifest; before the command also -f."),
]
Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Go on with what comes, until the system ends.")
]
Count = Annotated[int | None, typer.Option("-n", min=0, metavar="N", help="Only the last N.")]
Message = Annotated[
    str | None, typer.Argument(metavar="MESSAGE", help="The message; - reads stdin.")
]
BodyFile = Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Send this file.")]


@commands.command(
    epilog="Lines marked ~ are from turns that did not commit.\n\n\b\nExamples:\n"
    "  theater logs -f shop/prices shop/clerk\n  theater logs -n 20 --json"
)
def logs(
    actors: Annotated[
        list[str] | None, typer.Argument(metavar="ACTOR", help="Only these; else all.")
    ] = None,
    follow: Follow = False,
    count: Count = None,
    timestamps: Annotated[bool, typer.Option("--timestamps", "-t", help="With the time.")] = False,
    json: JsonLines = False,
    manifest: LongManifest = None,
    data: Data = None,
) -> None:
    """Show what actors have logged, also in the past."""
    from theater.cli import read

    run(
        lambda terminal: read.logs(
            terminal, place(manifest, data), actors or [], follow, count, json, timestamps
        )
    )


@commands.command(
    epilog="A line: number in the log, time, actor, turn.event, type, what was called and"
    " answered. Long values are shortened on a terminal, and only there.\n\n\b\nExamples:\n"
    "  theater events --actor shop/clerk -n 20\n  theater events -f --json | jq .payload"
)
def events(
    actor: Annotated[
        list[str] | None, typer.Option("--actor", metavar="ACTOR", help="Only its; repeatable.")
    ] = None,
    follow: Follow = False,
    count: Count = None,
    json: JsonLines = False,
    manifest: LongManifest = None,
    data: Data = None,
) -> None:
    """Show every crossing of the sandbox, in commit order."""
    from theater.cli import read

    run(
        lambda terminal: read.events(
            terminal, place(manifest, data), actor or [], follow, count, json
        )
    )


@commands.command(
    epilog="\b\nExamples:\n  theater send counter hello\n  theater send counter --file message.bin"
)
def send(
    actor: Actor,
    message: Message = None,
    file: BodyFile = None,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Send a message; returns when it is committed."""
    from theater.cli import talk

    run(
        lambda terminal: talk.send(terminal, place(manifest, data), actor, talk.body(message, file))
    )


@commands.command(
    epilog="\b\nExamples:\n  theater request ledger total\n"
    "  echo hello | theater request counter - --timeout 1"
)
def request(
    actor: Actor,
    message: Message = None,
    file: BodyFile = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, metavar="S", help="Wait at most S seconds.")
    ] = 5.0,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Ask an actor and print its answer, in a pipe byte by byte."""
    from theater.cli import talk

    run(
        lambda terminal: talk.request(
            terminal, place(manifest, data), actor, talk.body(message, file), timeout
        )
    )
