"""What a guest says: the lines that it writes to stdout and stderr, and calls that do nothing else.

Every other stream is none of this: what is written to it is a call like any.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from theater import calls, difference
from theater.events import Event, EventType
from theater.wasi import STDERR, STDOUT, STREAMS, WRITES, only_says
from theater.worker.wasi.io import WRITE_MAX
from theater.worker.wasi.streams import LineWriter

# Numbers for the pollables of what is said: none that a record has handed out.
_FIRST = 0x4000_0000
ALIGNED_MAX = 500  # lines of a turn, but for those that are the same before and after, put in order


@dataclass(frozen=True, slots=True)
class Said:
    """The answer of a call that only said something."""

    answer: Any


class Output:
    """`on_line` gets the stream's name, or `log`, and a whole line."""

    def __init__(self, on_line: Callable[[str, str], None]) -> None:
        self._on_line = on_line
        stdout = LineWriter(lambda line: on_line("stdout", line))
        stderr = LineWriter(lambda line: on_line("stderr", line))
        self._named = {"stdout": stdout, "stderr": stderr}
        self._writers = {STDOUT: stdout, STDERR: stderr}
        self._next = _FIRST
        self._pollables: set[int] = set()  # of the two

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

    def said(self, interface: str, function: str, args: list[Any]) -> Said | None:
        """Answer a call that does nothing but say something; None: it does more."""
        if not self._only_says(interface, function, args):
            return None
        match function.removeprefix("[method]output-stream."):
            case "log":
                self._on_line("log", args[0])
            case "get-stdout":
                return Said(STDOUT)
            case "get-stderr":
                return Said(STDERR)
            case "poll":
                return Said(list(range(len(args[0]))))
            case "[method]pollable.ready":
                return Said(True)
            case "check-write":
                return Said({"ok": WRITE_MAX})
            case "subscribe":
                self._next += 1
                self._pollables.add(self._next)
                return Said(self._next)
            case "flush" | "blocking-flush":
                return Said({"ok": None})
            case _ if function in WRITES:
                self._write(args)
                return Said({"ok": None})
        return Said(None)

    def recorded(self, event: Event) -> bool:
        """Whether an event of the record only says something, and so need not come again."""
        if event.type != EventType.HOST_CALL:
            return event.type == EventType.LOG
        args = event.payload[0]
        if not self._only_says(event.interface, event.function, args):
            return False
        if event.function.endswith(".subscribe"):
            self._pollables.add(event.payload[1])
        elif event.function in ("get-stdout", "get-stderr"):
            self.answered(event.interface, event.function, args, event.payload[1])
        return True

    def _only_says(self, interface: str, function: str, args: list[Any]) -> bool:
        if interface == calls.RUNTIME:
            return function == "log"
        if interface == "wasi:io/poll":
            of = args[0] if function == "poll" else args
            return bool(of) and all(rep in self._pollables for rep in of)
        return only_says(interface, function, args, self._writers)

    def _write(self, args: list[Any]) -> None:
        writer = self._writers.get(args[0])
        if writer is not None:
            data = args[1]
            writer.write(data if isinstance(data, bytes) else bytes(min(data, WRITE_MAX)))


def told_apart(recorded: Sequence[str], lines: Sequence[str]) -> list[str]:
    """The lines that are not as they were: with a minus those that are missing, with a plus those
    that are new."""
    same = difference.common(recorded, lines)
    before, after = recorded[same:], lines[same:]
    same = difference.common(before[::-1], after[::-1])
    before, after = before[: len(before) - same], after[: len(after) - same]
    if max(len(before), len(after)) > ALIGNED_MAX:  # to align them would take for ever
        return _counted_apart(before, after)
    found = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag != "equal":
            found += [f"-{line}" for line in before[a:b]]
            found += [f"+{line}" for line in after[c:d]]
    return found


def _counted_apart(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Those that the other side has not, or not as often, wherever they stand; if there are none,
    all of them: it is their order that differs."""
    missing, new = Counter(before) - Counter(after), Counter(after) - Counter(before)
    if not missing and not new:
        missing, new = Counter(before), Counter(after)
    return [*(f"-{line}" for line in _chosen(before, missing)),
            *(f"+{line}" for line in _chosen(after, new))]  # fmt: skip


def _chosen(lines: Sequence[str], count: Counter[str]) -> Iterator[str]:
    """As many of each as `count` says, the first ones."""
    for line in lines:
        if count[line] > 0:
            count[line] -= 1
            yield line
