"""The frame around the commands: which options they have, and every way they can end.

Exit codes: 0 ok, 1 failed, 2 usage, 3 bad manifest or component, 4 not running, 6 environment,
7 the log is damaged, nothing is proven, or a replay differs, 130 interrupted, 141 nobody reads the
output any more.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ClassVar, NoReturn

import typer

from theater.cli.place import Place, Usage
from theater.cli.terminal import Terminal
from theater.errors import ManifestError, TheaterError

INTERRUPTED = 130
BROKEN_PIPE = 141  # as a program that SIGPIPE ended

Manifest = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        "-f",
        metavar="FILE",
        help="The manifest; else theater.toml or manifest.toml here or above.",
    ),
]
ManifestArgument = Annotated[
    Path | None,
    typer.Argument(metavar="MANIFEST", help="Else theater.toml or manifest.toml here or above."),
]
Data = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="The data directory, if not .theater beside the manifest; or a recorded run.",
    ),
]
Actor = Annotated[str, typer.Argument(metavar="ACTOR", help="Its address, as in `theater ps`.")]
Json = Annotated[bool, typer.Option("--json", help="For programs: a list of objects.")]
JsonObject = Annotated[bool, typer.Option("--json", help="For programs: one object.")]
JsonLines = Annotated[bool, typer.Option("--json", help="For programs: one object a line.")]


class Options:
    """The options before the command."""

    place = Place()
    debug = False
    words: ClassVar[list[str]] = []  # the whole command line


def place(manifest: Path | None, data: Path | None, argument: Path | None = None) -> Place:
    """What the command's own options say, else those before it."""
    if argument is not None and manifest is not None:
        raise Usage("the manifest is given twice")
    before = Options.place
    return Place(argument or manifest or before.manifest, data or before.data)


def run(action: Callable[[Terminal], int | None]) -> NoReturn:
    """Do it; every way it can end has a message and an exit code."""
    terminal = Terminal()
    try:
        code = action(terminal) or 0
        terminal.close()
    except BrokenPipeError:
        _be_quiet()
        code = BROKEN_PIPE
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Usage as error:
        raise typer.BadParameter(str(error)) from None
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except Exception as error:
        if Options.debug:
            raise
        code = _explain(terminal, error)
    raise typer.Exit(code)


def _explain(terminal: Terminal, error: Exception) -> int:
    with contextlib.suppress(OSError):
        if isinstance(error, ManifestError):
            terminal.note(str(error))  # each line begins with the file it is about
        elif isinstance(error, TheaterError):
            terminal.error(str(error))
        else:
            kind = type(error).__name__
            terminal.error(f"theater itself failed: {kind}: {error} (--debug shows where)")
    return error.exit_code if isinstance(error, TheaterError) else 1


def _be_quiet() -> None:
    """What is still buffered for a pipe that is closed goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
