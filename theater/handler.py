"""Write a handler of your own: a class, its methods with type hints, and what they change.

    import urllib.request
    from theater.handler import Result, read

    class Pages:
        interface = "demo:web/pages"
        base: str  # a setting: `base = "https://example.org/"` in the manifest

        @read(timeout_s=5)
        def fetch(self, path: str) -> Result[bytes]:
            with urllib.request.urlopen(self.base + path) as response:
                return response.read()

In a manifest: `[[child.handler]]` with `type = "handlers.py:Pages"`. docs/handlers.md has the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, NewType, TypeVar, overload

__all__ = [
    "F32",
    "S8",
    "S16",
    "S32",
    "U8",
    "U16",
    "U32",
    "U64",
    "Failed",
    "Key",
    "Result",
    "read",
    "world",
]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

TIMEOUT_S = 20.0  # of a call that says nothing; a turn has 30 s if its manifest says nothing
DECLARED = "__theater__"  # the attribute of a function that is declared


class Failed(Exception):
    """Raise it to answer Err: the guest gets `failed: ` and this text."""


# The name of a call of a function that changes something. A parameter with this hint is no
# parameter of the WIT function: Theater fills it in, with the same key if the call is done again.
Key = NewType("Key", str)


@dataclass(frozen=True, slots=True)
class Mark:
    """What a hint says beside its Python type."""

    wit: str


RESULT = Mark("result")
# `-> Result[str]`: return the string, or raise. In WIT: result<string, string>.
Result = Annotated[T, RESULT]

U8 = Annotated[int, Mark("u8")]
U16 = Annotated[int, Mark("u16")]
U32 = Annotated[int, Mark("u32")]
U64 = Annotated[int, Mark("u64")]
S8 = Annotated[int, Mark("s8")]
S16 = Annotated[int, Mark("s16")]
S32 = Annotated[int, Mark("s32")]  # int alone is s64
F32 = Annotated[float, Mark("f32")]  # float alone is f64


class Effect(StrEnum):
    """What a function does to the world, and what becomes of one that was interrupted."""

    READ = "read"  # nothing: it is answered at once, and the answer recorded
    ERROR = "error"  # something, and it may not be repeated: the guest is told that nobody knows
    AGAIN = "again"  # something, and it is done once more, with the same key


@dataclass(frozen=True, slots=True)
class Declared:
    """What is said of a function with `read` or `world`; this is so if nothing is."""

    effect: Effect = Effect.ERROR
    timeout_s: float = TIMEOUT_S


@overload
def read(function: F, /) -> F: ...
@overload
def read(*, timeout_s: float = TIMEOUT_S) -> Callable[[F], F]: ...
def read(function: F | None = None, /, *, timeout_s: float = TIMEOUT_S) -> Any:
    """It changes nothing. Its answer is recorded; if the worker dies before that, it is called
    again."""
    return _declare(function, Declared(Effect.READ, timeout_s))


@overload
def world(function: F, /) -> F: ...
@overload
def world(*, interrupted: str = "error", timeout_s: float = TIMEOUT_S) -> Callable[[F], F]: ...
def world(
    function: F | None = None, /, *, interrupted: str = "error", timeout_s: float = TIMEOUT_S
) -> Any:
    """It changes something outside: it is called when that it will be is committed.

    `interrupted`: the worker has died, and nobody knows whether it was done. `error`: the guest is
    told so. `again`: it is done once more; take a `Key`, by which the other side can tell.
    """
    if interrupted not in (Effect.ERROR, Effect.AGAIN):
        raise ValueError(f'interrupted={interrupted!r} is neither "error" nor "again"')
    return _declare(function, Declared(Effect(interrupted), timeout_s))


def _declare(function: F | None, declared: Declared) -> Any:
    time = declared.timeout_s
    if isinstance(time, bool) or not isinstance(time, int | float) or not 0 < time <= 86_400:
        raise ValueError(f"timeout_s={time!r} is not a number of seconds, from above 0 to 86400")

    def declare(function: F) -> F:
        setattr(function, DECLARED, declared)
        return function

    return declare if function is None else declare(function)
