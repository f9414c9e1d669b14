"""wasi:io: errors, pollables and streams. What a stream ends in is in `streams`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from theater.worker.wasi.errors import code_of
from theater.worker.wasi.resources import Change, Interfaces, ResourceTable
from theater.worker.wasi.streams import EmptyInput, FileInput, FileOutput, LineWriter, StreamError

NS = 1_000_000_000
READ_MAX = 256 * 1024  # bytes of one answer, which is recorded
WRITE_MAX = 64 * 1024  # bytes one write may have: what check-write answers
SLEEP_MAX_S = 3600.0  # at once: no operating system sleeps for centuries

CLOSED = {"err": "closed"}
OK: dict[str, Any] = {"ok": None}


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
        return {
            "wasi:io/error": {"[method]error.to-debug-string": self._error_text},
            "wasi:io/poll": {
                "poll": self.poll,
                "[method]pollable.ready": self._is_ready,
                "[method]pollable.block": self._block,
            },
            "wasi:io/streams": {
                "[method]input-stream.read": self._read,
                "[method]input-stream.blocking-read": self._read,
                "[method]input-stream.skip": self._skip,
                "[method]input-stream.blocking-skip": self._skip,
                "[method]input-stream.subscribe": self.new_ready,
                "[method]output-stream.check-write": self._check_write,
                "[method]output-stream.write": self._write,
                "[method]output-stream.blocking-write-and-flush": self._write,
                "[method]output-stream.flush": self._flush,
                "[method]output-stream.blocking-flush": self._flush,
                "[method]output-stream.subscribe": self.new_ready,
                "[method]output-stream.write-zeroes": self._write_zeroes,
                "[method]output-stream.blocking-write-zeroes-and-flush": self._write_zeroes,
                "[method]output-stream.splice": self._splice,
                "[method]output-stream.blocking-splice": self._splice,
            },
        }

    # Pollables

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
            self._sleep_s(min(min(waits_ns) / NS, SLEEP_MAX_S))

    def _wait_ns(self, rep: int, now_ns: int) -> int:
        pollable = self._resources.get(rep)
        # One that is not known was handed out by an incarnation before: it is ready, so that
        # the guest goes on to the stream behind it and meets the error there.
        return pollable.at_ns - now_ns if isinstance(pollable, Timer) else 0

    def _is_ready(self, rep: int) -> bool:
        return self._wait_ns(rep, self._monotonic_ns()) <= 0

    def _block(self, rep: int) -> None:
        self.poll([rep])

    # Errors

    def _error_text(self, rep: int) -> str:
        error = self._resources.get(rep)
        return error.text if isinstance(error, StreamError) else "the cause is not known any more"

    def failed(self, text: str, code: str | None = None) -> dict[str, Any]:
        """The answer of an operation on a stream that failed."""
        error = self._resources.add(StreamError(text, code))
        return {"err": {"last-operation-failed": error}}

    def _failed_by(self, error: OSError) -> dict[str, Any]:
        return self.failed(error.strerror or "it failed", code_of(error))

    def _gone(self) -> dict[str, Any]:
        return self.failed("the stream was opened before a crash and is gone")

    # Input

    def _input(self, rep: int) -> EmptyInput | FileInput | None:
        stream = self._resources.get(rep)
        return stream if isinstance(stream, EmptyInput | FileInput) else None

    def _read(self, rep: int, count: int) -> dict[str, Any]:
        stream = self._input(rep)
        if stream is None:
            return self._gone()
        try:
            data = stream.read(min(count, READ_MAX))
        except OSError as error:
            return self._failed_by(error)
        at_end = not data and (count > 0 or isinstance(stream, EmptyInput))
        return CLOSED if at_end else {"ok": data}

    def _skip(self, rep: int, count: int) -> dict[str, Any]:
        stream = self._input(rep)
        if stream is None:
            return self._gone()
        try:
            skipped = stream.skip(count)
        except OSError as error:
            return self._failed_by(error)
        at_end = not skipped and (count > 0 or isinstance(stream, EmptyInput))
        return CLOSED if at_end else {"ok": skipped}

    # Output. What goes into a file is a world call.

    def is_lines(self, rep: int) -> bool:
        """Whether this is stdout or stderr, to which a write changes nothing outside."""
        return isinstance(self._resources.get(rep), LineWriter)

    def _output(self, rep: int) -> LineWriter | FileOutput | None:
        stream = self._resources.get(rep)
        return stream if isinstance(stream, LineWriter | FileOutput) else None

    def _check_write(self, rep: int) -> dict[str, Any]:
        return {"ok": WRITE_MAX} if self._output(rep) else self._gone()

    def _flush(self, rep: int) -> dict[str, Any]:
        # Lines go out when they are whole; half a line waits for the end of the turn. What was
        # written into a file is there.
        return OK if self._output(rep) else self._gone()

    def _write(self, rep: int, data: bytes) -> dict[str, Any] | Change[dict[str, Any]]:
        stream = self._output(rep)
        if isinstance(stream, LineWriter):
            stream.write(data)
            return OK
        return self._gone() if stream is None else self._write_file(stream, data)

    def _write_file(self, stream: FileOutput, data: bytes) -> Change[dict[str, Any]]:
        yield
        try:
            stream.write(data)
        except OSError as error:
            return self._failed_by(error)
        return OK

    def _write_zeroes(self, rep: int, count: int) -> dict[str, Any] | Change[dict[str, Any]]:
        if count > WRITE_MAX:
            raise ValueError(f"{count} zeroes in one write; check-write allows {WRITE_MAX}")
        return self._write(rep, bytes(count))

    def _splice(self, rep: int, source_rep: int, count: int) -> Change[dict[str, Any]]:
        stream, source = self._output(rep), self._input(source_rep)
        if stream is None or source is None:
            return self._gone()
        if isinstance(source, EmptyInput):
            return CLOSED
        if isinstance(stream, LineWriter):
            # What becomes a line has to be in the record, where it is an argument of a write.
            return self.failed("a file cannot be spliced into stdout or stderr; read, and write")
        yield
        try:
            data = source.read(min(count, WRITE_MAX))
            stream.write(data)
        except OSError as error:
            return self._failed_by(error)
        return {"ok": len(data)} if data or not count else CLOSED
