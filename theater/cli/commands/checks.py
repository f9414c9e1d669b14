"""Commands that judge a manifest, or a log."""

from __future__ import annotations

import typer

from theater.cli.frame import Data, JsonLines, Manifest, ManifestArgument, place, run

commands = typer.Typer()


@commands.command()
def check(manifest: ManifestArgument = None, file: Manifest = None) -> None:
    """Judge a manifest, its components and grants."""
    from theater.cli import administer

    run(lambda terminal: administer.check(terminal, place(file, None, manifest)))


@commands.command(
    epilog="Chains and their hashes, contents, and that turns, messages and everything else in the"
    " log is as the events say. Exit code 7 if something is wrong."
)
def fsck(json: JsonLines = False, manifest: Manifest = None, data: Data = None) -> None:
    """Check the whole log, also while the system runs."""
    from theater.cli import fsck as module

    run(lambda terminal: module.fsck(terminal, place(manifest, data), json))
