"""Complete what is being typed in a shell: `theater _complete WORD ...`, the last one unfinished.

Prints what the last word may become, one a line, with a tab and what it means; `:file` and
`:directory` stand for names that the shell knows itself. It imports little, since a key must not
wait, and whatever goes wrong it says nothing: an error between two keys helps nobody.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from theater.cli.grammar import (
    ACTOR,
    DIRECTORY,
    FILE,
    POOL,
    SHELL,
    SUPERVISOR,
    Grammar,
    grammar,
)

SHELLS = ("bash", "zsh", "fish")
WAIT_S = 0.3  # for the names of a system that is busy; then those in its log
# A pool is a supervisor, and where actors are meant a supervisor is all below it.
_TAKEN_FOR = {
    ACTOR: {ACTOR},
    SUPERVISOR: {ACTOR, SUPERVISOR},
    POOL: {ACTOR, SUPERVISOR, POOL},
}
_PLACES = {"-f": "manifest", "--manifest": "manifest", "--data": "data"}


def answer(words: list[str]) -> None:
    """Print the completions of the last word."""
    import sys

    lines: list[str] = []
    with contextlib.suppress(BaseException):  # also SystemExit
        lines = list(completions(words or [""], grammar(cache_path())))
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def cache_path() -> str:
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.cache")
    return f"{base}/theater/completion.json"


@dataclass(slots=True)
class Typed:
    """What the words before the last one say."""

    node: Grammar
    arguments: int = 0  # so many of the command's have been given
    value_of: list[str] | None = None  # the last word is an option's value, of these kinds
    only_arguments: bool = False  # after --
    place: dict[str, str] = field(default_factory=dict)  # manifest, data


def completions(words: list[str], root: Grammar) -> Iterator[str]:
    typed, last = read(words[:-1], root), words[-1]
    if last == "=":  # bash parts words there
        last = ""
    if typed.value_of is not None:
        yield from _names(typed.value_of, last, typed.place)
    elif last.startswith("-") and not typed.only_arguments:
        for names, _, help in typed.node["options"]:
            yield from (f"{name}\t{help}" for name in names if _fits(name, last))
    elif typed.node["commands"]:
        for name, below in typed.node["commands"].items():
            if name.startswith(last):
                yield f"{name}\t{below['help']}"
    else:
        yield from _names(_kinds_at(typed), last, typed.place)


def _fits(name: str, last: str) -> bool:
    """Long options unless a short one is being typed out: there are few letters to save."""
    return name.startswith(last) and (name.startswith("--") or name == last)


def _kinds_at(typed: Typed) -> list[str]:
    arguments = typed.node["arguments"]
    if not arguments:
        return []
    kinds, many = arguments[min(typed.arguments, len(arguments) - 1)]
    return kinds if typed.arguments < len(arguments) or many else []


def read(words: list[str], root: Grammar) -> Typed:
    typed = Typed(root)
    option = ""  # whose value comes next
    for word in words:
        if word == "=" and option:
            continue
        if typed.value_of is not None:
            if option in _PLACES:
                typed.place[_PLACES[option]] = word
            typed.value_of, option = None, ""
        elif word == "--" and not typed.only_arguments:
            typed.only_arguments = True
        elif word.startswith("-") and len(word) > 1 and not typed.only_arguments:
            name, equals, value = word.partition("=")
            kinds = next((each[1] for each in typed.node["options"] if name in each[0]), None)
            if equals:
                if name in _PLACES:
                    typed.place[_PLACES[name]] = value
            elif kinds is not None:
                typed.value_of, option = kinds, name
        elif word in typed.node["commands"]:
            typed.node, typed.arguments = typed.node["commands"][word], 0
        else:
            typed.arguments += 1
    return typed


def _names(kinds: list[str], last: str, place: dict[str, str]) -> Iterator[str]:
    known: list[tuple[str, str]] = []
    if not {ACTOR, SUPERVISOR, POOL}.isdisjoint(kinds):
        with contextlib.suppress(Exception):  # then files still are offered
            known = _known(place)
    for name, what in known:
        if name.startswith(last) and not _TAKEN_FOR[what].isdisjoint(kinds):
            yield f"{name}\t{what}"
    if SHELL in kinds:
        yield from (name for name in SHELLS if name.startswith(last))
    for kind in (FILE, DIRECTORY):
        if kind in kinds:
            yield f":{kind}"


def _known(place: dict[str, str]) -> list[tuple[str, str]]:
    """Who is in the system that is meant, as it runs, else as its log knows it."""
    from pathlib import Path

    from theater.cli.place import Place
    from theater.errors import TheaterError

    manifest, data = place.get("manifest"), place.get("data")
    where = Place(Path(manifest) if manifest else None, Path(data) if data else None)
    try:
        control = where.control()
    except TheaterError:
        return _in_log(where)
    try:
        nodes: list[dict[str, Any]] = control.ask("tree", timeout_s=WAIT_S)["nodes"]
    except TheaterError:
        return _in_log(where)
    return [(node["path"], _what(node)) for node in nodes if node["path"]]


def _what(node: dict[str, Any]) -> str:
    if node["type"] != "supervisor":
        return ACTOR
    return POOL if node.get("strategy") == "simple_one_for_one" else SUPERVISOR


def _in_log(where: Any) -> list[tuple[str, str]]:
    log = where.reader()
    supervisors = [name for name in log.supervisors() if name != "/"]
    return [
        *((name, ACTOR) for name in log.present_actors()),
        *((name, SUPERVISOR) for name in supervisors),
    ]
