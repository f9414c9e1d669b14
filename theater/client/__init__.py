"""The Python API: start a system or join one that runs, talk to it, read its log.

with System.start("manifest.toml") as system:
    system.send("counter", b"hello")
    print(system.request("counter", b""))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theater.client.dead import DeadLetter, Report
    from theater.client.reader import LoggedEvent, LogReader
    from theater.client.system import System, data_directory
    from theater.client.turn import Turn
    from theater.deaths import Death

__all__ = [
    "DeadLetter",
    "Death",
    "LogReader",
    "LoggedEvent",
    "Report",
    "System",
    "Turn",
    "data_directory",
]

_HOMES = {
    "DeadLetter": "theater.client.dead",
    "Death": "theater.deaths",
    "LogReader": "theater.client.reader",
    "LoggedEvent": "theater.client.reader",
    "Report": "theater.client.dead",
    "System": "theater.client.system",
    "Turn": "theater.client.turn",
    "data_directory": "theater.client.system",
}


def __getattr__(name: str) -> Any:
    """What is asked for is imported then: most commands want one module of this package only."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value
