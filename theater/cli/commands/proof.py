"""Commands about what is hashed and signed: verify a log, heads of it, proofs from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from theater.cli.frame import Data, JsonLines, Manifest, place, run

commands = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="For programs: one object, in a line.")]
HeadFile = Annotated[Path, typer.Option("--head", metavar="HEAD", help="The tree head.")]
KeyFile = Annotated[Path, typer.Option("--key", metavar="KEY", help="The public key, heads.pub.")]


@commands.command(
    epilog="The fast cryptographic pass: every hash is computed again, of chains, contents and the"
    " tree, and every signature checked. `theater fsck` judges slowly what the log means. Exit code"
    " 7 if something is wrong.\n\n\b\nExamples:\n  theater verify --head kept.json --key kept.pub\n"
    "  theater verify chain.json --show"
)
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A chain file of the original Theater, instead."),
    ] = None,
    head: Annotated[
        list[Path] | None,
        typer.Option("--head", metavar="HEAD", help="Heads that were kept elsewhere; repeatable."),
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(
            "--key", metavar="KEY", help="Believe this public key, not the one beside the log."
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Show the events of FILE, with their values as text.")
    ] = False,
    json: JsonLines = False,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Recompute all that is hashed and signed of the log."""
    from theater.cli import verify as module

    if show and file is None:
        raise typer.BadParameter("--show is for a FILE; theater events shows what is in a log")
    run(
        lambda terminal: module.verify(
            terminal, place(manifest, data), file, head or [], key or [], show, json
        )
    )


@commands.command(
    epilog="Keep it where whoever can write the log cannot: `theater head --json` gives a line for"
    " that. A log that was cut off or rewritten since does not fit it."
)
def head(json: Json = False, manifest: Manifest = None, data: Data = None) -> None:
    """Show the newest tree head; sign one if the log has grown."""
    from theater.cli import proof

    run(lambda terminal: proof.head(terminal, place(manifest, data), json))


@commands.command(
    epilog="EVENT is its number, as `theater events` shows it first, or ACTOR:TURN.INDEX as it"
    " shows those, or ACTOR:POSITION in a chain.\n\n\b\nExamples:\n"
    "  theater prove 1234 -o proof.json\n  theater prove --from kept.json > goes-on.json"
)
def prove(
    event: Annotated[str | None, typer.Argument(metavar="EVENT", help="What is proven.")] = None,
    older: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="HEAD", help="Prove that the log goes on from this older head."
        ),
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option("--head", metavar="HEAD", help="For whom has this head; else the newest."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", metavar="FILE", help="Write it there, not to stdout.")
    ] = None,
    manifest: Manifest = None,
    data: Data = None,
) -> None:
    """Prove to others that an event is in the log."""
    from theater.cli import proof

    run(lambda terminal: proof.prove(terminal, place(manifest, data), event, older, head, output))


@commands.command(
    "check-proof",
    epilog="No log is needed, and no data directory. Exit code 7 if nothing is proven.",
)
def check_proof(
    file: Annotated[Path, typer.Argument(metavar="PROOF", help="What `prove` has written.")],
    head: HeadFile,
    key: KeyFile,
    older: Annotated[
        Path | None,
        typer.Option("--from", metavar="HEAD", help="The older head, that the log goes on from."),
    ] = None,
    json: Json = False,
) -> None:
    """Check a proof with a head and a key."""
    from theater.cli import proof

    run(lambda terminal: proof.check_proof(terminal, file, head, older, key, json))
