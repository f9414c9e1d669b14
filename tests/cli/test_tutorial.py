"""docs/tutorial.md: its commands are run, in their order, and print what it says.

The actor is built as the newcomer's in test_newcomer is, once for both.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Home
from tests.cli.pages import BLOCK, Shell, agrees, commands
from tests.cli.test_newcomer import built

PAGE = ROOT / "docs" / "tutorial.md"
FILE = re.compile(r'^```toml title="([a-z.]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
EITHER = re.compile(f"{BLOCK.pattern}|{FILE.pattern}", re.MULTILINE | re.DOTALL)
PID = re.compile(r"running +(\d+)")


def test_the_tutorial_says_what_its_commands_print(tmp_path: Path) -> None:
    if importlib.util.find_spec("componentize_py") is None:
        pytest.skip("componentize-py is not there, which builds actors in Python")
    component = built("python")
    assert component is not None
    home = Home(tmp_path, Path())
    del home.env["XDG_CACHE_HOME"]  # what is compiled already is in the user's
    pids: dict[str, str] = {}  # in the page -> here
    count = 0
    try:
        shell = Shell(home)
        for block in EITHER.finditer(PAGE.read_text()):
            if block[2] is not None:
                (shell.cwd / block[2]).write_text(block[3])
                continue
            for command, expected in commands(block[1]):
                for shown, pid in pids.items():
                    command = command.replace(f"kill -9 {shown}", f"kill -9 {pid}")
                printed = shell.printed(command)
                pids |= dict(zip(PID.findall(expected), PID.findall(printed), strict=False))
                if command.startswith("theater new"):
                    shutil.copytree(component, shell.cwd / "hello" / "build")
                assert agrees(printed, expected), f"{command}\n{printed}"
                count += 1
    finally:
        home.data = tmp_path / "hello" / ".theater"
        home.directory = tmp_path / "hello"
        home.end()
    assert count > 20
