"""All commands, in the order in which the help tells them, and the options before them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from theater import __version__
from theater.cli.commands import checks, children, dead, debug, log, project, proof, system
from theater.cli.frame import Data, Manifest, Options
from theater.cli.place import Place
from theater.cli.quick import QuickCommand, QuickGroup
from theater.quoting import nearest, quoted

# Modules, each with commands of its own name.
SINGLE = (project, system, log, debug, children, checks, proof)
GROUPS = {"dead": dead}

# What people type who know it by another name: the nearest by its letters is often none of these.
ELSEWHERE = {
    "status": "ps",
    "list": "ps",
    "ls": "ps",
    "actors": "ps",
    "top": "ps",
    "init": "new",
    "create": "new",
    "serve": "up",
    "kill": "stop",
    "shutdown": "down",
    "halt": "down",
    "call": "request",
    "ask": "request",
    "cast": "send",
    "tell": "send",
    "log": "logs",
    "history": "events",
    "chain": "events",
    "trace": "events",
    "validate": "check",
    "lint": "check",
    "compile": "build",
    "remove": "delete",
    "rm": "delete",
    "spawn": "add",
    "dead-letters": "dead",
    "help": "--help",
    "version": "--version",
    "deadletters": "dead",
}

Debug = Annotated[
    bool, typer.Option("--debug", help="Show where an error comes from; also THEATER_DEBUG=1.")
]


class Commands(QuickGroup):
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        close = nearest(args[0], [*self.commands, *ELSEWHERE]) if args else None
        meant = ELSEWHERE.get(close or "")
        if meant is not None and args[0] not in self.commands:
            ctx.fail(f"No such command {quoted(args[0])}. Here that is `theater {meant}`.")
        return super().resolve_command(ctx, args)


def run(words: list[str]) -> None:
    """The command that these words are; ends the process with its exit code."""
    Options.debug = os.environ.get("THEATER_DEBUG", "") not in ("", "0")
    Options.words = words
    is_overview = words in ([], ["-h"], ["--help"])
    application(named(words), is_overview)(args=words, prog_name="theater")


def application(only: str | None = None, is_overview: bool = False) -> typer.Typer:
    """All commands, or one of them alone: the parser of a command costs a millisecond, and there
    are many. `is_overview`: they are only to be listed, and have none."""
    app = typer.Typer(
        name="theater",
        cls=Commands,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # its rendering alone takes longer than most commands
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        epilog="Data lies in .theater/ beside the manifest. More of a command:"
        " theater COMMAND --help",
    )
    app.callback()(options)
    for name, command in _commands():
        if is_overview:
            app.command(name)(_listed(command.callback.__doc__))
        elif only in (None, name):
            command.cls = QuickCommand
            app.registered_commands.append(command)
    for name, module in GROUPS.items():
        if is_overview:
            app.command(name)(_listed(module.commands.info.help))
        elif only in (None, name):
            for command in module.commands.registered_commands:
                command.cls = QuickCommand
            app.add_typer(module.commands, name=name, cls=QuickGroup)
    return app


def _listed(help: str | None) -> Callable[[], None]:
    def command() -> None:
        pass

    command.__doc__ = help
    return command


def named(words: list[str]) -> str | None:
    """The command among these words, if it is surely one: what a parser would take for it."""
    known = {name for name, _ in _commands()} | GROUPS.keys()
    before = iter(words)
    for word in before:
        if word in ("-f", "--manifest", "--data"):
            next(before, None)
        elif not word.startswith("-"):
            return word if word in known else None
        elif word in ("-h", "--help"):
            return None
    return None


def _commands() -> Iterator[tuple[str, Any]]:
    for module in SINGLE:
        for command in module.commands.registered_commands:
            assert command.callback is not None
            yield command.name or command.callback.__name__.replace("_", "-"), command


def _version(wanted: bool) -> None:
    if wanted:
        print(f"theater {__version__}")
        raise typer.Exit


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
