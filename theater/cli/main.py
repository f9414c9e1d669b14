"""The commands: their options and their help. What they do is imported when it is done.

Exit codes: 0 ok, 1 failed, 2 usage, 3 bad manifest or component, 4 not running, 6 environment,
7 the log is damaged, 130 interrupted, 141 nobody reads the output any more.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from theater import __version__
from theater.cli.place import Place, Usage
from theater.cli.terminal import Terminal
from theater.errors import ManifestError, TheaterError

INTERRUPTED = 130
BROKEN_PIPE = 141  # as a program that SIGPIPE ended

app = typer.Typer(
    name="theater",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its rendering alone takes longer than most commands
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Data lies in .theater/ beside the manifest. More of a command: theater COMMAND --help",
)

Manifest = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        "-f",
        metavar="FILE",
        help="The manifest; else theater.toml or manifest.toml here or above.",
    ),
]
LongManifest = Annotated[
    Path | None,
    typer.Option("--manifest", metavar="FILE", help="The manifest; before the command also -f."),
]
ManifestArgument = Annotated[
    Path | None,
    typer.Argument(metavar="MANIFEST", help="Else theater.toml or manifest.toml here or above."),
]
Data = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The data directory, if not .theater beside the manifest."),
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show where an error comes from; also THEATER_DEBUG=1.")
]
Json = Annotated[bool, typer.Option("--json", help="For programs: a list of objects.")]
JsonLines = Annotated[bool, typer.Option("--json", help="For programs: one object a line.")]
Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Go on with what comes, until the system ends.")
]
Count = Annotated[int | None, typer.Option("-n", min=0, metavar="N", help="Only the last N.")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0, metavar="S", help="Wait at most S seconds.")
]
Actor = Annotated[str, typer.Argument(metavar="ACTOR", help="Its address, as in `theater ps`.")]
Message = Annotated[
    str | None, typer.Argument(metavar="MESSAGE", help="The message; - reads stdin.")
]
BodyFile = Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Send this file.")]
Actors = Annotated[
    list[str], typer.Argument(metavar="ACTOR", help="Actors, or supervisors with all below.")
]
Pool = Annotated[str, typer.Argument(metavar="POOL", help="A simple_one_for_one supervisor.")]


Letters = Annotated[
    list[int] | None,
    typer.Argument(metavar="ID", min=1, help="Its number in `theater dead list`."),
]
LettersFor = Annotated[
    str | None,
    typer.Option("--actor", metavar="ACTOR", help="All open ones for it, or below a supervisor."),
]
AllLetters = Annotated[bool, typer.Option("--all", help="All open ones, whoever they were for.")]


class Options:
    """The options before the command."""

    place = Place()
    debug = False


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


def _place(manifest: Path | None, data: Path | None, argument: Path | None = None) -> Place:
    """What the command's own options say, else those before it."""
    if argument is not None and manifest is not None:
        raise Usage("the manifest is given twice")
    before = Options.place
    return Place(argument or manifest or before.manifest, data or before.data)


def _run(action: Callable[[Terminal], int | None]) -> NoReturn:
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


@app.command(
    epilog="Ctrl-C stops everything in reverse order, a second one kills.\n\n\b\nExamples:\n"
    "  theater up\n  theater up -d && theater ps\n  theater up examples/market/manifest.toml\n"
    "  theater up --fresh"
)
def up(
    manifest: ManifestArgument = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when all actors are ready.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Put the log that is there away and begin anew.")
    ] = False,
    file: Manifest = None,
    data: Data = None,
) -> None:
    """Start the system; show what its actors say and do."""
    from theater.cli import up as module

    _run(lambda terminal: module.up(terminal, _place(file, data, manifest), detach, fresh))


