"""What an actor's source uses of Theater: it is built for that, and no more.

A component is refused that imports what its manifest does not grant. So a source is built for the
messages that every actor has, and for the interfaces beside them that its code names: found by
reading, as everything here is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

SDK = "theater_actor"
STORE, TIMER = "import theater:simple/store;", "import theater:simple/timer;"
TIMER_CLIENT = "export theater:simple/timer-client;"
SUPERVISOR = "import theater:simple/supervisor;"
CHILDREN = "export theater:simple/supervisor-handlers;"


@dataclass(frozen=True, slots=True)
class Part:
    """Of the SDK. `functions`: that it is used by; `methods`: of an actor's class; `wit`: what the
    world has of it."""

    wit: tuple[str, ...]
    functions: frozenset[str]
    methods: frozenset[str]


PARTS = (
    Part((STORE,), frozenset({"Store"}), frozenset()),
    Part(
        (TIMER, TIMER_CLIENT),
        frozenset({"set_interval", "set_timeout", "clear_timer", "now"}),
        frozenset({"on_tick"}),
    ),
    Part(
        (SUPERVISOR, CHILDREN),
        frozenset(
            {
                "spawn",
                "resume",
                "children",
                "stop_child",
                "restart_child",
                "child_state",
                "child_events",
                "subscribe",
                "unsubscribe",
            }
        ),
        frozenset({"on_child_error", "on_child_exit", "on_child_stopped", "on_child_event"}),
    ),
)


def used(files: Iterable[tuple[str, bytes]]) -> list[Part]:
    """The parts that a class's modules use: (name, content) of each."""
    names: set[str] = set()
    methods: set[str] = set()
    for name, content in files:
        if not name.endswith(".py"):
            continue
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError):  # for a newer Python: what it could mean counts
            found = set(re.findall(r"\w+", content.decode(errors="replace")))
            names |= found
            methods |= found
            continue
        names |= set(_names(tree))
        methods |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return [
        part
        for part in PARTS
        if not part.functions.isdisjoint(names) or not part.methods.isdisjoint(methods)
    ]


def _names(tree: ast.Module) -> Iterable[str]:
    """What a module takes from the SDK, and all names of modules that it may be known by."""
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == SDK:
            for alias in node.names:
                yield from (name for part in PARTS for name in part.functions if alias.name == "*")
                yield alias.name
        elif isinstance(node, ast.Import):
            modules |= {
                alias.asname or SDK for alias in node.names if alias.name.split(".")[0] == SDK
            }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).split(".")[0] in modules:
            yield node.attr


# In JavaScript: what a world has for each of these words in a module.
_WORDS = (
    (re.compile(rb"""["']theater:simple/store["']"""), STORE),
    (re.compile(rb"""["']theater:simple/timer["']"""), TIMER),
    (re.compile(rb"\btimerClient\b"), TIMER_CLIENT),
    (re.compile(rb"""["']theater:simple/supervisor["']"""), SUPERVISOR),
    (re.compile(rb"\bsupervisorHandlers\b"), CHILDREN),
)


def used_by_javascript(contents: Iterable[bytes]) -> tuple[str, ...]:
    """The lines of a world for what modules import, and export."""
    whole = b"\n".join(contents)
    return tuple(line for word, line in _WORDS if word.search(whole))
