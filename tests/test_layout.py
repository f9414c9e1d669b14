"""The shape of the code: who may import whom."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "theater"
# cli, client and fsck are no processes of the system: they start it, talk to it, check its log.
# Nor is project, which builds what is to run; the supervisor starts it and does not import it.
MAY_IMPORT = {
    "supervisor": set(),
    "broker": set(),
    "worker": set(),
    "notary": set(),
    "client": {"supervisor"},
    "cli": {"client", "fsck", "notary", "project", "replay", "runs", "supervisor", "verify"},
    "project": {"supervisor"},
    # A replay is a worker without a system: it runs the same guests, and links them to a record.
    "replay": {"client", "supervisor", "worker"},
    # A run in one file is a data directory: the client reads its log.
    "runs": {"client"},
    # A plugin of pytest's, which says what the command line says, and talks to running systems.
    "testing": {"cli", "client", "runs"},
    "fsck": set(),
    "verify": {"fsck"},  # both read a log that may be damaged, and tell of it in the same words
    "": set(),
}
FOLDERS = MAY_IMPORT.keys() - {""}
PURE = {"capabilities", "pack"}  # folders that are as the root is: several files of one noun
# Beside them: the package that actors in Python are written with, which knows nothing of the rest.
SDK = PACKAGE / "sdk"
TEMPLATES = PACKAGE / "project" / "templates"  # what authors begin with
FILES = sorted(file for file in PACKAGE.rglob("*.py") if not {SDK, TEMPLATES} & set(file.parents))


def imported(file: Path) -> set[str]:
    """The folders of theater that a file imports from, at any depth of its code."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "theater" and len(parts) > 1 and parts[1] in FOLDERS:
                found.add(parts[1])
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_folders_import_the_root_and_not_each_other(file: Path) -> None:
    parts = file.relative_to(PACKAGE).parts
    folder = parts[0] if len(parts) > 1 else ""
    if folder in PURE:
        folder = ""
    elif file.name == "__main__.py" and folder == "":
        folder = "cli"  # `python -m theater` is the command line
    assert imported(file) <= {folder} | MAY_IMPORT[folder]


def test_files_at_the_root_do_no_work_of_their_own() -> None:
    forbidden = {"socket", "subprocess", "zmq", "sqlite3", "time", "threading", "multiprocessing"}
    files = [file for folder in ("", *PURE) for file in (PACKAGE / folder).glob("*.py")]
    for file in files:
        if file.name == "linux.py":  # thin names for kernel calls
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = {alias.name.split(".")[0] for alias in node.names}
                assert not names & forbidden, f"{file.name} imports {names & forbidden}"
            elif isinstance(node, ast.ImportFrom) and node.module:
                assert node.module.split(".")[0] not in forbidden, f"{file.name}: {node.module}"


def test_what_an_actor_is_written_with_imports_nothing_of_theater() -> None:
    for file in SDK.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] != "theater", file
            elif isinstance(node, ast.Import):
                assert all(alias.name.split(".")[0] != "theater" for alias in node.names), file
