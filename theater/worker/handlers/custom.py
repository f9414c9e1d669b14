"""A handler that an author has written: its class, imported in this worker, one object of it.

A method runs in a thread of its own (see `bench`), with the time that it says it may take. What it
raises is the guest's Err, if the function has one; else it ends the turn. A world call that was
late has an unknown outcome, like one that was interrupted: it may still be done.
"""

from __future__ import annotations

import dataclasses
import sys
import traceback
from typing import Any

from theater.custom import BadHandler, Method, Read, load, read
from theater.errors import TheaterError
from theater.handler import Effect, Failed
from theater.worker.handlers import WORLD, Handler
from theater.worker.handlers.bench import ABANDONED_MAX, Bench, Crowded, Late

TEXT_MAX = 4000  # characters of what a method has raised


class NotAnswered(TheaterError):
    """A function that cannot answer Err has failed: the turn ends with this."""


class Custom(Handler):
    """`facts`: of the `spec.Custom` that was read before the worker was born; `settings`: of the
    manifest. Making it imports the class; BadHandler."""

    def __init__(self, type: str, facts: dict[str, Any], settings: dict[str, Any]) -> None:
        self._kind: Any = load(facts["found"], facts["directory"])
        self._read = read(self._kind)
        if change := _change(facts, self._read):
            raise BadHandler(
                f"{facts['found']} is not what it was when the system read it: {change}; `theater"
                " reload` takes it as it is now"
            )
        self.interface = self._read.interface
        self._settings = _fitting(settings, self._read.settings)
        self._bench = Bench(f"th-{type}"[:15], self._make)
        try:
            self._bench.prepare()
        except BaseException as error:
            _tell(error)
            raise BadHandler(f"{facts['found']} cannot be made: {_said(error)}") from None

    def _make(self) -> Any:
        """A dataclass takes its settings as arguments; any other class finds them there."""
        kind: Any = self._kind
        if hasattr(kind, "__dataclass_fields__"):
            return kind(**self._settings)
        made: Any = kind.__new__(kind)
        for name, value in self._settings.items():
            setattr(made, name, value)
        made.__init__()
        return made

    def call(self, function: str, arguments: list[Any]) -> Any:
        method = self._read.methods.get(function)
        if method is None:
            raise LookupError(function)
        return self._run(method, arguments, "") if _is_read(method) else WORLD

    def perform(self, function: str, arguments: list[Any], key: str) -> Any:
        return self._run(self._read.methods[function], arguments, key)

    def _run(self, method: Method, arguments: list[Any], key: str) -> Any:
        """The plain value that the guest gets."""
        given = {
            name: each.take(value)
            for (name, each), value in zip(method.parameters.items(), arguments, strict=True)
        }
        if method.key is not None:
            given[method.key] = key
        limit_s = method.declared.timeout_s
        try:
            returned = self._bench.call(
                lambda made: _given(method, getattr(made, method.name)(**given)), limit_s
            )
        except Late:
            outcome = "" if _is_read(method) else "; its outcome is unknown"
            return self._failed(method, f"timeout: no answer within {limit_s:g} s{outcome}")
        except Crowded:
            raise NotAnswered(
                f"failed: {ABANDONED_MAX} calls that were late are still running in this worker"
            ) from None
        except Failed as error:
            return self._failed(method, f"failed: {_text(error)}")
        except BaseException as error:
            _tell(error)
            return self._failed(method, f"failed: {_said(error)}")
        return {"ok": returned} if method.is_result else returned

    def _failed(self, method: Method, text: str) -> dict[str, str]:
        if not method.is_result:
            raise NotAnswered(text)
        return {"err": text}


def _is_read(method: Method) -> bool:
    return method.declared.effect is Effect.READ


def _given(method: Method, returned: Any) -> Any:
    """What a method has returned, as a plain value. In its thread, so that it takes its time."""
    if method.result is not None:
        return method.result.give(returned)
    if returned is not None:
        raise TypeError(f"{method.name} returned something, and says that it returns None")
    return None


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {_text(error)}"[:TEXT_MAX]


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # it is a class of the author's
        text = "an error that cannot be shown"
    return text[:TEXT_MAX].encode(errors="backslashreplace").decode()


def _tell(error: BaseException) -> None:
    """Where it was raised goes to the internal log, where what the author's code prints goes."""
    sys.stderr.write("".join(traceback.format_exception(error)))
    sys.stderr.flush()


def _fitting(settings: dict[str, Any], kinds: dict[str, str]) -> dict[str, Any]:
    """TOML has whole numbers where a float is meant."""
    return {
        name: float(value) if kinds.get(name, "").startswith("float") else value
        for name, value in settings.items()
    }


def _change(facts: dict[str, Any], now: Read) -> str | None:
    """What the class says now and did not say then."""
    if facts["interface"] != now.interface:
        return f"its interface was {facts['interface']}"
    functions = {name: dataclasses.asdict(each) for name, each in now.functions().items()}
    for name in {**facts["functions"], **functions}:
        was, now_is = facts["functions"].get(name), functions.get(name)
        if was != now_is:
            return f"{name} was {_shown(was)} and is {_shown(now_is)}"
    return "it has other settings" if facts["settings"] != now.settings else None


def _shown(function: dict[str, Any] | None) -> str:
    if function is None:
        return "not there"
    return f"{function['type']} ({function['effect']}, {function['timeout_s']:g} s)"
