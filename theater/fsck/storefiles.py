"""Whether the files of stores are there, beside the log, and are what their names say."""

from __future__ import annotations

import hashlib
import os
import stat

from theater.fsck.file import PIECE, LogFile
from theater.fsck.findings import Reports, shown
from theater.stores import directory_of


class StoreFiles:
    """`directory`: where the files are, if they are there at all: a log may have been copied."""

    def __init__(self, file: LogFile, directory: str, reports: Reports) -> None:
        self._file = file
        self._directory = directory
        self._reports = reports

    def check(self) -> None:
        if not os.path.isdir(self._directory):
            ((count,),) = self._file.rows("SELECT count(*) FROM contents")
            if count:
                what = "1 content" if count == 1 else f"{count:,} contents"
                self._reports.note(f"the files of stores are not here: {what} not looked at")
            return
        for table in ("contents", "labels"):
            key = "hash" if table == "contents" else "label"
            rows = self._file.pages(f"SELECT store, {key}, hash FROM {table}", ("store", key))
            for store, _, hash in rows:
                if isinstance(store, str) and isinstance(hash, bytes):
                    self._judge(table, store, hash)

    def _judge(self, table: str, store: str, hash: bytes) -> None:
        if table == "labels" and self._is_content(store, hash):
            return  # it has been looked at
        path = f"{self._directory}/{directory_of(store)}/{hash.hex()}"
        where = {"store": shown(store), "content": shown(hash)}
        try:
            found = _hash_of(path)
        except OSError as error:
            text = "is not there" if isinstance(error, FileNotFoundError) else str(error.strerror)
            self._reports.wrong(f"its file {text}", "there, and what its name says", **where)
            return
        if found != hash:
            self._reports.wrong(f"its file has hash {shown(found)}", "that of its name", **where)

    def _is_content(self, store: str, hash: bytes) -> bool:
        sql = "SELECT 1 FROM contents WHERE store = ? AND hash = ?"
        return self._file.one(sql, (store, hash)) is not None


def _hash_of(path: str) -> bytes:
    """The SHA-256 of a file; of what is none, or a link, that of nothing like it."""
    # Not blocking: opening a named pipe would wait for a writer.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    digest = hashlib.sha256()
    with open(os.open(path, flags), "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise FileNotFoundError
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.digest()
