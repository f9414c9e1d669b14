"""Handlers: the host side of the interfaces that a manifest grants, one file each."""

from __future__ import annotations

from typing import Any, Protocol


class _Ask:
    """The answer is not here: the step ends, and the broker decides it."""


ASK = _Ask()


class Handler(Protocol):
    """Answers the calls of one interface. What changes anything is done when the step commits."""

    interface: str

    def call(self, function: str, arguments: list[Any]) -> Any:
        """A plain value, or ASK. Raises LookupError for a function it does not have."""

    def replayed(self, function: str, arguments: list[Any], answer: Any) -> None:
        """A call was answered from the record of its turn: what it did is done already."""
