"""The tree heads that a log is held to: those beside it, and those that were kept elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from theater import heads, keys
from theater.errors import EnvironmentProblem
from theater.fsck.findings import Reports, shown
from theater.heads import Head, NoHead
from theater.keys import PublicKey
from theater.paths import DataPaths

FILE = "heads.jsonl"


@dataclass(frozen=True, slots=True)
class Kept:
    head: Head
    file: str
    line: int

    @property
    def where(self) -> dict[str, str | int]:
        return {"file": self.file, "line": self.line, "size": self.head.size}


def read(paths: DataPaths, given: Sequence[str], reports: Reports) -> list[Kept]:
    """The heads beside the log and those in given files, by size. Raises EnvironmentProblem for a
    given file that cannot be read; what is wrong beside the log is reported."""
    found: list[Kept] = []
    if os.path.lexists(paths.heads):
        _read_file(paths.heads, FILE, found, reports, torn_is_fine=True)
        _in_order(found, reports)
    for name in given:
        _read_file(name, name, found, reports, torn_is_fine=False)
    found.sort(key=lambda each: each.head.size)
    return found


def read_keys(
    paths: DataPaths, given: Sequence[str], heads: Sequence[Kept], reports: Reports
) -> dict[str, PublicKey]:
    """The keys that are believed, by id: those given, else the one beside the log. Raises
    EnvironmentProblem or KeyProblem for a given one that cannot be used."""
    read = [keys.read_public(_content(name), name) for name in given]
    found = {key.id: key for key in read}
    own = _own_key(paths, reports)
    if own is not None and given and own.id not in found:
        wrong = f"it is key {own.id}"
        reports.wrong(wrong, f"{', '.join(found)}, as was given", file="heads.pub")
    elif own is not None and not given:
        found[own.id] = own
    elif own is None and not given and any(each.file == FILE for each in heads):
        expected = "there, to check signatures with; or give the key with --key"
        reports.wrong("is missing", expected, file="heads.pub")
    return found


def _own_key(paths: DataPaths, reports: Reports) -> PublicKey | None:
    if not os.path.lexists(paths.heads_public_key):
        return None
    try:
        return keys.read_public(_content(paths.heads_public_key), "heads.pub")
    except keys.KeyProblem:
        reports.wrong("holds no public key", "an Ed25519 key in PEM", file="heads.pub")
    except EnvironmentProblem as error:
        reports.wrong(str(error), "readable", file="heads.pub")
    return None


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(keys.KEY_MAX)
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {path}: {error.strerror}") from None


def _read_file(
    path: str, name: str, found: list[Kept], reports: Reports, torn_is_fine: bool
) -> None:
    try:
        with open(path, "rb") as file:
            for number, line, whole in heads.lines(file):
                if not line and not torn_is_fine:
                    continue  # somebody's empty line at the end
                if not whole and torn_is_fine and len(line) <= heads.LINE_MAX:
                    reports.note(
                        f"{name}, line {number}: it is not whole, as when a system dies while it"
                        " is written; nobody was given that head"
                    )
                    continue
                try:
                    found.append(Kept(heads.parse(line), name, number))
                except NoHead as error:
                    reports.wrong(str(error), "a tree head", file=name, line=number)
    except OSError as error:
        if not torn_is_fine:
            raise EnvironmentProblem(f"cannot read {path}: {error.strerror}") from None
        reports.wrong(f"cannot be read: {error.strerror}", "readable", file=name)


def _in_order(kept: Iterable[Kept], reports: Reports) -> None:
    """In the file beside the log each head is over more events than the one before it."""
    size = 0
    for each in kept:
        if each.head.size <= size:
            found = f"a head of {each.head.size:,} events after one of {size:,}"
            reports.wrong(found, "of more than the one before", **each.where)
        size = max(size, each.head.size)


def signature_problem(kept: Kept, keys_: dict[str, PublicKey]) -> tuple[str, str] | None:
    """(found, expected) if it is not signed as it should be."""
    key = keys_.get(kept.head.key)
    if key is None:
        known = ", ".join(keys_) or "none"
        found = f"it is signed with key {shown(kept.head.key)}, which is not known"
        return found, f"with one that is ({known}); --key gives another"
    if not key.verifies(kept.head.signature, kept.head.signed()):
        return "its signature does not hold", f"that of key {key.id} over it"
    return None
