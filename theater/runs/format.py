"""What a RUN.theater may hold: the names in it, how large they may be, and its header."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from theater.addresses import check_address
from theater.errors import Damaged, EnvironmentProblem
from theater.paths import HEADS

FORMAT = 1
SUFFIX = ".theater"
HEADER = "run.json"  # the first entry
LOG = "chain.db"
MANIFEST = "manifest.toml"
HEADS_FILES = (f"{HEADS}jsonl", f"{HEADS}pub")  # never the key
COMPONENT = re.compile(r"components/([0-9a-f]{64})\Z")

HEADER_MAX_BYTES = 4 << 20
MANIFEST_MAX_BYTES = 1 << 20
HEADS_MAX_BYTES = 256 << 20
COMPONENT_MAX_BYTES = 1 << 30
ENTRIES_MAX = 10_000
# Unpacked, a file of n bytes has at most PLAIN_BYTES + RATIO_MAX * n. What would be packed tighter
# than that is not compressed at all: so a bomb is known by its size.
PLAIN_BYTES = 256 << 20
RATIO_MAX = 50


def is_tight(unpacked: int, packed: int) -> bool:
    return unpacked > PLAIN_BYTES + RATIO_MAX * packed


def size_max(name: str) -> int | None:
    """The most bytes that this entry may have; None: there is no entry of that name."""
    if name == HEADER:
        return HEADER_MAX_BYTES
    if name == LOG:
        return 1 << 46
    if name == MANIFEST:
        return MANIFEST_MAX_BYTES
    if name in HEADS_FILES:
        return HEADS_MAX_BYTES
    return COMPONENT_MAX_BYTES if COMPONENT.match(name) else None


@dataclass(frozen=True, slots=True)
class Header:
    """What the file says of itself. `log_sha256` and `log_bytes` are of the log in it."""

    theater: str  # the version that wrote it
    recorded: str  # UTC time, ISO 8601
    log_sha256: str  # hex
    log_bytes: int
    components: tuple[str, ...]  # SHA-256, hex, of those that are in it
    missing: tuple[str, ...]  # of those that the log speaks of and that are not
    actors: tuple[str, ...]  # that the log knows, in its order

    def written(self) -> bytes:
        facts: dict[str, Any] = {
            "format": FORMAT,
            "theater": self.theater,
            "recorded": self.recorded,
            "log": {"sha256": self.log_sha256, "bytes": self.log_bytes},
            "components": list(self.components),
            "missing": list(self.missing),
            "actors": list(self.actors),
        }
        return json.dumps(facts, indent=2).encode()

    @classmethod
    def read(cls, data: bytes, path: str) -> Header:
        """Raises Damaged; EnvironmentProblem for a later format. `path`: for the message."""
        try:
            facts = json.loads(data)
            format, log = facts["format"], facts["log"]
            header = cls(
                theater=facts["theater"],
                recorded=facts["recorded"],
                log_sha256=log["sha256"],
                log_bytes=log["bytes"],
                components=tuple(facts["components"]),
                missing=tuple(facts["missing"]),
                actors=tuple(facts["actors"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Damaged(f"{path} is no recorded run: its {HEADER} is none") from None
        if format != FORMAT:
            raise EnvironmentProblem(
                f"{path} has format {str(format)[:20]}; this theater reads {FORMAT}."
                " Use the theater that wrote it"
            )
        texts = (header.theater, header.recorded, header.log_sha256)
        hashes = (header.log_sha256, *header.components, *header.missing)
        if not all(isinstance(each, str) for each in (*texts, *hashes, *header.actors)) or not all(
            re.fullmatch(r"[0-9a-f]{64}", each) for each in hashes
        ):
            raise Damaged(f"{path} is no recorded run: its {HEADER} is none")
        for actor in header.actors:
            if problem := check_address(actor):
                raise Damaged(f"{path} is no recorded run: an actor in it: {problem}")
        return header
