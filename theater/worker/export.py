"""Call an actor's export: what it returns, and whether that may become its state and its answer."""

from __future__ import annotations

from typing import Any

from theater.calls import CALL, answer_bytes, kind_of, refusal
from theater.worker.failure import GuestFailure
from theater.worker.guest import Guest


def call_export(
    instance: Guest, interface: str, function: str, arguments: list[Any], fuel: int
) -> tuple[dict[str, Any], int]:
    """(its result, the fuel it burned). An actor without the export cannot take the message; who
    has called it, when it still had it, is told, and nothing has failed."""
    if (interface, function) not in instance.exports:
        text = f"does not export {interface}.{function}"
        if kind_of(interface, function) == CALL:
            return refusal(arguments[0], f"what runs now {text}"), 0
        return {"err": f"the component {text}"}, 0
    result, burned = instance.call(interface, function, arguments, fuel)
    return result, burned


def check_sizes(
    kind: str, returned: list[Any], fuel: int, message_max: int, state_max: int
) -> None:
    """Raise GuestFailure for a state or an answer that is too large. `kind`: of the input."""
    state = returned[0]
    for what, size, limit in (
        ("the new state", 0 if state is None else len(state), state_max),
        ("the answer", answer_bytes(kind, returned), message_max),
    ):
        if size > limit:
            raise GuestFailure("err", f"{what} has {size} bytes; the limit is {limit}", [], fuel)
