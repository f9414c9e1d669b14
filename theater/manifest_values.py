"""What the values of a manifest may be: for each kind a check, and the same as a JSON schema.

Every check takes what TOML gave and returns what the program wants (bytes, seconds), or raises
ValueError saying what was found and what is allowed. The JSON schema is for editors
(`theater schema`): it accepts whatever the check accepts, and refuses what one can refuse that
knows a value by itself. Importing this module costs 0.1 s (pydantic), so `manifest.py` imports it
late.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic_core import CoreSchema, core_schema

from theater import sources
from theater.addresses import check_segment
from theater.manifest_files import StateFile
from theater.quantities import KIB, MIB, TIB, Quantity, duration, size
from theater.quantities import size_text as size_text
from theater.quoting import described, did_you_mean, quoted
from theater.spec import (
    AutoShutdown,
    Build,
    Durability,
    OnFull,
    OnRestart,
    Restart,
    Shutdown,
    ShutdownKind,
    Strategy,
)

# SQLite holds at most 10^9 bytes in a row, and a message travels with its event.
ROW_MAX = 512 * MIB
COUNT_MAX = 2**31 - 1
INSTANCES_MAX = 10_000  # that one pool begins with
FACTOR_MAX = 1000

T = TypeVar("T")
_SYSTEM_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_NO_NUL = r"^[^\x00]*$"
_URL = r"^[A-Za-z][A-Za-z0-9+.-]*://"


@dataclass(slots=True)
class Budget:
    """How many more errors are worth having. Of a million, each would keep its traceback."""

    errors: int


# Compared by identity: a schema is a dict, and what stands in a type has to have a hash.
@dataclass(frozen=True, slots=True, eq=False)
class Value(Generic[T]):
    """A kind of value. It stands in the type of a key, where pydantic finds the check."""

    check: Callable[[object], T]
    schema: dict[str, Any]
    note: str = ""  # how such a value is written, for people

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._check_within)

    def _check_within(self, value: object, info: core_schema.ValidationInfo[Budget]) -> object:
        """As `check`, while the budget of the validation lasts. After that nothing is wrong any
        more: what there is comes to errors anyway."""
        try:
            return self.check(value)
        except ValueError:
            if info.context.errors == 0:
                return value
            info.context.errors -= 1
            raise


def _of(quantity: Quantity[T]) -> Value[T]:
    return Value(quantity.check, quantity.schema, quantity.note)


def _size(minimum: int, maximum: int) -> Value[int]:
    return _of(size(minimum, maximum))


def _whole(minimum: int, maximum: int) -> Value[int]:
    def check(value: object) -> int:
        if type(value) is int and minimum <= value <= maximum:
            return value
        raise ValueError(
            f"found {described(value)}; must be a whole number from {minimum} to {maximum}"
        )

    return Value(check, {"type": "integer", "minimum": minimum, "maximum": maximum})


def _number(minimum: int, maximum: int) -> Value[float]:
    def check(value: object) -> float:
        # NaN compares false with everything.
        if (type(value) is int or type(value) is float) and minimum <= value <= maximum:
            return float(value)
        raise ValueError(f"found {described(value)}; must be a number from {minimum} to {maximum}")

    return Value(check, {"type": "number", "minimum": minimum, "maximum": maximum})


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"found {described(value)}; must be true or false")


def _duration(*, zero: bool = False, also: str = "") -> Value[float]:
    return _of(duration(zero=zero, also=also))


# What is also needed where one key is compared with another, or within another.
seconds = _duration()
_stopping = _duration(zero=True, also=', or "brutal_kill", "infinity"')
instances = _whole(0, INSTANCES_MAX)


def _shutdown(value: object) -> Shutdown:
    if value in ("brutal_kill", "infinity"):
        return Shutdown(ShutdownKind(value))
    if isinstance(value, float) and value == float("inf"):
        raise ValueError('found inf; write shutdown = "infinity"')
    if isinstance(value, str) and value[:1].isalpha():
        hint = did_you_mean(value, ("brutal_kill", "infinity"))
        raise ValueError(
            f'found {quoted(value)}{hint} must be seconds, "brutal_kill" or "infinity"'
        )
    return Shutdown(timeout_s=_stopping.check(value))


def _one_of(*words: str) -> Value[str]:
    allowed = ", ".join(words)

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"found {described(value)}; allowed: {allowed}")
        if value not in words:
            hint = did_you_mean(value, words)
            raise ValueError(f"found {quoted(value)}{hint} allowed: {allowed}")
        return value

    return Value(check, {"enum": list(map(str, words))})


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"found {described(value)}; must be a string")
    if "\0" in value:
        raise ValueError(f"found {quoted(value)}; cannot contain the character NUL")
    return value


def _env_name(value: object) -> str:
    name = _text(value)
    if not name or "=" in name:
        raise ValueError(f"{quoted(name)} cannot be a variable's name: it is empty or contains =")
    return name


def file_path(value: object) -> str:
    path = _text(value)
    if not path:
        raise ValueError('found ""; must be the path of a file, relative to this manifest')
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path):
        raise ValueError(f"found {quoted(path)}; must be the path of a file, not a URL")
    return path


def _system_name(value: object) -> str:
    name = _text(value)
    if not _SYSTEM_NAME.fullmatch(name) or len(name) > 64:
        raise ValueError(
            f"{quoted(name)} is not a name; a system's name is 1 to 64 characters of "
            "a-z, 0-9, _ and -, beginning with a-z or 0-9"
        )
    return name


def _child_name(value: object) -> str:
    name = _text(value)
    if problem := check_segment(name):
        raise ValueError(problem)
    return name


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError(f"found {quoted(text)}; base64 must be valid base64") from None


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"found {quoted(text)}; hex must be pairs of hex digits") from None


def _to_json(value: object) -> bytes:
    def refuse(what: object) -> object:
        if isinstance(what, datetime.date | datetime.time):
            raise ValueError(f"json holds {described(what)}; JSON has no dates, write a string")
        raise ValueError(f"json holds {described(what)}, which JSON cannot express")

    try:
        text = json.dumps(
            value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=refuse
        )
    except RecursionError:
        raise ValueError("json is nested too deeply") from None
    except ValueError as problem:
        if str(problem).startswith("Out of range float"):
            raise ValueError("json holds inf or nan, which JSON cannot express") from None
        if "integer string conversion" in str(problem):
            raise ValueError("json holds a number of too many digits") from None
        raise
    return text.encode()


def _state(value: object) -> bytes | StateFile:
    forms = "must be a string or one of { base64 = .. }, { hex = .. }, { file = .. }, { json = .. }"
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, dict):
        raise ValueError(f"found {described(value)}; {forms}")
    if len(value) != 1:
        raise ValueError(f"found a table with {len(value)} keys; {forms}")
    [(kind, content)] = value.items()
    if kind == "json":
        return _to_json(content)
    if kind not in ("base64", "hex", "file"):
        hint = did_you_mean(kind, ("base64", "hex", "file", "json"))
        raise ValueError(f"found a table with the key {quoted(kind)}{hint} {forms}")
    if not isinstance(content, str):
        raise ValueError(f"{kind}: found {described(content)}; must be a string")
    if kind == "file":
        return StateFile(file_path(content))
    return _from_base64(content) if kind == "base64" else _from_hex(content)


# JSON has these and no dates.
JSON: dict[str, Any] = {
    "type": ["string", "number", "boolean", "array", "object"],
    "items": {"$ref": "#/definitions/json"},
    "additionalProperties": {"$ref": "#/definitions/json"},
}

_TEXT_SCHEMA = {"type": "string", "pattern": _NO_NUL}
_FILE_SCHEMA = {**_TEXT_SCHEMA, "minLength": 1, "not": {"pattern": _URL}}
_STATE_TABLE = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "properties": {
        "json": {
            "description": "Any value, as JSON without blanks.",
            "allOf": [{"$ref": "#/definitions/json"}],
        },
        "file": {
            "description": "The content of a file, relative to the manifest.",
            **_FILE_SCHEMA,
        },
        "hex": {
            "description": "Bytes, as pairs of hex digits.",
            "type": "string",
            "pattern": r"^([0-9A-Fa-f]{2}|\s)*$",
        },
        "base64": {
            "description": "Bytes, in base64.",
            "type": "string",
            "pattern": r"^[A-Za-z0-9+/=\s]*$",
        },
    },
}
_STATE_NOTE = "Text, or one of { json = .. }, { file = .. }, { hex = .. }, { base64 = .. }."
_SHUTDOWN_SCHEMA = {"anyOf": [{"enum": ["brutal_kill", "infinity"]}, *_stopping.schema["anyOf"]]}
_SYSTEM_NAME_SCHEMA = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"}
_CHILD_NAME_SCHEMA = {"type": "string", "pattern": "^[a-z0-9_][a-z0-9_.-]*$", "maxLength": 255}

StrategyWord = Annotated[str, _one_of(*Strategy)]
AutoShutdownWord = Annotated[str, _one_of(*AutoShutdown)]
RestartWord = Annotated[str, _one_of(*Restart)]
OnRestartWord = Annotated[str, _one_of(*OnRestart)]
DurabilityWord = Annotated[str, _one_of(*Durability)]
OnFullWord = Annotated[str, _one_of(*OnFull)]
ShutdownValue = Annotated[
    Shutdown,
    Value(_shutdown, _SHUTDOWN_SCHEMA, f'{_stopping.note[:-1]}; or "brutal_kill", "infinity".'),
]
Seconds = Annotated[float, seconds]
SecondsOrNone = Annotated[float, _duration(zero=True)]
Factor = Annotated[float, _number(1, FACTOR_MAX)]
Part = Annotated[float, _number(0, 1)]
Flag = Annotated[bool, Value(_flag, {"type": "boolean"})]
Instances = Annotated[int, instances]
Memory = Annotated[int, _size(64 * KIB, TIB)]
Bytes = Annotated[int, _size(1, TIB)]
RowBytes = Annotated[int, _size(1, ROW_MAX)]
CompileMemory = Annotated[int, _size(MIB, TIB)]
Count = Annotated[int, _whole(1, COUNT_MAX)]
CountOrNone = Annotated[int, _whole(0, COUNT_MAX)]
Fuel = Annotated[int, _whole(1, 2**63 - 1)]
Text = Annotated[str, Value(_text, _TEXT_SCHEMA)]
EnvName = Annotated[str, Value(_env_name, {"type": "string", "pattern": r"^[^=\x00]+$"})]
BuildValue = Annotated[Build, Value(sources.read, sources.SCHEMA)]
FilePath = Annotated[str, Value(file_path, _FILE_SCHEMA)]
SystemName = Annotated[str, Value(_system_name, _SYSTEM_NAME_SCHEMA)]
ChildName = Annotated[str, Value(_child_name, _CHILD_NAME_SCHEMA)]
InitialState = Annotated[
    bytes | StateFile, Value(_state, {"anyOf": [{"type": "string"}, _STATE_TABLE]}, _STATE_NOTE)
]
