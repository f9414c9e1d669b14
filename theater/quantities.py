"""Sizes and times as people write them in a manifest: `"64MiB"`, `"500ms"`. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic, TypeVar

from theater.quoting import described, quoted

KIB, MIB, GIB, TIB = 1024, 1024**2, 1024**3, 1024**4
# poll() counts milliseconds in 31 bits: 2,147,483 s is all it can wait.
SECONDS_MAX = 2_000_000

T = TypeVar("T")
_UNITS = {"B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": TIB}
_UNITS |= {"kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?) ?([A-Za-z]+)")
_SECONDS_IN = {"ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600)}


@dataclass(frozen=True, slots=True)
class Quantity(Generic[T]):
    """A kind of value. `check` makes a number of what TOML gave, or raises ValueError saying what
    was found and what is allowed."""

    check: Callable[[object], T]
    schema: dict[str, Any]  # of JSON, for editors
    note: str  # how such a value is written, for people


def size_text(size: int) -> str:
    """A size in the largest unit that divides it: 65536 -> "64KiB"."""
    for unit, factor in (("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B"


def size(minimum: int, maximum: int) -> Quantity[int]:
    """Bytes."""
    allowed = (
        f'must be a size from {size_text(minimum)} to {size_text(maximum)}, as bytes or "64MiB"'
    )

    def check(value: object) -> int:
        found: int | Fraction
        if type(value) is int:
            found = value
        elif isinstance(value, str) and (match := _SIZE.fullmatch(value)):
            number, unit = match.groups()
            if unit not in _UNITS:
                raise ValueError(f"found {quoted(value)}; a size ends in {', '.join(_UNITS)}")
            found = Fraction(number) * _UNITS[unit]
        else:
            raise ValueError(f"found {described(value)}; {allowed}")
        if found != int(found) or not minimum <= found <= maximum:
            raise ValueError(f"found {described(value)}; {allowed}")
        return int(found)

    units = "|".join(_UNITS)
    text = {"type": "string", "pattern": rf"^[0-9]{{1,18}}(\.[0-9]{{1,6}})? ?({units})$"}
    number = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return Quantity(check, {"anyOf": [number, text]}, 'Bytes, or a size with its unit: "64MiB".')


def duration(*, zero: bool = False, also: str = "") -> Quantity[float]:
    """Seconds. `zero`: or none at all; `also`: what else may stand there, for the message."""
    least = "from 0" if zero else "above 0,"
    allowed = f'must be {least} up to {SECONDS_MAX} seconds: a number, "500ms", "2s", "1m"{also}'

    def check(value: object) -> float:
        seconds: int | float | Fraction
        if isinstance(value, str):
            match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?(ms|s|m|h)", value)
            if match is None:
                raise ValueError(f"found {quoted(value)}; {allowed}")
            seconds = Fraction(match[1]) * _SECONDS_IN[match[2]]
        elif type(value) is int or type(value) is float:
            seconds = value
        else:
            raise ValueError(f"found {described(value)}; {allowed}")
        # NaN compares false with everything, so it ends up here too.
        if not (0 < seconds <= SECONDS_MAX or (zero and seconds == 0)):
            raise ValueError(f"found {described(value)}; {allowed}")
        return abs(float(seconds))

    least_key = "minimum" if zero else "exclusiveMinimum"
    digits = r"[0-9]{1,18}(\.[0-9]{1,9})?"
    if not zero:  # a digit that is none, before the point or after it
        digits = r"(0*[1-9][0-9]*(\.[0-9]{1,9})?|0+\.0*[1-9][0-9]*)"
    number = {"type": "number", least_key: 0, "maximum": SECONDS_MAX}
    text = {"type": "string", "pattern": rf"^{digits} ?(ms|s|m|h)$"}
    note = 'Seconds, or a duration with its unit: "500ms", "2s", "1m", "1h".'
    return Quantity(check, {"anyOf": [number, text]}, note)
