"""Pages of the documentation whose commands are run, and print what the page says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

from tests.cli.conftest import Home
from tests.waiting import WAIT_S, eventually

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELISION = "..."  # a line of what is printed that stands for any number of them
# What is another each time: when, how long, which process, how large.
VARIES = [
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE"),
    (r"\d\d:\d\d:\d\d(\.\d+)?", "TIME"),
    (r"\b\d+[smh] ago", "AGO"),
    (r"pid \d+", "PID"),
    (r"\b[\d.]+ [km]?s\b", "SECONDS"),
    (r"in \d+\.\d+s", "SECONDS"),
    (r"\b[\d.]+ [kM]B\b", "SIZE"),
    (r"[0-9a-f]{12}\b", "HASH"),
    (r"fuel:? +[\d,]+", "FUEL"),
]


def alike(text: str) -> str:
    for pattern, word in VARIES:
        text = re.sub(pattern, word, text)
    return text


def agrees(printed: str, page: str) -> bool:
    """Whether this is what the page says, but for elisions, what varies, and how it is laid out."""
    parts = re.split(rf"^{re.escape(ELISION)}\n", rough(page), flags=re.MULTILINE)
    return re.fullmatch(r"(?:.*\n)*".join(map(re.escape, parts)), rough(printed)) is not None


# In tables, and of counts that depend on the SDK or on how fast a machine is.
ROUGHLY = [
    (r"running +\d+", "running PID"),
    (r"\b\d+[smh]\b", "AGE"),
    (r"\b[\d,]+ events\b", "EVENTS"),
    (r"^ +\d+ (?=TIME)", ""),
    (r"\b\d/\d+ in\b", "USED in"),
    (r" +", " "),
]


def rough(text: str) -> str:
    text = alike(text)
    for pattern, word in ROUGHLY:
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return text


def commands(block: str) -> Iterator[tuple[str, str]]:
    """(command, what it prints)."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


class Shell:
    """Runs what a person types, with our theater and our pytest."""

    def __init__(self, home: Home) -> None:
        self.cwd = home.directory
        tools = home.directory / "bin"
        tools.mkdir()
        plugin = "-p no:theater -p theater.testing.plugin -p no:cacheprovider"
        for name, what in (("theater", "theater"), ("pytest", f"pytest {plugin}")):
            tool = tools / name
            tool.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m {what} "$@"\n')
            tool.chmod(0o755)
        self._env = {**home.env, "PATH": f"{tools}:/usr/bin:/bin"}

    def run(self, command: str) -> str:
        if command.startswith("cd "):
            self.cwd /= command.removeprefix("cd ")
            return ""
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.cwd,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=WAIT_S,
        )
        text = done.stdout.decode()
        return text if text.endswith("\n") or not text else text + "\n"

    def printed(self, command: str) -> str:
        """What it prints, once that which was asked for before it has been done."""
        if command.startswith(("theater why", "theater tree")):
            eventually(self._is_idle, "the actors to run again and have nothing to do")
        return self.run(command)

    def _is_idle(self) -> bool:
        rows = json.loads(self.run("theater ps --json"))
        return all(row["status"] == "running" and row["mailbox"] == 0 for row in rows)
