"""What a guest writes to stdout and stderr: its lines, and calls that only say more than was said.

Every other stream is none of this: what is written to it is a call like any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from theater.worker.wasi.io import WRITE_MAX, LineWriter
from theater.worker.wasi.provider import WRITES
from theater.worker.wasi.resources import STDERR, STDOUT

STREAMS = "wasi:io/streams"
# Numbers for what a call beyond the record is given: none that a record has handed out.
_FIRST = 0x4000_0000


@dataclass(frozen=True, slots=True)
class Extra:
    """The answer of a call that was not recorded."""

    answer: Any


class Output:
    """`on_line` gets the stream's name and a whole line."""

    def __init__(self, on_line: Callable[[str, str], None]) -> None:
        stdout = LineWriter(lambda line: on_line("stdout", line))
        stderr = LineWriter(lambda line: on_line("stderr", line))
        self._named = {"stdout": stdout, "stderr": stderr}
        self._writers = {STDOUT: stdout, STDERR: stderr}
        self._next = _FIRST

    def answered(self, interface: str, function: str, args: list[Any], answer: Any) -> None:
        """A call has this answer."""
        if interface == STREAMS:
            if function in WRITES and isinstance(answer, dict) and "ok" in answer:
                self._write(args)
        elif function in ("get-stdout", "get-stderr"):
            # Always the same two now; in older records as it came.
            self._writers[answer] = self._named[function.removeprefix("get-")]

    def flush(self) -> None:
        """Half a line is one at the end of a turn."""
        for writer in self._named.values():
            writer.flush()

    def extra(self, interface: str, function: str, args: list[Any]) -> Extra | None:
        """Answer a call that does nothing but write to one of the two; None: it does more."""
        match interface, function:
            case ("wasi:cli/stdout", "get-stdout"):
                return Extra(STDOUT)
            case ("wasi:cli/stderr", "get-stderr"):
                return Extra(STDERR)
            case ("wasi:cli/terminal-stdout" | "wasi:cli/terminal-stderr", _):
                return Extra(None)
            case ("wasi:io/poll", "poll"):
                ours = all(rep >= _FIRST for rep in args[0])
                return Extra(list(range(len(args[0])))) if ours else None
            case ("wasi:io/poll", "[method]pollable.ready" | "[method]pollable.block"):
                ready = True if function.endswith("ready") else None
                return Extra(ready) if args[0] >= _FIRST else None
        if interface != STREAMS or args[0] not in self._writers:
            return None
        match function.removeprefix("[method]output-stream."):
            case "check-write":
                return Extra({"ok": WRITE_MAX})
            case "subscribe":
                self._next += 1
                return Extra(self._next)
            case "flush" | "blocking-flush":
                return Extra({"ok": None})
        if function not in WRITES:
            return None
        self._write(args)
        return Extra({"ok": None})

    def _write(self, args: list[Any]) -> None:
        writer = self._writers.get(args[0])
        if writer is not None:
            data = args[1]
            writer.write(data if isinstance(data, bytes) else bytes(min(data, WRITE_MAX)))


def beyond(recorded: Iterable[str], lines: Iterable[str]) -> list[str]:
    """Those of `lines` that are more than was recorded, in their order."""
    left = Counter(recorded)
    found = []
    for line in lines:
        if left[line]:
            left[line] -= 1
        else:
            found.append(line)
    return found
