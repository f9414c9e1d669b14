"""How a guest ends before it has answered, read from what wasmtime says about it."""

from __future__ import annotations

import re
from typing import Literal

FailureKind = Literal["trap", "fuel", "exit", "memory", "err", "too-large", "diverged"]

# wasmtime's C API gives the trap code of a component call only as text.
_OUT_OF_FUEL = "wasm trap: all fuel consumed by WebAssembly"
_OVER_LIMIT = "exceeds memory limits"  # at instantiation: the smallest memory is too large
_TOO_MUCH_DATA = "fuel allocated for hostcalls has been exhausted"
# wasmtime charges 48 bytes for each item of a list that leaves the guest, of 128 MiB per call,
# and its C API cannot change that.
LISTS_OUT_MAX_ITEMS = (128 << 20) // 48
_BACKTRACE = "error while executing at wasm backtrace:"
_FRAME = re.compile(r"^\s*\d+:\s+0x[0-9a-f]+ - (.*)$")
_FRAMES_MAX = 64


class Abort(Exception):
    """Raised by a Host to end the instance; `Instance.call` raises the same object."""


class GuestFailure(Exception):
    """The guest could not finish: its own fault, or a limit of its manifest.

    kind "trap": also when a host function failed, then `__cause__` is its exception; "fuel": the
    turn's budget is used up; "memory": the limit on linear memory; "exit" and "err": for callers
    that turn a WASI exit, or an Err, into a failure. `backtrace` is innermost first; `fuel` is
    what was burnt.
    """

    def __init__(
        self, kind: FailureKind, message: str, backtrace: list[str] | None = None, fuel: int = 0
    ) -> None:
        self.kind: FailureKind = kind
        self.message = message
        self.backtrace = backtrace or []
        self.fuel = fuel
        super().__init__(message)


def check_callable(interface: str, function: str, is_running: bool, has_failed: bool) -> None:
    """That an instance can be called now. One that has failed is in nobody knows what state."""
    if is_running:
        raise RuntimeError(
            f"{interface}.{function} was called while the guest waits in a host function"
        )
    if has_failed:
        raise GuestFailure("trap", "the instance has failed before and cannot be called again")


def split_error(text: str) -> tuple[str, list[str]]:
    """What wasmtime says -> (the cause in one line, the wasm frames, innermost first).

    Function names come from the guest's own name section, so only the last "Caused by" counts.
    """
    head, _, tail = text.rpartition("\n\nCaused by:\n")
    if not head:
        head, tail = text, ""
    frames = [match[1] for line in head.splitlines() if (match := _FRAME.match(line))]
    cause = tail.strip() or "; ".join(
        line.strip() for line in head.splitlines() if line.strip() and not _FRAME.match(line)
    )
    cause = "; ".join(re.sub(r"^\d+: ", "", line.strip()) for line in cause.splitlines())
    if cause.endswith(_TOO_MUCH_DATA):
        cause = (
            f"handed out lists of more than {LISTS_OUT_MAX_ITEMS:,} items (bytes of a message or "
            "state) in one call, which is all that wasmtime lets through"
        )
    return cause.removeprefix("wasm trap: "), frames[:_FRAMES_MAX]


def is_trap(text: str) -> bool:
    """Whether guest code was running when wasmtime gave up (else the component cannot link)."""
    return text.startswith(_BACKTRACE) or "wasm trap: " in text


def stopped_by_code(text: str) -> bool:
    """Whether an instruction of the guest's trapped (else a rule of the component model did)."""
    return "wasm trap: " in text.rpartition("\n\nCaused by:\n")[2]


def kind_of(text: str, fuel_left: int) -> FailureKind:
    """Which failure wasmtime's text and the fuel that is left mean."""
    if fuel_left == 0 and text.rstrip().endswith(_OUT_OF_FUEL):
        return "fuel"
    if _OVER_LIMIT in text and not text.startswith(_BACKTRACE):
        return "memory"
    return "trap"
