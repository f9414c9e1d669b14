"""Commands that judge a manifest, or a log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from theater.cli.frame import (
    Data,
    Json,
    JsonLines,
    JsonObject,
    Manifest,
    ManifestArgument,
    place,
    run,
)

commands = typer.Typer()


@commands.command()
def check(manifest: ManifestArgument = None, file: Manifest = None) -> None:
    """Judge a manifest, its components and grants."""
    from theater.cli import administer

    run(lambda terminal: administer.check(terminal, place(file, None, manifest)))


@commands.command(
    epilog="For completion and hints in an editor that knows TOML by schemas (taplo, Even Better"
    " TOML): keep it beside the manifest, whose first line then is"
    " #:schema ./theater.schema.json\n\n\b\nExamples:\n"
    "  theater schema -o theater.schema.json\n  theater schema --fragment",
)
def schema(
    fragment: Annotated[
        bool, typer.Option("--fragment", help="Of a file of more children, for `theater add`.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", metavar="FILE", help="Write it there, not to stdout.")
    ] = None,
) -> None:
    """Print the JSON schema of manifests, for editors."""
    from theater.cli import schema as module

    run(lambda terminal: module.schema(terminal, fragment, output))


@commands.command(
    epilog="Of recorded runs, also while the system is down: what each actor was granted, which"
    " functions it called, to whom it sent, which directories it read and changed, and how near it"
    " came to its limits. With --toml the grants that would have sufficed. A run shows only what"
    " happened in it.\n\n\b\nExamples:\n  theater audit\n  theater audit shop --toml\n"
    "  theater audit --data monday.theater --json"
)
def audit(
    actors: Annotated[
        list[str] | None, typer.Argument(metavar="ACTOR", help="Only these; else all.")
    ] = None,
    json: Json = False,
    toml: Annotated[
        bool, typer.Option("--toml", help="The smallest manifest that would have done.")
    ] = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Compare what actors may do with what they did."""
    from theater.cli import audit as module

    run(lambda terminal: module.audit(terminal, place(manifest, data), actors or [], json, toml))


@commands.command(
    epilog="It is compiled if the cache does not have it. Exit code 3 if it cannot be an actor's"
    " component, whatever a manifest grants.\n\n\b\nExamples:\n"
    "  theater inspect hello.wasm\n  theater inspect hello.wat --json\n"
    "  theater inspect handlers.py:LLM --wit > wit/llm.wit"
)
def inspect(
    component: Annotated[
        Path,
        typer.Argument(metavar="COMPONENT", help="Or a source, which is built; or a handler."),
    ],
    json: JsonObject = False,
    wit: Annotated[bool, typer.Option("--wit", help="Only its world, in WIT.")] = False,
) -> None:
    """Show what a component needs, or what a handler provides."""
    from theater.cli import inspect as module

    run(lambda terminal: module.inspect(terminal, str(component), json, wit))


@commands.command(
    epilog="PATH is a project's directory, a manifest, or one source. Without it the manifest is"
    " looked for as everywhere. What has not changed is not built again; theater doctor shows which"
    " tools there are.\n\n\b\nExamples:\n  theater build\n  theater build hello.py"
)
def build(
    path: Annotated[
        Path | None, typer.Argument(metavar="PATH", help="Else theater.toml here or above.")
    ] = None,
    json: Json = False,
    file: Manifest = None,
) -> None:
    """Build actors from source, and compile them."""
    from theater.cli import build as module

    run(lambda terminal: module.build(terminal, place(file, None), path, json))


@commands.command(
    epilog="Each turn runs again in a fresh process, every call answered as it was, and every call,"
    " answer, state and the fuel is compared. Exit code 7 at the first difference.\n\n\b\n"
    "Examples:\n  theater replay shop/clerk\n  theater replay monday.theater\n"
    "  theater replay shop/prices --from 9 --step\n"
    "  theater replay shop/clerk --component new.wasm --allow-logs"
)
def replay(
    actors: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN.theater] ACTOR", help="Only these; else all."),
    ] = None,
    first: Annotated[
        int | None,
        typer.Option(
            "--from", min=1, metavar="TURN", help="Begin with the incarnation that began TURN."
        ),
    ] = None,
    until: Annotated[int | None, typer.Option(min=1, metavar="TURN", help="End with TURN.")] = None,
    step: Annotated[
        bool, typer.Option("--step", help="One turn at a time, with all in it.")
    ] = False,
    component: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Would this build have done the same?"),
    ] = None,
    allow_logs: Annotated[
        bool, typer.Option("--allow-logs", help="Other log lines are no difference; show them.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="What a turn may take: S seconds, else 120.")
    ] = 120.0,
    json: JsonLines = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Run actors again from their record, and compare."""
    from theater.cli import replay as module

    file = None if component is None else str(component)
    run(
        lambda terminal: module.replay_command(
            terminal,
            place(manifest, data),
            actors or [],
            first,
            until,
            step,
            file,
            allow_logs,
            json,
            timeout,
        )
    )


@commands.command(
    epilog="Chains and their hashes, contents, and that turns, messages and everything else in the"
    " log is as the events say: slower than `theater verify`, which judges hashes and signatures."
    " Exit code 7 if something is wrong."
)
def fsck(json: JsonLines = False, manifest: Manifest = None, data: Data = None) -> None:
    """Check the whole log, also while the system runs."""
    from theater.cli import fsck as module

    run(lambda terminal: module.fsck(terminal, place(manifest, data), json))


@commands.command(
    epilog="Commands, options, files, and the names of actors: of the system that runs, or of its"
    " log.\n\n\b\nExamples:\n  theater completion bash --install\n"
    "  source <(theater completion bash)"
)
def completion(
    shell: Annotated[
        str | None, typer.Argument(metavar="SHELL", help="bash, zsh or fish; else that of $SHELL.")
    ] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Put it where the shell looks.")
    ] = False,
) -> None:
    """Have a shell complete commands and the names of actors."""
    from theater.cli import shells

    run(lambda terminal: shells.completion(terminal, shell, install))
