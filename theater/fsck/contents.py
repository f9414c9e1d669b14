"""Hold what is stored by its hash to it, and to those that refer to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from theater.fsck.across import BLOBS
from theater.fsck.file import LogFile, Scratch
from theater.fsck.findings import Reports, shown

RECENT = 4096  # hashes that are known to be wanted, in memory

TABLES = """
CREATE TABLE wanted (
    hash BLOB PRIMARY KEY, needed INTEGER, actor TEXT, what TEXT, number INTEGER
) WITHOUT ROWID;
CREATE TABLE elsewhere (hash BLOB PRIMARY KEY) WITHOUT ROWID;
"""


class Contents:
    def __init__(self, file: LogFile, scratch: Scratch, reports: Reports) -> None:
        self._file = file
        self._scratch = scratch
        self._reports = reports
        self._recent: dict[bytes, bool] = {}
        self.count = 0

    def want(self, hash: bytes, actor: str, what: str, number: int, needed: bool = True) -> None:
        """Something refers to it: at `number` of `what` (position, turn, message) of an actor.

        It has to be there if it is `needed`.
        """
        if self._recent.get(hash) in (True, needed):
            return
        if len(self._recent) == RECENT:
            self._recent.clear()
        self._recent[hash] = needed
        self._scratch.run(
            "INSERT INTO wanted VALUES (?,?,?,?,?) ON CONFLICT (hash) DO UPDATE SET needed = 1,"
            " actor = excluded.actor, what = excluded.what, number = excluded.number"
            " WHERE excluded.needed AND NOT needed",
            (hash, needed, actor, what, number),
        )

    def has(self, hash: bytes) -> None:
        """It was there, in another table, when that was looked at."""
        self._scratch.run("INSERT OR IGNORE INTO elsewhere VALUES (?)", (hash,))

    def check(self, last: int) -> None:
        """`last`: what is stored later than this row nobody may have referred to yet."""
        for row in self._file.pages(BLOBS.select, BLOBS.keys):
            blob = BLOBS.make(*row)
            self.count += 1
            if blob.type != "blob" or not isinstance(blob.hash, bytes):
                self._reports.wrong(
                    f"row {blob.rowid} holds {blob.type} under {shown(blob.hash)}",
                    "bytes under their hash",
                    table="blobs",
                )
                continue
            digest = hashlib.sha256()
            for piece in self._pieces(blob.rowid, blob.data):
                digest.update(piece)
            if digest.digest() != blob.hash:
                self._reports.wrong(
                    f"its bytes have hash {digest.hexdigest()[:16]}",
                    "its hash",
                    content=shown(blob.hash),
                )
        self._compare(last)

    def _pieces(self, rowid: int, data: bytes | None) -> Iterator[bytes]:
        if data is not None:
            yield data
        else:
            yield from self._file.content("blobs", "bytes", rowid)

    def _compare(self, last: int) -> None:
        """What is there and what is wanted, both in the order of their hashes."""
        wanted = self._scratch.rows("SELECT * FROM wanted ORDER BY hash")
        unused = unused_bytes = 0
        want = next(wanted, None)
        stored = self._file.pages(
            "SELECT hash, rowid, length(bytes) FROM blobs", ("hash",), "hash >= x''"
        )
        for hash, rowid, size in stored:
            while want is not None and want[0] < hash:
                self._missing(*want)
                want = next(wanted, None)
            if want is not None and want[0] == hash:
                want = next(wanted, None)
            elif rowid <= last:
                unused += 1
                unused_bytes += size or 0
        while want is not None:
            self._missing(*want)
            want = next(wanted, None)
        if unused:
            many = "1 content" if unused == 1 else f"{unused:,} contents"
            self._reports.note(f"nothing refers to {many} ({unused_bytes:,} bytes)")

    def _missing(self, hash: bytes, needed: int, actor: str, what: str, number: int) -> None:
        elsewhere = self._scratch.rows("SELECT 1 FROM elsewhere WHERE hash = ?", (hash,))
        if not needed or next(elsewhere, None) is not None:
            return
        where: dict[str, str | int] = {"actor": actor} if actor else {}
        found = f"its content {shown(hash)} is not there"
        self._reports.wrong(found, "in blobs", **where, **{what: number})