@app.command()
def down(
    kill: Annotated[bool, typer.Option("--kill", help="Do not wait for anybody.")] = False,
    timeout: Timeout = None,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Stop the system in reverse order; return when it is gone."""
    from theater.cli import administer

    _run(lambda terminal: administer.down(terminal, _place(manifest, data), kill, timeout))


@app.command()
def ps(json: Json = False, manifest: Manifest = None, data: Data = None) -> None:
    """Show the actors: status, pid, restarts, mailbox, memory."""
    from theater.cli import status

    _run(lambda terminal: status.ps(terminal, _place(manifest, data), json))


@app.command(
    epilog="A supervisor: its strategy, how many restarts of how many its window holds, its period."
    " An actor: its incarnation and restart type."
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

    _run(lambda terminal: module.tree(terminal, _place(manifest, data), watch, json))


@app.command(
    "why-restarted",
    epilog="Also why something does not run; also while the system is down.\n\n\b\nExamples:\n"
    "  theater why-restarted shop/prices\n  theater why-restarted -n 5 shop",
)
def why_restarted(
    actor: Annotated[str, typer.Argument(metavar="ACTOR", help="An actor or a supervisor.")],
    count: Annotated[
        int, typer.Option("-n", min=1, metavar="N", help="The last N times, oldest first.")
    ] = 1,
    json: Annotated[bool, typer.Option("--json", help="For programs: one object.")] = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Tell why: what died, of what, and which rule fired."""
    from theater.cli import why

    _run(lambda terminal: why.why_restarted(terminal, _place(manifest, data), actor, count, json))


@app.command(
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

    _run(
        lambda terminal: read.logs(
            terminal, _place(manifest, data), actors or [], follow, count, json, timestamps
        )
    )


@app.command(
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

    _run(
        lambda terminal: read.events(
            terminal, _place(manifest, data), actor or [], follow, count, json
        )
    )


@app.command(
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

    _run(
        lambda terminal: talk.send(
            terminal, _place(manifest, data), actor, talk.body(message, file)
        )
    )


@app.command(
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

    _run(
        lambda terminal: talk.request(
            terminal, _place(manifest, data), actor, talk.body(message, file), timeout
        )
    )


@app.command()
def stop(actors: Actors, manifest: Manifest = None, data: Data = None) -> None:
    """Stop actors or supervisors; their mailboxes stay."""
    _administer("stop", actors, manifest, data)


@app.command()
def start(actors: Actors, manifest: Manifest = None, data: Data = None) -> None:
    """Start actors or supervisors that have stopped or failed."""
    _administer("start", actors, manifest, data)


@app.command(
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
        administer.administer(terminal, _place(manifest, data), operation, actors, **facts)

    _run(action)


@app.command()
def delete(actors: Actors, manifest: Manifest = None, data: Data = None) -> None:
    """Forget what has stopped, and what waits in its mailbox."""
    _administer("delete", actors, manifest, data)


@app.command()
def children(
    supervisor: Annotated[
        str, typer.Argument(metavar="SUPERVISOR", help="Else the root supervisor, /.")
    ] = "/",
    count: Annotated[bool, typer.Option("--count", help="Only how many, by kind.")] = False,
    json: Json = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Show what a supervisor has on its books."""
    from theater.cli import children as module

    _run(
        lambda terminal: module.children(terminal, _place(manifest, data), supervisor, count, json)
    )


@app.command(
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

    _run(lambda terminal: module.add(terminal, _place(manifest, data), fragment, to))


@app.command()
def scale(
    pool: Pool,
    instances: Annotated[int, typer.Argument(min=0, metavar="N", help="So many instances.")],
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Let a pool have N instances."""
    from theater.cli import children as module

    _run(lambda terminal: module.scale(terminal, _place(manifest, data), pool, instances))


@app.command(
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

    _run(lambda terminal: module.start_instance(terminal, _place(manifest, data), pool, args or []))


@app.command(
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
    json: Annotated[bool, typer.Option("--json", help="For programs: one object.")] = False,
    file: Manifest = None,
    data: Data = None,
) -> None:
    """Read the manifest again and make the system what it says."""
    from theater.cli import reload as module

    def action(terminal: Terminal) -> None:
        place = _place(file, data, manifest)
        named = place.manifest is not None
        module.reload(terminal, place, named, prune, dry_run, json)

    _run(action)


dead_letters = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show messages that failed or came nowhere; retry or drop.",
    epilog="A message fails with its turn, and is set aside; it comes nowhere when its actor is not"
    " there, has stopped, or has a full mailbox.",
)
app.add_typer(dead_letters, name="dead")


@dead_letters.command("list")
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

    _run(lambda terminal: dead.list_(terminal, _place(manifest, data), actor, decided, json))


@dead_letters.command("show")
def show_dead(
    id: Annotated[
        int,
        typer.Argument(metavar="ID", min=1, help="Its number in `theater dead list`."),
    ],
    json: Annotated[bool, typer.Option("--json", help="For programs: one object.")] = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Tell all about one: message, turn, what it did, backtrace."""
    from theater.cli import dead

    _run(lambda terminal: dead.show(terminal, _place(manifest, data), id, json))


@dead_letters.command(
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


@dead_letters.command("drop", epilog="They stay in the log: theater dead list --all.")
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

    _run(
        lambda terminal: dead.decide(
            terminal, _place(manifest, data), verb, ids or [], actor, everything
        )
    )


@app.command()
def check(manifest: ManifestArgument = None, file: Manifest = None) -> None:
    """Judge a manifest, its components and grants."""
    from theater.cli import administer

    _run(lambda terminal: administer.check(terminal, _place(file, None, manifest)))


@app.command(
    epilog="Chains and their hashes, contents, and that turns, messages and everything else in the"
    " log is as the events say. Exit code 7 if something is wrong."
)
def fsck(json: JsonLines = False, manifest: Manifest = None, data: Data = None) -> None:
    """Check the whole log, also while the system runs."""
    from theater.cli import fsck as module

    _run(lambda terminal: module.fsck(terminal, _place(manifest, data), json))


def main() -> None:
    Options.debug = os.environ.get("THEATER_DEBUG", "") not in ("", "0")
    try:
        app(prog_name="theater")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
