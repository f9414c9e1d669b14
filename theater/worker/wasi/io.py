"""wasi:io: errors, pollables and streams. What a stream ends in is in `streams`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from theater.wasi import SPLICES, WRITES
from theater.worker.wasi.errors import OK, code_of
from theater.worker.wasi.resources import Change, Interfaces, ResourceTable
from theater.worker.wasi.streams import (
    BodyInput,
    BodyOutput,
    BodyTooLarge,
    EmptyInput,
    FileInput,
    FileOutput,
    LineWriter,
    StreamError,
)

NS = 1_000_000_000
READ_MAX = 256 * 1024  # bytes of one answer, which is recorded
WRITE_MAX = 64 * 1024  # bytes one write may have: what check-write answers
SLEEP_MAX_S = 3600.0  # at once: no operating system sleeps for centuries
TAKES = SPLICES | {
    f"[method]input-stream.{name}" for name in ("read", "blocking-read", "skip", "blocking-skip")
}

CLOSED = {"err": "closed"}


@dataclass(frozen=True, slots=True)
class Timer:
    """A pollable that is ready from a moment on."""

    at_ns: int  # of the monotonic clock


@dataclass(frozen=True, slots=True)
class Ready:
    """A pollable that is always ready."""


class Expected:
    """Something that is not there by itself: it is made when the guest has nothing else to do."""

    def is_there(self) -> bool:
        raise NotImplementedError

    def can_be_made(self) -> bool:
        """Whether it will be there when it is asked for."""
        raise NotImplementedError

    def give_up(self) -> None:
        """The guest waits for this alone, and only the guest could bring it about."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Awaited:
    """A pollable of something expected."""

    of: Expected


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
        """The indexes of those that are ready; sleeps until there is one. What is made when it is
        asked for is ready when nothing else is."""
        if not pollables:
            raise ValueError("poll was given no pollables, so it would wait for ever")
        while True:
            now_ns = self._monotonic_ns()
            waits_ns = [self._wait_ns(rep, now_ns) for rep in pollables]
            ready = [index for index, wait_ns in enumerate(waits_ns) if wait_ns <= 0]
            if ready:
                return ready
            expected = [self._expected(rep) for rep in pollables]
            made = [index for index, each in enumerate(expected) if each and each.can_be_made()]
            if made:
                return made
            wait_ns = min(waits_ns)
            if wait_ns < math.inf:
                self._sleep_s(min(wait_ns / NS, SLEEP_MAX_S))
                continue
            for each in expected:
                if each is not None:
                    each.give_up()

    def _expected(self, rep: int) -> Expected | None:
        pollable = self._resources.get(rep)
        return pollable.of if isinstance(pollable, Awaited) else None

    def _wait_ns(self, rep: int, now_ns: int) -> float:
        pollable = self._resources.get(rep)
        if isinstance(pollable, Awaited):
            return 0 if pollable.of.is_there() else math.inf
        # One that is not known was handed out by an incarnation before: it is ready, so that
        # the guest goes on to the stream behind it and meets the error there.
        return pollable.at_ns - now_ns if isinstance(pollable, Timer) else 0

    def _is_ready(self, rep: int) -> bool:
        expected = self._expected(rep)
        can_be_made = expected is not None and expected.can_be_made()
        return can_be_made or self._wait_ns(rep, self._monotonic_ns()) <= 0

    def _block(self, rep: int) -> None:
        self.poll([rep])

    # Errors

    def _error_text(self, rep: int) -> str:
        error = self._resources.get(rep)
        return error.text if isinstance(error, StreamError) else "the cause is not known any more"

    def failed(self, text: str, code: str | None = None, http: Any = None) -> dict[str, Any]:
        """The answer of an operation on a stream that failed."""
        error = self._resources.add(StreamError(text, code, http))
        return {"err": {"last-operation-failed": error}}

    def _failed_by(self, error: OSError) -> dict[str, Any]:
        return self.failed(error.strerror or "it failed", code_of(error))

    def _gone(self) -> dict[str, Any]:
        return self.failed("the stream was opened before a crash and is gone")

    # Input

    def _input(self, rep: int) -> EmptyInput | FileInput | BodyInput | None:
        stream = self._resources.get(rep)
        return stream if isinstance(stream, EmptyInput | FileInput | BodyInput) else None

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

    def replayed(self, function: str, args: list[Any], answer: dict[str, Any]) -> None:
        """A call on a stream was answered from the record. What it did here is done again: half a
        line is still to be ended, a body to be sent, the rest of another one to be read."""
        stream = self._resources.get(args[0])
        if function in WRITES:
            if isinstance(stream, LineWriter | BodyOutput) and "ok" in answer:
                stream.write(args[1] if isinstance(args[1], bytes) else bytes(args[1]))
            elif isinstance(stream, BodyOutput):
                stream.is_closed = True
            return
        if function in SPLICES:
            stream = self._resources.get(args[1])
        if isinstance(stream, BodyInput) and "ok" in answer and function in TAKES:
            taken = answer["ok"]
            stream.skip(len(taken) if isinstance(taken, bytes) else taken)

    def _output(self, rep: int) -> LineWriter | FileOutput | BodyOutput | None:
        stream = self._resources.get(rep)
        return stream if isinstance(stream, LineWriter | FileOutput | BodyOutput) else None

    def _check_write(self, rep: int) -> dict[str, Any]:
        stream = self._output(rep)
        if isinstance(stream, BodyOutput) and stream.is_closed:
            return CLOSED
        return {"ok": WRITE_MAX} if stream else self._gone()

    def _flush(self, rep: int) -> dict[str, Any]:
        # Lines go out when they are whole; half a line waits for the end of the turn. What was
        # written into a file is there; a body is sent when it is whole.
        stream = self._output(rep)
        if isinstance(stream, BodyOutput) and stream.is_closed:
            return CLOSED
        return OK if stream else self._gone()

    def _write(self, rep: int, data: bytes) -> dict[str, Any] | Change[dict[str, Any]]:
        stream = self._output(rep)
        if isinstance(stream, LineWriter):
            stream.write(data)
            return OK
        if isinstance(stream, BodyOutput):
            return self._write_body(stream, data)
        return self._gone() if stream is None else self._write_file(stream, data)

    def _write_body(self, stream: BodyOutput, data: bytes) -> dict[str, Any]:
        if stream.is_closed:
            return CLOSED
        try:
            stream.write(data)
        except BodyTooLarge as error:
            return self.failed(str(error), http={"HTTP-request-body-size": stream.size_max})
        return OK

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
        if isinstance(stream, LineWriter | BodyOutput):
            # What is said has to be in the record, where it is an argument of a write.
            return self.failed("nothing can be spliced into this stream; read, and write")
        yield
        try:
            data = source.read(min(count, WRITE_MAX))
            stream.write(data)
        except OSError as error:
            return self._failed_by(error)
        return {"ok": len(data)} if data or not count else CLOSED
