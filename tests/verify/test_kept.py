"""Heads that were tampered with, or kept elsewhere; and whose key is believed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.verify.conftest import Copy, leaves_of
from theater import heads, keys, merkle
from theater.errors import EnvironmentProblem
from theater.keys import KeyProblem


def changed(line: str, **facts: Any) -> str:
    return json.dumps({**json.loads(line), **facts})


def write(copy: Copy, lines: list[str]) -> None:
    Path(copy.paths.heads).write_text("".join(f"{line}\n" for line in lines))


ROOT = {"root": "ab" * 32}
CHANGES = {
    "the size": ({"size": 8}, r"^heads\.jsonl, line 2, size 8: its signature does not hold;"),
    "the root": (ROOT, r"^heads\.jsonl, line 2, size 7: its signature does not hold; should"),
    "the root, which is another": (ROOT, r"line 2, size 7: the root is [0-9a-f]{16}: events 2 to"),
    "the time": ({"time": "2020-01-01T00:00:00Z"}, r"line 2, size 7: its signature does not hold"),
    "the key": ({"key": "0" * 16}, r'line 2, size 7: it is signed with key "0{16}", which is not'),
    "its form": ({"more": 1}, r"^heads\.jsonl, line 2: its keys are not those of a tree head"),
    "its order": ({"size": 1}, r"line 2, size 1: a head of 1 events after one of 1; should be of"),
}


@pytest.mark.parametrize("facts, pattern", CHANGES.values(), ids=CHANGES.keys())
def test_a_head_that_was_changed_is_named(copy: Copy, facts: dict[str, Any], pattern: str) -> None:
    lines = copy.heads()
    lines[1] = changed(lines[1], **facts)
    write(copy, lines)
    found, summary = copy.verify()
    assert summary.problems and any(re.search(pattern, line) for line in found), found


def test_every_bit_of_a_head_counts(copy: Copy) -> None:
    line = copy.heads()[1].encode()
    for place in range(0, len(line), 9):
        for bit in (0, 4):
            data = bytearray(line)
            data[place] ^= 1 << bit
            Path(copy.paths.heads).write_bytes(bytes(data) + b"\n")
            try:
                same = heads.parse(bytes(data)) == heads.parse(line)
            except heads.NoHead:
                same = False
            if not same:
                assert copy.verify()[1].problems, bytes(data)


def test_heads_in_another_order_are_told(copy: Copy) -> None:
    lines = copy.heads()
    write(copy, [lines[0], lines[2], lines[1], *lines[3:]])
    (found,), _ = copy.verify()
    assert found.startswith("heads.jsonl, line 3, size 7: a head of 7 events after one of 124")


def test_a_torn_line_at_the_end_is_a_note_and_no_problem(copy: Copy) -> None:
    lines = copy.heads()
    Path(copy.paths.heads).write_text("\n".join(lines)[:-50])
    (found,), summary = copy.verify()
    assert found.startswith("heads.jsonl, line 6: it is not whole") and summary.problems == 0
    assert summary.heads == 5 and summary.signed == summary.size - 5


def test_a_file_of_nonsense_is_told_line_by_line(copy: Copy) -> None:
    Path(copy.paths.heads).write_bytes(b"\xff\n\n[]\n" + b"x" * 5000 + b"\n")
    _, summary = copy.verify()
    assert summary.problems == 4 and summary.heads == 0


def test_a_public_key_that_is_missing_or_another_is_told(copy: Copy) -> None:
    public = Path(copy.paths.heads_public_key)
    public.unlink()
    found, _ = copy.verify()
    assert any(line.startswith("heads.pub: is missing; should be there") for line in found)
    assert sum("which is not known" in line for line in found) == 6
    public.write_bytes(keys.generate().public.pem)
    found, _ = copy.verify()
    assert sum("which is not known" in line for line in found) == 6
    public.write_text("no key")
    assert "heads.pub: holds no public key; should be an Ed25519 key in PEM" in copy.verify()[0]


def test_a_key_that_was_kept_is_believed_and_not_the_one_beside_the_log(copy: Copy) -> None:
    """Whoever can write all the files can sign them anew, with a key of his own."""
    kept = copy.directory / "kept.pub"
    kept.write_bytes(copy.key.public.pem)
    assert copy.verify(key_files=[str(kept)])[0] == []
    forger = keys.generate()
    Path(copy.paths.heads_public_key).write_bytes(forger.public.pem)
    leaves = leaves_of(copy.paths.log)
    write(copy, [heads.sign(forger, len(leaves), merkle.root(leaves), 0.0).line()])
    assert copy.verify()[0] == []
    found, _ = copy.verify(key_files=[str(kept)])
    assert (
        found[0] == f"heads.pub: it is key {forger.public.id}; should be {copy.key.public.id},"
        " as was given"
    )
    assert any("which is not known" in line for line in found[1:])


def test_heads_that_were_kept_elsewhere_are_held_too(copy: Copy) -> None:
    kept = copy.directory / "kept.json"
    kept.write_text(f"{copy.heads()[2]}\n\n{copy.heads()[4]}")
    Path(copy.paths.heads).unlink()
    found, summary = copy.verify(head_files=[str(kept)])
    assert (found, summary.heads) == ([], 2)
    copy.sql("UPDATE events SET at = at + 1 WHERE seq = 9")
    found, _ = copy.verify(head_files=[str(kept)])
    assert found[0].startswith(f"{kept}, line 1, size 124: the root is ")


def test_files_that_cannot_be_used_are_errors(copy: Copy) -> None:
    with pytest.raises(EnvironmentProblem, match="cannot read /nowhere: No such file"):
        copy.verify(head_files=["/nowhere"])
    with pytest.raises(EnvironmentProblem, match="cannot read /nowhere: No such file"):
        copy.verify(key_files=["/nowhere"])
    with pytest.raises(KeyProblem, match=r"chain\.db holds no Ed25519 public key in PEM"):
        copy.verify(key_files=[copy.paths.log])


def test_a_log_without_heads_is_verified_all_the_same(copy: Copy) -> None:
    for path in copy.directory.glob("heads.*"):
        path.unlink()
    found, summary = copy.verify()
    assert (found, summary.heads, summary.signed) == ([], 0, 0)
