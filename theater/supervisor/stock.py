"""The compiled components that workers may map: open, verified, by the component's hash."""

from __future__ import annotations

import os
from typing import Any

from theater.supervisor.prepare import Prepared


class Stock:
    """Root keeps the descriptors: what was verified once cannot be exchanged behind its back."""

    def __init__(self) -> None:
        self._descriptors: dict[str, int] = {}
        self._exports: dict[str, dict[str, Any]] = {}
        self.grown = False  # somebody may have brought what is not used after all

    def take(self, sha256: str, exports: dict[str, Any], descriptor: int) -> None:
        if sha256 in self._descriptors:
            os.close(descriptor)
            return
        self.grown = True
        self._descriptors[sha256] = descriptor
        self._exports[sha256] = exports

    def take_all(self, prepared: Prepared, descriptors: dict[str, int]) -> None:
        """`descriptors`: by the path of the component's file."""
        for file, artifact in prepared.artifacts.items():
            self.take(artifact.component_sha256, artifact.exports, descriptors[file])

    def keep_only(self, hashes: set[str]) -> None:
        for sha256 in self._descriptors.keys() - hashes:
            os.close(self._descriptors.pop(sha256))
            del self._exports[sha256]

    def descriptor(self, sha256: str) -> int:
        return self._descriptors[sha256]

    def exports(self, sha256: str) -> dict[str, Any]:
        return self._exports[sha256]
