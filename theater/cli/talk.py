"""`theater send` and `theater request`: a message for an actor, and its answer."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from theater.cli.place import Place, Usage, meant
from theater.cli.terminal import Terminal
from theater.errors import NotDelivered, TheaterError
from theater.values import pack_text, visible

if TYPE_CHECKING:
    from theater.client import System


def body(message: str | None, file: Path | None) -> bytes:
    """The bytes to send: the argument's own, a file's, or what stdin gives."""
    if (message is None) == (file is None):
        raise Usage("give either MESSAGE or --file FILE")
    if file is not None and str(file) != "-":
        try:
            return file.read_bytes()
        except OSError as error:
            raise TheaterError(f"{file}: {error.strerror}") from None
    if message == "-" or file is not None:
        return sys.stdin.buffer.read()
    return os.fsencode(message or "")


def send(terminal: Terminal, place: Place, actor: str, data: bytes) -> None:
    system = place.system()
    try:
        system.send(actor, data)
    except NotDelivered as error:
        raise _hinted(system, actor, error) from None
    finally:
        system.close()
    if terminal.err.is_terminal:
        terminal.note(f"sent to {actor}")


def request(terminal: Terminal, place: Place, actor: str, data: bytes, timeout_s: float) -> None:
    system = place.system()
    try:
        answer = system.request(actor, data, timeout_s)
    except NotDelivered as error:
        raise _hinted(system, actor, error) from None
    finally:
        system.close()
    if terminal.out.is_terminal:
        shown = pack_text(answer) or visible(answer.decode(errors="backslashreplace"), keep="\n\t")
        terminal.print(shown.removesuffix("\n"))
    else:
        terminal.write(answer)


def _hinted(system: System, actor: str, error: NotDelivered) -> NotDelivered:
    """Of an actor that is not there, which may have been meant; what became of what was asked."""
    if str(error).startswith("timeout: no answer from "):
        return NotDelivered(
            f"{error}; the request stays and is done, and nobody waits for its answer any more"
        )
    if not str(error).startswith("no-actor: "):
        return error
    known = [node["path"] for node in system.tree() if node["type"] == "actor"]
    return NotDelivered(f"{error}{meant(actor, known)}")
