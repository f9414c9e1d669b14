"""Test actors: a class in-process (`InProcess`), a running system (`Running`), recorded runs.

The last two as pytest knows them, see `plugin`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theater.testing.inprocess import InProcess
    from theater.testing.running import Running

__all__ = ["InProcess", "Running"]


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: pytest imports `plugin` wherever Theater is installed."""
    if name == "InProcess":
        from theater.testing.inprocess import InProcess

        return InProcess
    if name == "Running":
        from theater.testing.running import Running

        return Running
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
