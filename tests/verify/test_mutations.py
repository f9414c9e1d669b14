"""Bits and rows of a closed log, changed at random: each change is found, and named."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.verify.conftest import Copy
from tests.verify.mutate import Damage, damage


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_whatever_changes_is_found_and_named(signed: Path, tmp_path: Path, first: int) -> None:
    changed = 0
    for seed in range(first, first + 20):
        directory = tmp_path / str(seed)
        shutil.copytree(signed, directory)
        copy = Copy(directory)
        names = dict(copy.rows("SELECT id, name FROM actors"))
        done = damage(copy, random.Random(seed))
        if done is None:
            continue
        changed += 1
        found, summary = copy.verify()
        assert summary.problems, f"seed {seed}: {done} is not found"
        assert any(_names(line, done, names) for line in found), f"seed {seed}: {done}: {found}"
    assert changed > 10, "most seeds mean something"


def _names(line: str, done: Damage, names: dict[int, str]) -> bool:
    """Whether this line says where it is."""
    key = done.key
    match done.table:
        case "events" if done.column == "seq":
            return f"seq {key[0]}: it is missing" in line or f"seq {done.after}" in line
        case "events" if done.column == "at":
            return f"seq {key[0]}: column at" in line or "are not what they were" in line
        case "events":
            return f"seq {key[0]}: " in line
        case "turns":
            return f"{names[key[0]]}, turn {key[1]}" in line
        case "steps":
            return f"{names[key[0]]}, turn {key[1]}, " in line
        case "blobs":
            return f"row {key[0]}: " in line
        case "last_states":
            name = names[key[0]]
            return f"{name}, last_states: " in line or f"{name}: the bytes of its last" in line
        case "evidence":
            return f"evidence {key[0]}" in line
    return f'bytes are of actor "{done.before}"; should be "{done.after}"' in line
