"""A thread where an author's code runs, beside the one that is in wasm: so that it can be late.

Nothing in Python ends a thread. One that is late is *abandoned*: whoever waited goes on without
it, while it goes on, unheard, until its call returns or the process ends. Its object is abandoned
with it, and the next call gets another, made anew in another thread. So an object is only ever used
by one thread, by one call at a time, and needs no lock.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

# Of abandoned calls that still run: each has a stack and an arena of its own in this process.
ABANDONED_MAX = 4


class Late(Exception):
    """The call has not returned in time. It goes on, and what comes of it nobody hears."""


class Crowded(Exception):
    """Too many abandoned calls still run."""


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Thread:
    """One thread and the object in it."""

    def __init__(self, name: str, make: Callable[[], Any]) -> None:
        self._make = make
        self._calls: queue.SimpleQueue[Callable[[Any], Any] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        made: Any = None
        is_made = False
        while (call := self._calls.get()) is not None:
            answer: Any
            try:
                if not is_made:
                    made, is_made = self._make(), True
                answer = call(made)
            except BaseException as error:  # also SystemExit: it is a call that has failed
                answer = _Failure(error)
            self._answers.put(answer)

    def call(self, function: Callable[[Any], Any], timeout_s: float | None) -> Any:
        """What it returns, or raises; Late."""
        self._calls.put(function)
        try:
            answer = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            self._calls.put(None)  # it ends when the call does
            raise Late from None
        if isinstance(answer, _Failure):
            raise answer.error
        return answer

    def is_alive(self) -> bool:
        return self._thread.is_alive()


class Bench:
    """`make` makes the object; it is called in the thread that uses it."""

    def __init__(self, name: str, make: Callable[[], Any]) -> None:
        self._name = name
        self._make = make
        self._thread: _Thread | None = None
        self._abandoned: list[_Thread] = []

    def prepare(self) -> None:
        """Make the object, and wait for that however long it takes. Raises what that raises."""
        self.call(lambda _made: None, None)

    def call(self, function: Callable[[Any], Any], timeout_s: float | None) -> Any:
        """Call it with the object. Raises what it raises; Late, or Crowded."""
        self._abandoned = [each for each in self._abandoned if each.is_alive()]
        if len(self._abandoned) >= ABANDONED_MAX:
            raise Crowded
        if self._thread is None:
            self._thread = _Thread(self._name, self._make)
        try:
            return self._thread.call(function, timeout_s)
        except Late:
            self._abandoned.append(self._thread)
            self._thread = None
            raise
