"""wasi:io: errors, pollables and streams. Every stream is stdin, at its end, or a line writer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from theater.worker.wasi.resources import Interfaces, ResourceTable

NS = 1_000_000_000
WRITE_MAX = 64 * 1024  # bytes one write may have: what check-write answers
LINE_MAX = 64 * 1024  # bytes; a longer line is cut into several

CLOSED = {"err": "closed"}


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


@dataclass(frozen=True, slots=True)
class Timer:
    """A pollable that is ready from a moment on."""

    at_ns: int  # of the monotonic clock


@dataclass(frozen=True, slots=True)
class Ready:
    """A pollable that is always ready."""


class Io:
    def __init__(
        self,
        resources: ResourceTable,
        monotonic_ns: Callable[[], int],
        sleep_s: Callable[[float], None],
    ) -> None:
        self._resources = resources
        self._monotonic_ns = monotonic_ns
        self._sleep_s = sleep_s

    def interfaces(self) -> Interfaces:
        read = self._read
        write = self._write
        return {
            "wasi:io/error": {"[method]error.to-debug-string": self._error_text},
            "wasi:io/poll": {
                "poll": self.poll,
                "[method]pollable.ready": self._is_ready,
                "[method]pollable.block": self._block,
            },
            "wasi:io/streams": {
                "[method]input-stream.read": read,
                "[method]input-stream.blocking-read": read,
                "[method]input-stream.skip": read,
                "[method]input-stream.blocking-skip": read,
                "[method]input-stream.subscribe": self.new_ready,
                "[method]output-stream.check-write": self._check_write,
                "[method]output-stream.write": write,
                "[method]output-stream.blocking-write-and-flush": write,
                "[method]output-stream.flush": self._flush,
                "[method]output-stream.blocking-flush": self._flush,
                "[method]output-stream.subscribe": self.new_ready,
                "[method]output-stream.write-zeroes": self._write_zeroes,
                "[method]output-stream.blocking-write-zeroes-and-flush": self._write_zeroes,
                "[method]output-stream.splice": self._splice,
                "[method]output-stream.blocking-splice": self._splice,
            },
        }

    def new_timer(self, at_ns: int) -> int:
        """A pollable that is ready when the monotonic clock has reached `at_ns`."""
        return self._resources.add(Timer(at_ns))

    def new_ready(self, _of: int = 0) -> int:
        """A pollable that is ready at once: nothing here ever has to be waited for."""
        return self._resources.add(Ready())

    def poll(self, pollables: list[int]) -> list[int]:
        """The indexes of those that are ready; sleeps until there is one."""
        if not pollables:
            raise ValueError("poll was given no pollables, so it would wait for ever")
        while True:
            now_ns = self._monotonic_ns()
            waits_ns = [self._wait_ns(rep, now_ns) for rep in pollables]
            ready = [index for index, wait_ns in enumerate(waits_ns) if wait_ns <= 0]
            if ready:
                return ready
            self._sleep_s(min(waits_ns) / NS)

    def _wait_ns(self, rep: int, now_ns: int) -> int:
        pollable = self._resources.get(rep)
        # One that is not known was handed out by an incarnation before: it is ready, so that
        # the guest goes on to the stream behind it and meets the error there.
        return pollable.at_ns - now_ns if isinstance(pollable, Timer) else 0

    def _is_ready(self, rep: int) -> bool:
        return self._wait_ns(rep, self._monotonic_ns()) <= 0

    def _block(self, rep: int) -> None:
        self.poll([rep])

    def _error_text(self, rep: int) -> str:
        return str(self._resources.get(rep) or "the cause is not known any more")

    def _gone(self) -> dict[str, Any]:
        error = self._resources.add("the stream was opened before a crash and is gone")
        return {"err": {"last-operation-failed": error}}

    def _read(self, rep: int, _count: int) -> dict[str, Any]:
        return CLOSED if isinstance(self._resources.get(rep), EmptyInput) else self._gone()

    def _writer(self, rep: int) -> LineWriter | None:
        stream = self._resources.get(rep)
        return stream if isinstance(stream, LineWriter) else None

    def _check_write(self, rep: int) -> dict[str, Any]:
        return {"ok": WRITE_MAX} if self._writer(rep) else self._gone()

    def _write(self, rep: int, data: bytes) -> dict[str, Any]:
        writer = self._writer(rep)
        if writer is None:
            return self._gone()
        writer.write(data)
        return {"ok": None}

    def _write_zeroes(self, rep: int, count: int) -> dict[str, Any]:
        if count > WRITE_MAX:
            raise ValueError(f"{count} zeroes in one write; check-write allows {WRITE_MAX}")
        return self._write(rep, bytes(count))

    def _flush(self, rep: int) -> dict[str, Any]:
        # Lines go out when they are whole; half a line waits for the end of the turn.
        return {"ok": None} if self._writer(rep) else self._gone()

    def _splice(self, rep: int, source: int, count: int) -> dict[str, Any]:
        return self._read(source, count) if self._writer(rep) else self._gone()
