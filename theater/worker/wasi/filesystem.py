"""wasi:filesystem without any file: there are no preopened directories, so no descriptor."""

from __future__ import annotations

from typing import Any

from theater.worker.wasi.resources import Interfaces

_DESCRIPTOR_METHODS = (
    "read-via-stream",
    "write-via-stream",
    "append-via-stream",
    "advise",
    "sync-data",
    "get-flags",
    "get-type",
    "set-size",
    "set-times",
    "read",
    "write",
    "read-directory",
    "sync",
    "create-directory-at",
    "stat",
    "stat-at",
    "set-times-at",
    "link-at",
    "open-at",
    "readlink-at",
    "remove-directory-at",
    "rename-at",
    "symlink-at",
    "unlink-file-at",
    "metadata-hash",
    "metadata-hash-at",
)


def interfaces() -> Interfaces:
    return {
        "wasi:filesystem/preopens": {"get-directories": lambda: []},
        "wasi:filesystem/types": {
            **{f"[method]descriptor.{method}": _refuse for method in _DESCRIPTOR_METHODS},
            "[method]descriptor.is-same-object": lambda rep, other: rep == other,
            "[method]directory-entry-stream.read-directory-entry": _refuse,
            # No error here comes from a file.
            "filesystem-error-code": lambda _error: None,
        },
    }


def _refuse(*_args: Any) -> dict[str, Any]:
    return {"err": "not-permitted"}
