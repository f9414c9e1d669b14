"""docs/debugging.md: its commands are run, in their order, and print what it says.

`python -m tests.cli.test_debugging` writes into the page what they print now.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.cli.conftest import ROOT, Home
from tests.waiting import WAIT_S, eventually

PAGE = ROOT / "docs" / "debugging.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MANIFEST = re.compile(r"^```toml\n(name = .*?)^```$", re.MULTILINE | re.DOTALL)
# What is another each time: when, how long, which process, how large.
VARIES = [
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE"),
    (r"\d\d:\d\d:\d\d", "TIME"),
    (r"\b\d+[smh] ago", "AGO"),
    (r"pid \d+", "PID"),
    (r"\b[\d.]+ [km]?s\b", "SECONDS"),
    (r"in \d+\.\d+s", "SECONDS"),
    (r"\b\d+ kB\b", "SIZE"),
    (r"[0-9a-f]{12}\b", "HASH"),
    (r"fuel:? +[\d,]+", "FUEL"),
]


def alike(text: str) -> str:
    for pattern, word in VARIES:
        text = re.sub(pattern, word, text)
    return text


def commands(block: str) -> Iterator[tuple[str, str]]:
    """(command, what it prints)."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


class Shell:
    """Runs what a person types, with our theater and our pytest."""

    def __init__(self, home: Home) -> None:
        self._home = home
        tools = home.directory / "bin"
        tools.mkdir()
        plugin = "-p no:theater -p theater.testing.plugin -p no:cacheprovider"
        for name, what in (("theater", "theater"), ("pytest", f"pytest {plugin}")):
            tool = tools / name
            tool.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m {what} "$@"\n')
            tool.chmod(0o755)
        self._env = {**home.env, "PATH": f"{tools}:/usr/bin:/bin"}

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self._home.directory,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=WAIT_S,
        )
        text = done.stdout.decode()
        return text if text.endswith("\n") or not text else text + "\n"


def set_up(home: Home, page: str) -> Shell:
    manifest = MANIFEST.search(page)
    assert manifest is not None
    (home.directory / "theater.toml").write_text(manifest[1])
    prices = ROOT / "examples" / "market" / "prices.wat"
    (home.directory / "prices.wat").write_text(prices.read_text())
    return Shell(home)


def is_idle(shell: Shell) -> bool:
    (row,) = json.loads(shell.run("theater ps --json"))
    return bool(row["status"] == "running" and row["mailbox"] == 0)


def print_of(shell: Shell, command: str) -> str:
    """What it prints, once that which was asked for before it has been done."""
    if command.startswith("theater why"):
        eventually(lambda: is_idle(shell), "the actor to run again and have nothing to do")
    return shell.run(command)


def test_the_page_says_what_the_commands_print(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "cache")  # of its own: that it compiles is said
    page = PAGE.read_text()
    count = 0
    try:
        shell = set_up(home, page)
        for block in BLOCK.findall(page):
            for command, expected in commands(block):
                assert alike(print_of(shell, command)) == alike(expected), command
                count += 1
    finally:
        home.end()
    assert count > 15


def written(home: Home, page: str) -> str:
    shell = set_up(home, page)

    def block(found: re.Match[str]) -> str:
        told = [f"$ {command}\n{print_of(shell, command)}" for command, _ in commands(found[1])]
        return f"```console\n{''.join(told)}```"

    return BLOCK.sub(block, page)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory() as cache:
        home = Home(Path(directory), Path(cache))
        try:
            PAGE.write_text(written(home, PAGE.read_text()))
        finally:
            home.end()
