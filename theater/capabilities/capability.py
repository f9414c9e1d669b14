"""What a handler is to those who grant it: interfaces, settings, world calls. Pure.

Signatures are written with every alias expanded, the way the compiler describes a component:
`func(msg: list<u8>) -> result<_, string>`, `record{a: string}`, `enum{a, b}`. Names of
parameters are for people: they take no part in linking and are not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from theater.spec import Handler

Signatures = Mapping[str, str]  # function -> type text
Loc = tuple[str | int, ...]  # where in the manifest: ("child", 0, "name")
Wrong = list[tuple[Loc, str]]  # what is wrong, and where below the thing checked

# Of what the host calls: the state before, and what comes of it.
STATE = "state: option<list<u8>>"
NEW_STATE = "result<tuple<option<list<u8>>>, string>"
CHAIN_EVENT = (
    "record{hash: list<u8>, parent-hash: option<list<u8>>, event-type: string, data: list<u8>}"
)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a guest's, as its chain has it; in it long byte strings stand as references."""

    actor: str
    interface: str
    function: str
    arguments: list[Any]
    answer: Any  # None also where there is none yet
    is_ask: bool  # the broker or the world has answered it; else the worker did, at once

    def is_refused(self) -> bool:
        """Whether it asked for what is not granted."""
        error = self.answer.get("err") if isinstance(self.answer, dict) else None
        if isinstance(error, str):
            return error in REFUSALS or (not self.is_ask and error.startswith("refused:"))
        return False


REFUSALS = frozenset({"not-permitted", "access-denied", "HTTP-request-denied"})  # of WASI
HeardFrom = Callable[[str, str], bool]  # whether the first actor has ever been sent to by the other


class Usage:
    """What was used of a handler: told of its calls in the order of the log, each once.

    It is what `theater audit` knows of the handler. What it keeps has a bound, however long the
    log is. This one does for a handler of which nothing but the functions can be told.
    """

    def __init__(self, heard_from: HeardFrom) -> None:
        self.heard_from = heard_from

    def begin(self, actor: str) -> None:
        """Another incarnation of the actor begins: what was held open is gone."""

    def call(self, call: Call) -> bool:
        """Count a call; whether it is one of the handler's at all, which of WASI's not all are."""
        return True

    def descended(self, actor: str, child: str) -> None:
        """One that the actor has spawned, or that has come of those, has spawned this child."""

    def restarted(self, actor: str, used: int) -> None:
        """One that the actor has spawned was: so many of its restarts are used in its window."""

    def settings(self, granted: Mapping[str, Any]) -> dict[str, Any] | None:
        """The settings that grant what was used and no more; None: nothing has to be granted.
        `granted`: those that the actor had."""
        return {}

    def told(self) -> list[str]:
        """What people are told of it beside its functions and how often they were called."""
        return []

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        return {}


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of the `[[handler]]` table: what it may be, and what people are told of it."""

    check: Callable[[object], Wrong]
    # Full sentences: what it is for, and what holds where it is not said.
    description: str
    # A JSON schema, draft 7, for editors: it accepts all that `check` does, refuses what it can,
    # and says in "default" what holds without it, if that is a value.
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HandlerType:
    """A capability that can be granted, what it links, and the settings it takes.

    All that is said of it elsewhere comes from here: what a manifest is checked against, the JSON
    schema (`theater schema`) and the reference of handlers.
    """

    description: str  # full sentences: what an actor can do with it
    imports: Mapping[str, Signatures]  # interface -> what the host provides
    exports: Mapping[str, Signatures]  # interface -> what the host may call, all optional
    settings: Mapping[str, Setting] = field(default_factory=dict)
    # Interfaces that it provides to packages alone, which have no WIT: see
    # `pack.interfaces`. To packages it provides those of `imports` that are known there, too.
    packages: frozenset[str] = frozenset()
    # World calls: what changes something outside. interface -> function -> what becomes of one
    # that was interrupted: "error" (its outcome is unknown) or "again" (it is done once more,
    # with the same key).
    world: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # Whether these settings grant the world calls.
    has_world: Callable[[Mapping[str, Any]], bool] = lambda _settings: True
    # What is wrong with settings that are right each for itself.
    together: Callable[[Mapping[str, Any]], Wrong] = lambda _settings: []
    required: tuple[str, ...] = ()  # settings without which it grants nothing
    synonyms: Mapping[str, str] = field(default_factory=dict)  # of settings, elsewhere
    usage: Callable[[HeardFrom], Usage] = Usage  # what can be told of its use
    # Why an actor that has the second settings cannot hand on the first to one that it spawns;
    # None: it can. Without it only equal settings can be handed on.
    within: Callable[[Mapping[str, Any], Mapping[str, Any]], str | None] | None = None
    # What these settings come to for an actor with these handlers: what `within` compares.
    effective: Callable[[Mapping[str, Any], Iterable[Handler]], Mapping[str, Any]] = (
        lambda settings, _handlers: settings
    )
    # Of a handler that links nothing, since wasi:* always does: the interfaces that it answers.
    answers: frozenset[str] = frozenset()
