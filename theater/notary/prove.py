"""Make proofs of what is in a log, for a head that was signed of it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from theater import merkle
from theater.errors import Damaged, EnvironmentProblem, TheaterError
from theater.heads import Head
from theater.merkle import Frontier
from theater.notary.tree import Log
from theater.paths import DataPaths
from theater.proofs import Consistency, Inclusion
from theater.quoting import quoted


@contextmanager
def open_log(paths: DataPaths) -> Iterator[Log]:
    try:
        log = Log(paths.log)
    except sqlite3.Error as error:
        raise EnvironmentProblem(f"cannot read the log: {error}") from None
    try:
        yield log
    finally:
        log.close()


def find(log: Log, event: str) -> int:
    """The number in the log of an event that a person names: its number, or the actor's with its
    position in the chain, or with its turn and index as `theater events` shows them."""
    if event.isascii() and event.isdigit():
        seq = int(event[:18])
        if not log.rows("SELECT 1 FROM events WHERE seq = ?", seq):
            raise TheaterError(f"the log has no event {event[:40]}; it has {log.size():,}")
        return seq
    actor, colon, position = event.rpartition(":")
    if colon and (place := re.fullmatch(r"([0-9]{1,18})\.([0-9]{1,18})", position)):
        found = log.rows(
            "SELECT e.seq FROM events e JOIN actors a ON a.id = e.actor"
            " WHERE a.name = ? AND e.turn = ? AND e.idx = ?",
            *(actor, int(place[1]), int(place[2])),
        )
        if not found:
            raise TheaterError(f"the chain of {quoted(actor)} has no event {position}")
        return int(found[0][0])
    if not colon or not (position.isascii() and position.isdigit()):
        raise TheaterError(
            f"{quoted(event)} names no event: it is a number, as `theater events` shows it first,"
            " or ACTOR:TURN.INDEX, or ACTOR:POSITION of its chain"
        )
    found = log.rows(
        "SELECT e.seq FROM events e JOIN actors a ON a.id = e.actor"
        " WHERE a.name = ? AND e.position = ?",
        actor,
        int(position[:18]),
    )
    if not found:
        raise TheaterError(f"the chain of {quoted(actor)} has no position {position[:40]}")
    return int(found[0][0])


def inclusion(log: Log, seq: int, head: Head) -> Inclusion:
    """That event `seq` is in the log that `head` was signed of."""
    if seq > head.size:
        raise TheaterError(
            f"event {seq:,} came after that head, which is over {head.size:,} events; `theater"
            " head` signs one of what is there now"
        )
    _require(log, head)
    row = log.rows(
        "SELECT a.name, e.actor, e.position, e.hash, e.at, e.bytes"
        " FROM events e JOIN actors a ON a.id = e.actor WHERE e.seq = ?",
        seq,
    )
    if not row:
        raise Damaged(f"event {seq} is missing in the log")
    name, actor, position, hash, time, data = row[0]
    before = log.rows(
        "SELECT hash FROM events WHERE actor = ? AND position = ?", actor, position - 1
    )
    parent = bytes(before[0][0]) if before else bytes(32)
    path = tuple(_root(log, *each) for each in merkle.inclusion_ranges(seq - 1, head.size))
    proof = Inclusion(seq, name, hash, time, parent, data, head.size, path)
    leaf = merkle.leaf(seq, name, hash, time)
    if proof.flaws() or not merkle.includes(leaf, seq - 1, head.size, path, head.root):
        raise _another(head)
    return proof


def consistency(log: Log, old: Head, new: Head) -> Consistency:
    """That the log of `new` begins with that of `old`."""
    if old.size > new.size:
        raise TheaterError(
            f"the older head is over {old.size:,} events, and the newer over {new.size:,}"
        )
    _require(log, new)
    path = tuple(_root(log, *each) for each in merkle.consistency_ranges(old.size, new.size))
    if not merkle.extends(old.size, new.size, old.root, new.root, path):
        raise _another(old)
    return Consistency(old.size, new.size, path)


def _require(log: Log, head: Head) -> None:
    size = log.size()
    if size < head.size:
        raise Damaged(f"the log has {size:,} events, and that head is over {head.size:,}")


def _another(head: Head) -> Damaged:
    return Damaged(
        f"the log is not the one that the head of {head.size:,} events was signed of: there is no"
        " such proof. `theater verify` tells what has changed"
    )


def _root(log: Log, first: int, end: int) -> bytes:
    tree = Frontier()
    for page in log.leaves(first, end):
        tree.extend(page)
    return tree.root()
