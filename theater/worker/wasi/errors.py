"""How a call of WASI went, as it is answered: well, or by the code of its error or the kernel's."""

from __future__ import annotations

import errno
from typing import Any

OK: dict[str, Any] = {"ok": None}
ERR: dict[str, Any] = {"err": None}  # of a function whose error says nothing
ErrorCode = str | dict[str, Any]  # of wasi:http
CODES = {
    errno.EACCES: "access",
    errno.EAGAIN: "would-block",
    errno.EBADF: "bad-descriptor",
    errno.EBUSY: "busy",
    errno.EDEADLK: "deadlock",
    errno.EDQUOT: "quota",
    errno.EEXIST: "exist",
    errno.EFBIG: "file-too-large",
    errno.EILSEQ: "illegal-byte-sequence",
    errno.EINTR: "interrupted",
    errno.EINVAL: "invalid",
    errno.EIO: "io",
    errno.EISDIR: "is-directory",
    errno.ELOOP: "loop",
    errno.EMLINK: "too-many-links",
    errno.ENAMETOOLONG: "name-too-long",
    errno.ENODEV: "no-device",
    errno.ENOENT: "no-entry",
    errno.ENOLCK: "no-lock",
    errno.ENOMEM: "insufficient-memory",
    errno.EMFILE: "insufficient-memory",
    errno.ENFILE: "insufficient-memory",
    errno.ENOSPC: "insufficient-space",
    errno.ENOTDIR: "not-directory",
    errno.ENOTEMPTY: "not-empty",
    errno.ENOSYS: "unsupported",
    errno.EOPNOTSUPP: "unsupported",
    errno.ENXIO: "no-such-device",
    errno.EOVERFLOW: "overflow",
    errno.EPERM: "not-permitted",
    errno.EPIPE: "pipe",
    errno.EROFS: "read-only",
    errno.ESPIPE: "invalid-seek",
    errno.ETXTBSY: "text-file-busy",
}
# Where a path is resolved, the kernel's word for one that leads out of its directory. Where
# something is moved or linked, that the two places are on different file systems.
ESCAPES = {errno.EXDEV: "not-permitted"}
APART = {errno.EXDEV: "cross-device"}


class Refused(Exception):
    """The guest may not have what it asks for; `code` is the answer."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def code_of(error: OSError, also: dict[int, str] = ESCAPES) -> str:
    number = error.errno or 0
    return also.get(number) or CODES.get(number, "io")


def err(code: str) -> dict[str, Any]:
    return {"err": code}


def internal(text: str) -> ErrorCode:
    """An error of HTTP that has no code of its own."""
    return {"internal-error": text}


GONE = internal("the request was made before a crash, or in an earlier turn, and is gone")
