"""The black boxes of dead workers: read once, and deleted when what they told is committed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from theater.broker.actors import Actor
from theater.broker.burial import BOX_MAX
from theater.paths import box_name


class Boxes:
    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._done: list[str] = []  # deleted with the next commit

    def read(self, actor: Actor) -> bytes:
        """The box of an actor's last incarnation: a file that anybody may have written."""
        try:
            with open(self._path(actor), "rb") as file:
                return file.read(BOX_MAX)
        except OSError:
            return b""

    def done(self, actor: Actor) -> None:
        self._done.append(self._path(actor))

    def all_done(self, but: Iterable[Actor]) -> None:
        """Nobody will ask for those that are here now, but for these actors'."""
        kept = {self._path(actor) for actor in but}
        there = (os.path.join(self._directory, name) for name in os.listdir(self._directory))
        self._done += (path for path in there if path not in kept)

    def committed(self) -> None:
        for path in self._done:
            with contextlib.suppress(OSError):  # what is judged twice is found to have been judged
                os.unlink(path)
        self._done.clear()

    def _path(self, actor: Actor) -> str:
        return os.path.join(self._directory, box_name(actor.name, actor.incarnation))
