"""docs/debugging.md: its commands are run, in their order, and print what it says.

`python -m tests.cli.test_debugging` writes into the page what they print now.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from tests.cli.conftest import ROOT, Home
from tests.cli.pages import BLOCK, Shell, alike, commands

PAGE = ROOT / "docs" / "debugging.md"
MANIFEST = re.compile(r"^```toml\n(name = .*?)^```$", re.MULTILINE | re.DOTALL)


def set_up(home: Home, page: str) -> Shell:
    manifest = MANIFEST.search(page)
    assert manifest is not None
    (home.directory / "theater.toml").write_text(manifest[1])
    prices = ROOT / "examples" / "market" / "prices.wat"
    (home.directory / "prices.wat").write_text(prices.read_text())
    return Shell(home)


def test_the_page_says_what_the_commands_print(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "cache")  # of its own: that it compiles is said
    page = PAGE.read_text()
    count = 0
    try:
        shell = set_up(home, page)
        for block in BLOCK.findall(page):
            for command, expected in commands(block):
                assert alike(shell.printed(command)) == alike(expected), command
                count += 1
    finally:
        home.end()
    assert count > 15


def written(home: Home, page: str) -> str:
    shell = set_up(home, page)

    def block(found: re.Match[str]) -> str:
        told = [f"$ {command}\n{shell.printed(command)}" for command, _ in commands(found[1])]
        return f"```console\n{''.join(told)}```"

    return BLOCK.sub(block, page)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory() as cache:
        home = Home(Path(directory), Path(cache))
        try:
            PAGE.write_text(written(home, PAGE.read_text()))
        finally:
            home.end()
