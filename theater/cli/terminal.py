"""Where output goes and what it may look like: plain in a pipe, coloured on a terminal.

Text that an actor wrote comes in here as `values.visible` leaves it; nothing here escapes it,
except what is about to be written as a message or an error.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import TextIO

from theater.harmless import visible

DIM, BOLD, RED, YELLOW = "2", "1", "31", "33"
ACTOR_COLOURS = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")


class Stream:
    """stdout or stderr."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.is_terminal = file.isatty()
        # Whether the cursor can be moved, to write over what was written.
        self.movable = self.is_terminal and os.environ.get("TERM", "") not in ("", "dumb")
        self.colour = self.movable and not os.environ.get("NO_COLOR")

    def style(self, text: str, *codes: str) -> str:
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self.colour and codes and text else text

    def width(self) -> int | None:
        """Columns of the terminal; None in a pipe, where nothing is cut."""
        return shutil.get_terminal_size((80, 24)).columns if self.is_terminal else None


class Terminal:
    """stdout for results, stderr for messages; a line of progress that is written over."""

    def __init__(self) -> None:
        for file in (sys.stdout, sys.stderr):
            # What the terminal's encoding has no character for is shown by its number.
            file.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        self.out = Stream(sys.stdout)
        self.err = Stream(sys.stderr)
        self._progress = ""

    def print(self, line: str) -> None:
        """One line of a result. Not flushed: see `flush`."""
        self._clear()
        self.out.file.write(line + "\n")

    def write_text(self, part: str) -> None:
        """A part of a result, with its newlines."""
        self._clear()
        self.out.file.write(part)

    def write(self, data: bytes) -> None:
        """A result as it is."""
        self._clear()
        self.out.file.flush()
        self.out.file.buffer.write(data)
        self.out.file.buffer.flush()

    def flush(self) -> None:
        self.out.file.flush()

    def note(self, message: str, *codes: str) -> None:
        """A message to the person; what it repeats of others is escaped here."""
        self.say(self.err.style(visible(message, keep="\n"), *codes))

    def error(self, message: str) -> None:
        head = self.err.style("theater:", RED, BOLD)
        self.say(f"{head} {visible(message, keep=chr(10))}")

    def say(self, line: str) -> None:
        """A line on stderr that is laid out and harmless already."""
        self._clear()
        self.out.file.flush()
        self.err.file.write(line + "\n")
        self.err.file.flush()

    def progress(self, message: str, passing: bool = False) -> None:
        """What is being done. On a terminal the next message takes its place; elsewhere it is
        a line, unless it is `passing` or only counts on from the one before."""
        shown = visible(message)
        if self.err.colour:
            width = self.err.width() or 80
            self.err.file.write(f"\r\x1b[K{self.err.style(shown[: width - 1], DIM)}")
            self.err.file.flush()
        elif not passing and self._progress.split(" ... ")[0] != shown.split(" ... ")[0]:
            self.note(message)
        self._progress = shown

    def _clear(self) -> None:
        if self._progress and self.err.colour:
            self.err.file.write("\r\x1b[K")
            self.err.file.flush()
            self._progress = ""

    def close(self) -> None:
        """The end: what is still buffered may meet a closed pipe."""
        self._clear()
        self.out.file.flush()


def table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()
) -> list[str]:
    """Columns as wide as they have to be, two spaces apart; those in `right` aligned so."""
    widths = [max(len(cell) for cell in column) for column in zip(headers, *rows, strict=True)]
    lines = []
    for row in (headers, *rows):
        cells = (
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return lines
