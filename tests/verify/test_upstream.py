"""Chain files as the original Theater writes them."""

from __future__ import annotations

import hashlib
import io
import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from theater.errors import EnvironmentProblem
from theater.fsck.findings import Note, Problem
from theater.pack import values
from theater.pack.codec import encode
from theater.verify import upstream
from theater.verify.upstream import ChainEvent, ChainSummary, NoChainFile

# Two events that the original's own documentation prints, and four in the shape of July 2026.
VECTORS = json.loads((Path(__file__).parent.parent / "pack" / "vectors.json").read_text())["chain"]


def event(vector: dict[str, Any]) -> dict[str, Any]:
    """As it stands in a file."""
    parent = vector["parent"]
    return {
        "hash": list(bytes.fromhex(vector["hash"])),
        "parent_hash": None if parent is None else list(bytes.fromhex(parent)),
        "event_type": vector["event_type"],
        "data": list(bytes.fromhex(vector["data"])),
    }


PUBLISHED = [event(vector) for vector in VECTORS[:2]]
JULY = [event(vector) for vector in VECTORS[2:]]


def check(tmp_path: Path, events: Any) -> tuple[list[str], ChainSummary]:
    file = tmp_path / "chain.json"
    file.write_text(events if isinstance(events, str) else json.dumps(events))
    found: list[Problem | Note] = []
    summary = upstream.verify(str(file), found.append)
    return [str(each) if isinstance(each, Problem) else each.text for each in found], summary


@pytest.mark.parametrize("events", [PUBLISHED, JULY], ids=["published", "july"])
def test_chains_of_the_original_hold(tmp_path: Path, events: list[dict[str, Any]]) -> None:
    head = bytes(events[-1]["hash"]).hex()
    whole: tuple[list[str], ChainSummary] = ([], ChainSummary(0, len(events), head))
    assert check(tmp_path, events) == whole
    assert check(tmp_path, json.dumps(events, indent=2)) == whole
    assert check(tmp_path, json.dumps(events, separators=(",", ":"))) == whole


def test_an_event_type_is_spelt_as_the_original_spells_it() -> None:
    odd = 'say "hi" \\ \b\f\n\r\t\x01\x7f ü 🎭'
    shown = 'say \\"hi\\" \\\\ \\b\\f\\n\\r\\t\\u0001\x7f ü 🎭'
    text = f'{{"hash":[],"parent_hash":[1],"event_type":"{shown}","data":[0,255]}}'
    digest = ChainEvent(b"", b"\x01", odd, b"\x00\xff").digest()
    assert digest == hashlib.sha1(text.encode()).digest()


def test_what_an_event_says_is_harmless_text_on_one_line() -> None:
    data = encode(("a\x1b[2J\nb", values.U8(1)))
    assert ChainEvent(b"", None, "x", data).told() == r'("a\x1b[2J\nb", 1u8)'
    assert ChainEvent(b"", None, "x", b"CGRF?").told() == "raw: 5 bytes"
    for vector in VECTORS:
        told = ChainEvent(b"", None, "x", bytes.fromhex(vector["data"])).told()
        assert told.startswith("chain-event-payload::")
        assert "text" not in vector or vector["text"].endswith(f"\n{told}\n")


@pytest.mark.parametrize("seed", range(30))
def test_whatever_changes_is_found_and_named(tmp_path: Path, seed: int) -> None:
    random_ = random.Random(seed)
    events = json.loads(json.dumps(JULY))
    number = random_.randrange(len(events))
    key = random_.choice(["hash", "parent_hash", "event_type", "data"])
    if key == "event_type" or events[number][key] is None:
        events[number]["event_type"] += "x"
    else:
        place = random_.randrange(len(events[number][key]))
        events[number][key][place] ^= 1 << random_.randrange(8)
    found, summary = check(tmp_path, events)
    assert summary.problems and found[0].startswith(f"event {number}: "), f"seed {seed}: {found}"


