"""What root says to a worker by signals. Handlers only set flags: guest code may be running."""

from __future__ import annotations

import signal
from typing import Any

_is_asked_to_stop = False
_is_called = False


def install() -> None:
    """Take signals from now on: the zygote has kept root's waiting."""
    signal.signal(signal.SIGTERM, _on_stop)
    signal.signal(signal.SIGHUP, _on_call)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def is_asked_to_stop() -> bool:
    return _is_asked_to_stop


def was_called() -> bool:
    """Whether root has called since this was asked last: it has started another broker, which
    cannot speak to us before we have spoken to it."""
    global _is_called
    was, _is_called = _is_called, False
    return was


def _on_stop(_number: int, _frame: Any) -> None:
    global _is_asked_to_stop
    _is_asked_to_stop = True


def _on_call(_number: int, _frame: Any) -> None:
    global _is_called
    _is_called = True
