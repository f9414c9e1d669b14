"""Test actors: a class in-process (`InProcess`), recorded runs as tests (`plugin`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theater.testing.inprocess import InProcess

__all__ = ["InProcess"]


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: pytest imports `plugin` wherever Theater is installed."""
    if name == "InProcess":
        from theater.testing.inprocess import InProcess

        return InProcess
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