def test_dropped_swapped_and_inserted_events_are_named(tmp_path: Path) -> None:
    first, second, third, fourth = JULY
    found, _ = check(tmp_path, [first, third, fourth])
    assert found == [
        f"event 1: parent_hash is {bytes(second['hash']).hex()}; should be"
        f" {bytes(first['hash']).hex()}, the hash of the one before"
    ]
    found, _ = check(tmp_path, [second, third, fourth])
    assert found == [
        f"event 0: parent_hash is {bytes(first['hash']).hex()}; should be null, it is the first"
    ]
    assert len(check(tmp_path, [first, third, second, fourth])[0]) == 3
    assert len(check(tmp_path, [first, first, second, third, fourth])[0]) == 1


def test_what_the_hash_does_not_cover_is_said_once(tmp_path: Path) -> None:
    events = [{**each, "timestamp": 5} for each in JULY]
    found, summary = check(tmp_path, events)
    assert found == ['the hash of an event says nothing about its "timestamp"']
    assert summary.problems == 0


TIMES = 100  # that a memory test is given more
ONE = json.dumps(JULY[0])
MALFORMED = {
    "": r"it does not begin with \[",
    "{}": r"it does not begin with \[",
    "[": "it ends before event 0",
    f"[{ONE}": "after event 0 comes its end",
    f"[{ONE},": "it ends before event 1",
    f"[{ONE},]": "event 1 is no JSON",
    f"[{ONE} {ONE}]": 'after event 0 comes "{"',
    f"[{ONE}] x": "something comes after the list",
    "[7]": "event 0 is no object",
    "[nonsense]": "event 0 is no JSON",
    f"[{'[' * 100_000}]": "event 0 is nested too deeply",
    "[{}]": 'event 0 has no "hash"',
    ONE: r"it does not begin with \[",
}


@pytest.mark.parametrize("text, why", MALFORMED.items(), ids=range(len(MALFORMED)))
def test_what_is_no_chain_file_is_told_with_the_place(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(NoChainFile, match=rf"chain\.json is no chain file: {why}"):
        check(tmp_path, text)


@pytest.mark.parametrize(
    "key, value, why",
    [
        ("hash", [1, 2], "hash of event 0 has 2 bytes, and not 20"),
        ("hash", "ab", "hash of event 0 is no list of numbers"),
        ("data", [256], "data of event 0 has a number that is no byte"),
        ("data", [-1], "data of event 0 has a number that is no byte"),
        ("data", [True], "data of event 0 is no list of numbers"),
        ("data", [1.0], "data of event 0 is no list of numbers"),
        ("data", None, "data of event 0 is no list of numbers"),
        ("parent_hash", [], "parent_hash of event 0 has 0 bytes, and not 20"),
        ("event_type", 7, "event_type of event 0 is no text"),
        ("event_type", "\ud800", "event_type of event 0 is no text"),
    ],
)
def test_a_field_of_another_kind_is_named(tmp_path: Path, key: str, value: Any, why: str) -> None:
    with pytest.raises(NoChainFile, match=why):
        check(tmp_path, [{**JULY[0], key: value}])


def test_bytes_that_are_no_text_and_files_that_are_not_there(tmp_path: Path) -> None:
    file = tmp_path / "chain.json"
    file.write_bytes(b"[\xff\xfe]")
    with pytest.raises(NoChainFile, match="it is not UTF-8"):
        upstream.verify(str(file), print)
    with pytest.raises(EnvironmentProblem, match="No such file"):
        upstream.verify(str(tmp_path / "nowhere"), print)


def test_memory_does_not_grow_with_the_file() -> None:
    one = json.dumps(JULY[0]).encode()

    class Endless(io.RawIOBase):
        left = TIMES

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return b"[" if self.left == TIMES - 1 else (one + b",") * 20 if self.left else b""

    tracemalloc.start()
    with pytest.raises(NoChainFile):  # it ends with a comma
        for _ in upstream.events(Endless()):  # type: ignore[arg-type]
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000 < TIMES * 20 * len(one)
