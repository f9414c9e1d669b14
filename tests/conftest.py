"""What every test may rely on, however the tests were started."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
# The order in which the files are handed to several workers: first those that build components, or
# go on for long, so that at the end no worker is busy alone; then those that start processes.
FIRST = (
    "project/test_python.py",
    "cli/test_newcomer.py",
    "real/test_javascript.py",
    "project",
    "worker/test_wasi_python.py",
    "cli/test_debugging.py",
    "test_benchmarks.py",
    "chaos",
    "soak",
    "real",
    "cli",
    "testing",
)


def _place(path: Path) -> int:
    below = Path(os.path.relpath(path, HERE))
    names = {name.as_posix() for name in (below, *below.parents)}
    return next((place for place, name in enumerate(FIRST) if name in names), len(FIRST))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="run also what the suite runs a slice of")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--whole"):
        left = [item for item in items if item.get_closest_marker("whole")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker("whole")]
    if hasattr(config, "workerinput"):  # by hand the quick ones come as they are found
        items.sort(key=lambda item: _place(item.path))


# Some hundred processes of ours are started, and none shall compile our modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def _survive(_number: int, _frame: Any) -> None:
    pass


# Under `nohup`, or in the background of a script, hang-ups or Ctrl-C are ignored, and with us by
# every program that a test starts and then signals. A handler is not inherited through exec: we
# live on as we were told to, and they begin as in a terminal.
for _signal in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, _survive)
