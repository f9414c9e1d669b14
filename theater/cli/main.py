"""The command line: all commands, in the order in which the help tells them."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from theater import __version__
from theater.cli.commands import checks, children, dead, debug, log, system
from theater.cli.frame import INTERRUPTED, Data, Manifest, Options
from theater.cli.place import Place

app = typer.Typer(
    name="theater",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its rendering alone takes longer than most commands
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Data lies in .theater/ beside the manifest. More of a command: theater COMMAND --help",
)
for group in (system, log, debug, children, checks):
    app.registered_commands += group.commands.registered_commands
app.add_typer(dead.commands, name="dead")

Debug = Annotated[
    bool, typer.Option("--debug", help="Show where an error comes from; also THEATER_DEBUG=1.")
]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"theater {__version__}")
        raise typer.Exit


@app.callback()
def options(
    manifest: Manifest = None,
    data: Data = None,
    debug: Debug = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which this is.")
    ] = False,
) -> None:
    """Run WebAssembly components as supervised actors, every crossing in a log."""
    Options.place = Place(manifest, data)
    Options.debug = Options.debug or debug


def main() -> None:
    Options.debug = os.environ.get("THEATER_DEBUG", "") not in ("", "0")
    try:
        app(prog_name="theater")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
