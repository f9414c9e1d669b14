"""Handlers that somebody has written for this system, as an actor calls them.

    from theater_actor import Actor, handler

    llm = handler("demo:llm/chat")

    class Bot(Actor):
        def on_request(self, message, request):
            return llm.chat(message.text)

`handler` belongs at the top of a module: a component has its bindings only while it is built. A
function that answers Err raises `NotDone`; a record is made by its name, as in `llm.Message(...)`.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from theater_actor import calls
from theater_actor.calls import NotDone


def handler(interface: str) -> Any:
    """What provides this interface: `demo:llm/chat`. The manifest grants it."""
    return _Handler(interface, _bindings(interface))


class _Handler:
    def __init__(self, interface: str, bindings: ModuleType | None) -> None:
        self._interface = interface
        self._bindings = bindings

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if self._bindings is None:
            return calls.host().provided(self._interface, name)
        found = getattr(self._bindings, name)
        return found if isinstance(found, type) or not callable(found) else _tried(found)

    def __repr__(self) -> str:
        return f"handler({self._interface!r})"


def _bindings(interface: str) -> ModuleType | None:
    """The module that componentize-py has made of it; None: this is no component, but a test."""
    try:
        importlib.import_module("wit_world")
    except ModuleNotFoundError:
        return None
    name = interface.rpartition("/")[2].replace("-", "_")
    try:
        return importlib.import_module(f"wit_world.imports.{name}")
    except ModuleNotFoundError:
        raise ImportError(
            f"{interface} is not in the world that this is built for: does the manifest grant its"
            " handler to this actor?"
        ) from None


def _tried(function: Any) -> Any:
    err = sys.modules["componentize_py_types"].Err

    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except err as error:
            raise NotDone(error.value) from None

    return call
