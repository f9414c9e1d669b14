"""Commands that look into what an actor did, and what it had when it did it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from theater.cli.frame import Actor, Data, JsonLines, Manifest, place, run

commands = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="For programs: one object, nothing shortened.")]


@commands.command(
    epilog="The message, the state before, the calls, the backtrace; also while the system is"
    " down. Without TURN: of the last death there was.\n\n\b\nExamples:\n"
    "  theater why shop/prices\n  theater why shop/prices 9 --json"
)
def why(
    actor: Actor,
    turn: Annotated[
        int | None,
        typer.Argument(metavar="TURN", min=1, max=(1 << 63) - 1, help="One turn, also a good one."),
    ] = None,
    json: Json = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Tell what an actor died of, with everything it had."""
    from theater.cli import crash

    run(lambda terminal: crash.why(terminal, place(manifest, data), actor, turn, json))


@commands.command(
    epilog="Decoded where it is JSON, msgpack or text; else a hex dump. A state whose bytes are not"
    " kept (state_every in the manifest) is computed by a replay.\n\n\b\nExamples:\n"
    "  theater state shop/prices\n  theater state shop/prices --at 9 --raw > prices.state"
)
def state(
    actor: Actor,
    at: Annotated[
        int | None,
        typer.Option("--at", metavar="TURN", min=1, max=(1 << 63) - 1, help="After this turn."),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Its bytes as they are, into a pipe.")] = False,
    json: Json = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Show an actor's state, the last or that after a turn."""
    from theater.cli import state as module

    run(lambda terminal: module.state(terminal, place(manifest, data), actor, at, raw, json))


@commands.command(
    epilog="The log, the components and the manifest, in one file that replays on another machine;"
    " also while the system runs. It holds everything that actors were told and said, and what"
    " the manifest says.\n\n\b\nExamples:\n  theater record -o monday.theater\n"
    "  theater replay monday.theater\n  theater logs --data monday.theater"
)
def record(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Else run.theater.")
    ] = None,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Record a run into one file."""
    from theater.cli import pack

    run(lambda terminal: pack.record(terminal, place(manifest, data), output))


@commands.command(
    "test",
    epilog="Replays every actor of the runs. With --component a new build takes the place of what"
    " was recorded; ACTOR may be a supervisor with all below. Exit code 7 if something is not as"
    " recorded. pytest collects *.theater files as tests by itself.\n\n\b\nExamples:\n"
    "  theater test runs/*.theater\n"
    "  theater test monday.theater --component shop/prices=build/prices.wasm",
)
def test(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN.theater")],
    component: Annotated[
        list[str] | None,
        typer.Option(metavar="ACTOR=FILE", help="Would this build have done the same?"),
    ] = None,
    allow_logs: Annotated[
        bool, typer.Option("--allow-logs", help="Other log lines are no difference.")
    ] = False,
    json: JsonLines = False,
) -> None:
    """Replay recorded runs: is everything as it was?"""
    from theater.cli import regress

    paths = list(map(str, runs))
    run(lambda terminal: regress.test_command(terminal, paths, component or [], allow_logs, json))
