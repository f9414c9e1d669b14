"""Handlers: the host side of the interfaces that a manifest grants, one file each."""

from __future__ import annotations

from typing import Any


class _Later:
    """The answer is not here yet."""


ASK = _Later()  # the step ends, and the broker decides the answer
WORLD = _Later()  # the step ends, and `perform` has the answer once that is committed


class Handler:
    """Answers the calls of one interface. What changes anything is done when the step commits."""

    interface: str

    def call(self, function: str, arguments: list[Any]) -> Any:
        """A plain value, ASK or WORLD. Raises LookupError for a function it does not have."""
        raise LookupError(function)

    def replayed(self, function: str, arguments: list[Any], answer: Any) -> None:
        """A call was answered from the record of its turn: what it did is done already."""

    def perform(self, function: str, arguments: list[Any], key: str) -> Any:
        """Do a world call, and answer it. That it is to be done is committed.

        `key` names this call for ever. A function that is declared `again` gets the same one if
        it is done once more because nobody knows whether it was done: whoever it is given to can
        tell by it that this is no second call.
        """
        raise LookupError(function)

    def interrupted(self, function: str, arguments: list[Any]) -> Any:
        """The answer of a world call declared `error` of which nobody knows whether it was done."""
        return {"err": "interrupted: outcome unknown"}
