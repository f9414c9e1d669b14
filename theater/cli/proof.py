"""`theater head`, `prove` and `check-proof`: what is signed of a log, and proofs for others."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theater import heads, keys, proofs
from theater.cli.page import utc_time
from theater.cli.place import Place, Usage
from theater.cli.record import crossing_json, crossing_text
from theater.cli.terminal import Terminal
from theater.errors import Damaged, EnvironmentProblem, NotRunning, TheaterError
from theater.events import decode
from theater.heads import Head, NoHead
from theater.paths import DataPaths
from theater.proofs import Consistency, Inclusion
from theater.quoting import quoted

if TYPE_CHECKING:
    from theater.keys import PublicKey

NOT_PROVEN = Damaged.exit_code


# Heads


def head(terminal: Terminal, place: Place, as_json: bool) -> None:
    newest = _newest(terminal, place)
    if as_json:
        terminal.print(newest.line())
        return
    terminal.print(f"{newest.size:,} events, signed {newest.time} with key {newest.key}")
    terminal.print(f"root {newest.root.hex()}")


def _paths(place: Place) -> DataPaths:
    return DataPaths(os.path.dirname(place.log_path()))


def _newest(terminal: Terminal, place: Place) -> Head:
    from theater.notary.notary import newest_head

    if place.is_run:  # it comes with its heads, and without the key
        kept = Path(_paths(place).heads)
        if kept.exists():
            return _read_head(kept)
        raise TheaterError(f"no head was signed of what {place.data} is a record of")
    try:
        newest = newest_head(_paths(place), time.time(), lambda text: terminal.progress(text, True))
    except NotRunning:
        raise place.never_ran() from None
    if newest is None:
        raise TheaterError("the log has no event yet: there is nothing to sign")
    return newest


def _read_head(file: Path, sizes: Sequence[int] = ()) -> Head:
    """The head in a file; of several the one with one of these sizes, else the last."""
    found: Head | None = None
    try:
        with open(file, "rb") as opened:
            for _, line, _ in heads.lines(opened):
                if not line.strip():
                    continue
                each = heads.parse(line)
                if found is None or found.size not in sizes:
                    found = each
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {file}: {error.strerror}") from None
    except NoHead as error:
        raise NoHead(f"{file} holds no tree head: {error}") from None
    if found is None:
        raise NoHead(f"{file} holds no tree head: it is empty")
    return found


def _content(file: Path, most: int) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read(most)
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {file}: {error.strerror}") from None


# Proofs


def prove(
    terminal: Terminal,
    place: Place,
    event: str | None,
    older: Path | None,
    file: Path | None,
    output: Path | None,
) -> None:
    if (event is None) == (older is None):
        raise Usage("either an event is proven, or with --from that the log goes on from a head")
    from theater.notary import prove as module

    proof: Inclusion | Consistency
    paths = _paths(place)
    old = None if older is None else _read_head(older)
    newer = _newest(terminal, place) if file is None else _read_head(file)
    with module.open_log(paths) as log:
        if old is not None:
            proof = module.consistency(log, old, newer)
        else:
            assert event is not None
            proof = module.inclusion(log, module.find(log, event), newer)
    if output is None:
        terminal.write(proof.text().encode())
        return
    try:
        output.write_text(proof.text())
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {output}: {error.strerror}") from None


def check_proof(
    terminal: Terminal, file: Path, newer: Path, older: Path | None, key: Path, as_json: bool
) -> int:
    """Whether it proves what it says, with nothing but these files. The exit code."""
    try:
        proof = proofs.parse(_content(file, proofs.FILE_MAX))
    except proofs.NoProof as error:
        raise proofs.NoProof(f"{file} holds no proof: {error}") from None
    public = keys.read_public(_content(key, keys.KEY_MAX), str(key))
    if isinstance(proof, Inclusion):
        if older is not None:
            raise Usage("--from is for a proof that the log goes on from a head")
        return _check_inclusion(terminal, proof, _read_head(newer, [proof.size]), public, as_json)
    if older is None:
        raise Usage("that is a proof that the log goes on from a head: give that with --from")
    heads_ = _read_head(older, [proof.old]), _read_head(newer, [proof.new])
    flaws = proof.check(*heads_, public)
    facts = {"kind": proofs.CONSISTENCY, "from": proof.old, "to": proof.new}
    what = f"the log of {proof.new:,} events begins with that of {proof.old:,}"
    return _verdict(terminal, what, facts, flaws, heads_[1], as_json)


def _check_inclusion(
    terminal: Terminal, proof: Inclusion, signed: Head, key: PublicKey, as_json: bool
) -> int:
    flaws = proof.check(signed, key)
    facts: dict[str, Any] = {
        "kind": proofs.INCLUSION,
        "seq": proof.seq,
        "time": utc_time_or_none(proof.time),
        "hash": proof.hash.hex(),
    }
    what = f"event {proof.seq:,} of {proof.size:,} is in the chain of {quoted(proof.actor)}"
    if not flaws:
        event = decode(proof.event)
        facts |= crossing_json(event, _no_content)
        if not as_json:
            crossing = crossing_text(event, _no_content, terminal.out)
            terminal.print(f"{proof.seq} {facts['time']} {quoted(proof.actor)[1:-1]} {crossing}")
    return _verdict(terminal, what, facts, flaws, signed, as_json)


def utc_time_or_none(at: float) -> str | None:
    try:
        return utc_time(at)
    except (ValueError, OverflowError, OSError):
        return None


def _no_content(_hash: bytes) -> bytes | None:
    return None  # a proof has the event and not what it refers to


def _verdict(
    terminal: Terminal,
    what: str,
    facts: dict[str, Any],
    flaws: list[str],
    signed: Head,
    as_json: bool,
) -> int:
    if as_json:
        whose = {"signed": signed.time, "key": signed.key, "size": signed.size}
        terminal.print(json.dumps({"proven": not flaws, "flaws": flaws, **facts, **whose}))
    elif flaws:
        for flaw in flaws:
            terminal.print(f"not proven: {flaw}")
    else:
        terminal.print(f"proven: {what}, signed {signed.time} with key {signed.key}")
    return NOT_PROVEN if flaws else 0
