"""Commands that do not have what was not given converted: it is None, and stays None.

typer converts every value with pydantic, whose import takes longer than most commands. With this
a command with nothing but flags never imports it.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


class QuickCommand(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return [_relieved(param) for param in super().get_params(ctx)]


class QuickGroup(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return [_relieved(param) for param in super().get_params(ctx)]


def _relieved(param: Any) -> Any:
    if param.nargs != 1 or param.required or param.multiple or hasattr(param, "relieved"):
        return param
    process = param.process_value

    def process_value(ctx: Any, value: Any) -> Any:
        if value is not None:
            return process(ctx, value)
        return None if param.callback is None else param.callback(ctx, param, None)

    param.process_value, param.relieved = process_value, True
    return param
