"""Commands whose words are taken as they are, where nothing is to be converted or checked.

typer hands every value to pydantic, whose import takes longer than most commands. With this a
command with flags, texts and paths alone never imports it; the others do as before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup


class QuickCommand(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return [_relieved(param) for param in super().get_params(ctx)]


class QuickGroup(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return [_relieved(param) for param in super().get_params(ctx)]


def _relieved(param: Any) -> Any:
    """No option of ours says what a path has to be: the commands do, in their own words."""
    if hasattr(param, "relieved"):
        return param
    process = param.process_value
    # Of a typer that has no such thing every value is converted as ever.
    kind = getattr(getattr(param, "type_descriptor", None), "annotation", None)

    def process_value(ctx: Any, value: Any) -> Any:
        found = _taken(param, kind, value)
        if found is _AS_EVER:
            return process(ctx, value)
        return found if param.callback is None else param.callback(ctx, param, found)

    param.process_value, param.relieved = process_value, True
    return param


_AS_EVER = object()


def _taken(param: Any, kind: Any, value: Any) -> Any:
    if value is None or value == ():
        many = param.multiple or param.nargs == -1
        return _AS_EVER if param.required else () if many else None
    if isinstance(value, str):
        return kind(value) if kind in (str, Path) else _AS_EVER
    if isinstance(value, tuple):
        return list(value) if kind == list[str] else _AS_EVER
    return value if kind in (int, float) and value is param.default else _AS_EVER
