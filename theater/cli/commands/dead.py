"""Commands about dead letters: `theater dead ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from theater.cli.frame import Data, Json, JsonObject, Manifest, place, run

commands = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show messages that failed or came nowhere; retry or drop.",
    epilog="A message fails with its turn, and is set aside; it comes nowhere when its actor is not"
    " there, has stopped, or has a full mailbox.",
)

Letters = Annotated[
    list[int] | None,
    typer.Argument(metavar="ID", min=1, help="Its number in `theater dead list`."),
]
LettersFor = Annotated[
    str | None,
    typer.Option("--actor", metavar="ACTOR", help="All open ones for it, or below a supervisor."),
]
AllLetters = Annotated[bool, typer.Option("--all", help="All open ones, whoever they were for.")]


@commands.command("list")
def list_dead(
    actor: Annotated[
        str | None, typer.Argument(metavar="ACTOR", help="For it, or for all below a supervisor.")
    ] = None,
    decided: Annotated[
        bool, typer.Option("--all", help="Also those that have been retried or dropped.")
    ] = False,
    json: Json = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Show the open ones; also while the system is down."""
    from theater.cli import dead

    run(lambda terminal: dead.list_(terminal, place(manifest, data), actor, decided, json))


@commands.command("show")
def show_dead(
    id: Annotated[
        int,
        typer.Argument(metavar="ID", min=1, help="Its number in `theater dead list`."),
    ],
    json: JsonObject = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Tell all about one: message, turn, what it did, backtrace."""
    from theater.cli import dead

    run(lambda terminal: dead.show(terminal, place(manifest, data), id, json))


@commands.command(
    "retry",
    epilog="Each becomes a new message at the end of its actor's mailbox, from whom it was, and a"
    " new turn, which asks again. Nobody gets the answer of a request: whoever asked has had an"
    " error.\n\n\b\nExamples:\n  theater dead retry 3\n  theater dead retry --actor shop/prices",
)
def retry_dead(
    ids: Letters = None,
    actor: LettersFor = None,
    everything: AllLetters = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Put messages back into the mailbox, once."""
    _decide("retry", ids, actor, everything, manifest, data)


@commands.command("drop", epilog="They stay in the log: theater dead list --all.")
def drop_dead(
    ids: Letters = None,
    actor: LettersFor = None,
    everything: AllLetters = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Let them be: they are not listed any more."""
    _decide("drop", ids, actor, everything, manifest, data)


def _decide(
    verb: str,
    ids: list[int] | None,
    actor: str | None,
    everything: bool,
    manifest: Path | None,
    data: Path | None,
) -> None:
    from theater.cli import dead

    run(
        lambda terminal: dead.decide(
            terminal, place(manifest, data), verb, ids or [], actor, everything
        )
    )
