"""Commands for those who write actors."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from theater.cli.frame import Json, run

commands = typer.Typer()


class Language(StrEnum):
    PYTHON = "python"
    JS = "js"
    RUST = "rust"
    WAT = "wat"


@commands.command(
    epilog="It has a manifest, an actor that counts greetings, its test, and a README. A directory"
    " that is there already has to be empty.\n\n\b\nExamples:\n"
    "  theater new hello\n  theater new hello --lang js --dir projects/hello\n"
    "  theater new notes --handler"
)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The actor's: a-z, 0-9, _, . and -.")],
    lang: Annotated[
        Language | None,
        typer.Option("--lang", "-l", help="Asked on a terminal; else python.", show_default=False),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="D", help="Where it is to be, if not in ./NAME."),
    ] = None,
    handler: Annotated[
        bool, typer.Option("--handler", help="With a handler of your own, in Python.")
    ] = False,
) -> None:
    """Make a project to begin with: an actor and its test."""
    from theater.cli import new as module

    run(
        lambda terminal: module.new(
            terminal, name, None if lang is None else lang.value, directory, handler
        )
    )


@commands.command(
    epilog="Exit code 0 if actors can run here, else 6; what only building needs may be missing."
)
def doctor(json: Json = False) -> None:
    """Say what this machine has and lacks, and what to do."""
    from theater.cli import doctor as module

    run(lambda terminal: module.doctor(terminal, json))
