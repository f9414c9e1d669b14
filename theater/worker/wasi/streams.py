"""What streams of wasi:io end in: lines of the log, files, bodies of HTTP, nothing."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from theater.worker.wasi.resources import Held

LINE_MAX = 64 * 1024  # bytes; a longer line is cut into several


class LineWriter:
    """An output stream that hands over whole lines as text, without their newline."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = bytearray()

    def write(self, data: bytes) -> None:
        self._rest += data
        if b"\n" in data:
            *lines, rest = self._rest.split(b"\n")
            self._rest = rest
            for line in lines:
                self._emit(line.removesuffix(b"\r"))
        while len(self._rest) > LINE_MAX:
            piece = self._rest[:LINE_MAX]
            del self._rest[:LINE_MAX]
            self._emit(piece)

    def flush(self) -> None:
        """Hand over an unfinished line, if there is one."""
        if self._rest:
            rest, self._rest = self._rest, bytearray()
            self._emit(rest)

    def forget(self) -> None:
        self._rest.clear()

    def _emit(self, line: bytes | bytearray) -> None:
        for start in range(0, len(line) or 1, LINE_MAX):
            self._on_line(line[start : start + LINE_MAX].decode(errors="replace"))


class EmptyInput:
    """An input stream at its end."""

    def read(self, _count: int) -> bytes:
        return b""

    def skip(self, _count: int) -> int:
        return 0


@dataclass(slots=True)
class FileInput(Held):
    """An input stream from a file, at a place of its own. Its calls raise OSError."""

    fd: int
    position: int

    def read(self, count: int) -> bytes:
        """At the end of the file: nothing."""
        data = os.pread(self.fd, count, self.position)
        self.position += len(data)
        return data

    def skip(self, count: int) -> int:
        left = max(0, os.fstat(self.fd).st_size - self.position)
        self.position += min(count, left)
        return min(count, left)

    def close(self) -> None:
        os.close(self.fd)


@dataclass(slots=True)
class FileOutput(Held):
    """An output stream into a file. Its calls raise OSError."""

    fd: int
    position: int | None  # None: at the end of the file, wherever that is

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            if self.position is None:
                count = os.write(self.fd, left)
            else:
                count = os.pwrite(self.fd, left, self.position)
                self.position += count
            left = left[count:]

    def close(self) -> None:
        os.close(self.fd)


class BodyTooLarge(Exception):
    """More was written than a body may have."""


@dataclass(slots=True)
class BodyOutput:
    """An output stream into the body of a request, which is sent when it is whole."""

    content: bytearray
    size_max: int
    is_closed: bool = False

    def write(self, data: bytes) -> None:
        """Raises BodyTooLarge."""
        if len(self.content) + len(data) > self.size_max:
            self.is_closed = True
            raise BodyTooLarge(f"a body may have {self.size_max} bytes (max_request)")
        self.content += data


@dataclass(slots=True)
class BodyInput(Held):
    """An input stream from the body of a response. One read ends where a piece of it does: so what
    is recorded of it is mostly a content that the log has already, with the response."""

    pieces: deque[bytes]
    position: int = 0  # in the first piece

    def read(self, count: int) -> bytes:
        """At the end: nothing."""
        if not self.pieces:
            return b""
        data = self.pieces[0][self.position : self.position + count]
        self._go_on(len(data))
        return data

    def skip(self, count: int) -> int:
        left = count
        while left and self.pieces:
            step = min(left, len(self.pieces[0]) - self.position)
            self._go_on(step)
            left -= step
        return count - left

    def _go_on(self, count: int) -> None:
        self.position += count
        if self.position == len(self.pieces[0]):
            self.pieces.popleft()
            self.position = 0

    def close(self) -> None:
        self.pieces.clear()


@dataclass(frozen=True, slots=True)
class StreamError:
    """An `error` of wasi:io. `code`: what wasi:filesystem calls it, if it comes from a file.
    `http`: what wasi:http calls it, if it comes from a body."""

    text: str
    code: str | None = None
    http: Any = None
