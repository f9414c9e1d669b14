"""Proofs made of a log, and checked with nothing but a head and a key."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.notary.made import NAMES, Made
from theater import heads, keys, proofs
from theater.errors import Damaged, TheaterError
from theater.heads import Head
from theater.keys import PublicKey
from theater.notary import prove
from theater.notary.notary import newest_head
from theater.proofs import Consistency, Inclusion, NoProof

NOW = 1_764_121_293.0


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def sign(made: Made) -> Head:
    head = newest_head(made.paths, NOW)
    assert head is not None
    return head


def key_of(made: Made) -> PublicKey:
    return keys.read_public(Path(made.paths.heads_public_key).read_bytes(), "")


def test_every_event_can_be_proven_for_every_head(made: Made) -> None:
    signed = []
    for _ in range(5):
        made.grow(4)
        signed.append(sign(made))
    key = key_of(made)
    with prove.open_log(made.paths) as log:
        for head in signed:
            for seq in range(1, head.size + 1):
                proof = proofs.parse(prove.inclusion(log, seq, head).text().encode())
                assert isinstance(proof, Inclusion) and proof.seq == seq
                assert proof.check(head, key) == []
                for other in signed:
                    assert (other is head) is (proof.check(other, key) == [])
        for old in signed:
            for new in signed:
                if old.size > new.size:
                    continue
                change = proofs.parse(prove.consistency(log, old, new).text().encode())
                assert isinstance(change, Consistency) and change.check(old, new, key) == []


def test_an_event_is_named_by_its_number_or_its_place_in_a_chain(made: Made) -> None:
    made.grow(7)
    with prove.open_log(made.paths) as log:
        assert prove.find(log, "5") == 5
        assert prove.find(log, "a:1") == 5
        assert prove.find(log, "pool/worker-1:0") == 3
        made.change("UPDATE events SET turn = 4, idx = 2 WHERE seq = 5")
        assert prove.find(log, "a:4.2") == 5 and prove.find(log, "a:1") == 5
        assert prove.find(log, "/:2") == 7
        for event, why in (
            ("8", "the log has no event 8; it has 7"),
            ("0", "the log has no event 0"),
            ("a:9", 'the chain of "a" has no position 9'),
            ("a:4.1", 'the chain of "a" has no event 4.1'),
            ("b:0", 'the chain of "b" has no position 0'),
            ("a", '"a" names no event: it is a number'),
            ("a:x", '"a:x" names no event'),
            ("9" * 50, "the log has no event"),
        ):
            with pytest.raises(TheaterError, match=why):
                prove.find(log, event)


def test_what_came_after_a_head_cannot_be_proven_for_it(made: Made) -> None:
    made.grow(3)
    head = sign(made)
    made.grow(1)
    with prove.open_log(made.paths) as log:
        with pytest.raises(TheaterError, match="event 4 came after that head"):
            prove.inclusion(log, 4, head)
        with pytest.raises(TheaterError, match="the older head is over 4 events"):
            prove.consistency(log, sign(made), head)


def test_nothing_is_proven_of_a_log_that_was_changed(made: Made) -> None:
    made.grow(9)
    head = sign(made)
    made.grow(1)
    newer = sign(made)
    made.change("UPDATE events SET at = 1.0 WHERE seq = 4")
    with prove.open_log(made.paths) as log:
        for seq in (2, 4):
            with pytest.raises(Damaged, match="not the one that the head of 9 events was"):
                prove.inclusion(log, seq, head)
        with pytest.raises(Damaged, match="not the one that the head of 9 events was"):
            prove.consistency(log, head, newer)
    made.change("DELETE FROM events WHERE seq > 5")
    with (
        prove.open_log(made.paths) as log,
        pytest.raises(Damaged, match="the log has 5 events, and that head is over 9"),
    ):
        prove.inclusion(log, 2, head)


@pytest.mark.parametrize("seed", range(40))
def test_a_proof_that_was_changed_proves_nothing(made: Made, seed: int) -> None:
    random_ = random.Random(seed)
    made.grow(random_.randrange(2, 30))
    head, key = sign(made), key_of(made)
    with prove.open_log(made.paths) as log:
        proof = prove.inclusion(log, random_.randrange(1, head.size + 1), head)
    assert proof.check(head, key) == []
    changed: dict[str, Any] = {
        "seq": random_.choice([n for n in range(1, head.size + 2) if n != proof.seq]),
        "actor": random_.choice([name for name in (*NAMES, "x") if name != proof.actor]),
        "hash": random_.randbytes(32),
        "time": proof.time + random_.choice([-1, 1e-6, 1000]),
        "parent": random_.randbytes(32),
        "event": proof.event[:-1] + bytes([proof.event[-1] ^ 1]),
        "size": head.size + random_.choice([-1, 1]),
        "path": (*proof.path[:-1], random_.randbytes(32)),
    }
    for name, value in changed.items():
        assert replace(proof, **{name: value}).check(head, key), f"seed {seed}: {name}"
    other = keys.generate()
    assert proof.check(head, other.public)[0].startswith("the head is signed with key")
    forged = heads.sign(other, head.size, bytes(32), NOW)
    assert proof.check(replace(forged, key=key.id), key)[0].startswith("the head's signature")


def test_a_proof_of_going_on_that_was_changed_proves_nothing(made: Made) -> None:
    made.grow(6)
    old = sign(made)
    made.grow(5)
    new, key = sign(made), key_of(made)
    with prove.open_log(made.paths) as log:
        proof = prove.consistency(log, old, new)
    assert proof.check(old, new, key) == []
    for changed in (
        replace(proof, old=5),
        replace(proof, new=12),
        replace(proof, path=proof.path[:-1]),
        replace(proof, path=(bytes(32), *proof.path[1:])),
    ):
        assert changed.check(old, new, key)
    assert proof.check(new, old, key) and proof.check(old, old, key)
    forged = replace(old, signature=bytes(64))
    assert proof.check(forged, new, key) == [
        "the older head: the head's signature is not that of the key"
    ]


@pytest.mark.parametrize(
    "key, value, why",
    [
        ("theater", "proof", "no JSON object with"),
        ("version", 2, 'its version is "2"'),
        ("seq", 0, "its seq is 0"),
        ("seq", True, "its seq is no number"),
        ("actor", 1, "its actor is no text"),
        ("actor", "\ud800", "its actor is no text"),
        ("hash", "xx", "its hash is not 64 hex digits"),
        ("time", 5, "its time is no number with a fraction"),
        ("event", "!", "its event is no base64"),
        ("size", -1, "its size is no number"),
        ("path", {}, "its path is no list"),
        ("path", ["00"] * 99, "its path is no list"),
        ("path", ["zz"], "step 0 of its path is not 64 hex digits"),
        ("path", None, "its path is no list"),
    ],
)
def test_what_is_no_proof_is_told_and_why(made: Made, key: str, value: Any, why: str) -> None:
    made.grow(2)
    head = sign(made)
    with prove.open_log(made.paths) as log:
        facts = json.loads(prove.inclusion(log, 1, head).text())
    with pytest.raises(NoProof, match=why):
        proofs.parse(json.dumps({**facts, key: value}).encode())
    del facts[key]
    with pytest.raises(NoProof):
        proofs.parse(json.dumps(facts).encode())


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_no_proof(text: bytes) -> None:
    with pytest.raises(NoProof):
        proofs.parse(text)
