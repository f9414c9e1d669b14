"""The handler `supervisor`: spawn actors, and look after them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theater.addresses import check_segment
from theater.calls import BORN, CHILDREN, SUPERVISOR, WAITS, code_given
from theater.capabilities.capability import (
    CHAIN_EVENT,
    NEW_STATE,
    STATE,
    Call,
    HandlerType,
    HeardFrom,
    Setting,
    Usage,
    Wrong,
)
from theater.quoting import described

MAX_CHILDREN = 100
INTENSITY = 3
PERIOD_S = 5
MANIFEST_NAME_MAX = 4096  # bytes: as a path may have
_COUNT_MAX = 10_000
_PERIOD_MAX_S = 1_000_000
_ERROR_TYPES = (
    "enum{operation-timeout, channel-closed, shutting-down, function-not-found, type-mismatch,"
    " internal, serialization-error, update-component-error, paused}"
)


def fits_birth(function: str, arguments: list[Any]) -> bool:
    """Whether this is what the log has of a birth: the manifest, the state, and of packages the
    code that they have given; then, of one whose end is waited for, the milliseconds."""
    match arguments:
        case [str(), bytes() | None]:
            return function != WAITS
        case [str(), bytes() | None, bytes()]:
            return function != WAITS
        case [str(), bytes() | None, bytes() | None, None]:
            return function == WAITS
        case [str(), bytes() | None, bytes() | None, int(ms)]:
            return function == WAITS and type(ms) is int and 0 <= ms < 1 << 64
    return False


def too_large(arguments: list[Any], state_max: int, message_max: int) -> str | None:
    """Why nothing can be spawned so; None: it can. For who is asked, and who checks that."""
    manifest, state, code = arguments[0], arguments[1], code_given(arguments)
    size = len(manifest.encode("utf-8", "surrogatepass"))
    if size > MANIFEST_NAME_MAX:
        most = f"it has at most {MANIFEST_NAME_MAX}"
        return f"too-large: the name of a manifest of {size} bytes; {most}"
    if state is not None and len(state) > state_max:
        return f"too-large: {len(state)} bytes; a state has at most {state_max}"
    if code is not None and len(code) > message_max:
        return f"too-large: wasm-bytes of {len(code)} bytes; they are at most {message_max}"
    return None


def _check_count(value: object) -> Wrong:
    if type(value) is not int or not 0 <= value <= _COUNT_MAX:
        return [((), f"found {described(value)}; must be a whole number from 0 to {_COUNT_MAX}")]
    return []


def _check_period(value: object) -> Wrong:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < float(value) <= _PERIOD_MAX_S:  # type: ignore[arg-type]
        return [((), f"found {described(value)}; must be a number of seconds above 0")]
    return []


def _check_templates(value: object) -> Wrong:
    if not isinstance(value, dict):
        shape = 'must be a table of manifests, as in { worker = "worker.toml" }'
        return [((), f"found {described(value)}; {shape}")]
    wrong: Wrong = []
    for name, path in value.items():
        if problem := check_segment(name):
            wrong.append(((name,), problem))
        elif not isinstance(path, str) or not path or "\0" in path:
            wrong.append(((name,), f"found {described(path)}; must be the path of a manifest"))
    return wrong


def within(child: Mapping[str, Any], parent: Mapping[str, Any]) -> str | None:
    """Why these settings cannot be handed on by an actor that has those; None: they can."""
    for name, otherwise in (("max_children", MAX_CHILDREN), ("intensity", INTENSITY)):
        if child.get(name, otherwise) > parent.get(name, otherwise):
            return f"{name} is {child.get(name, otherwise)}, of {parent.get(name, otherwise)}"
    # As many restarts in less time are more.
    period, granted_s = child.get("period", PERIOD_S), parent.get("period", PERIOD_S)
    if period < granted_s and child.get("intensity", INTENSITY):
        return f"period is {period:g}, of {granted_s:g}"
    granted = parent.get("templates", {}).values()
    for name, path in child.get("templates", {}).items():
        if path not in granted:
            return f"the template {name} is none of its own"
    return None


MANIFESTS_MAX = 1000  # that are told apart
_BORN_BEFORE = ("timeout: ", "stopped: ", "no-actor: ")  # errors that tell of what was there


def as_birth(actor: str, ask: str, answer: Any) -> Any:
    """What a wait for the end of a child tells of its birth. Of the child's address it does not,
    but no two of these are the same."""
    error = answer.get("err") if isinstance(answer, dict) else None
    is_born = isinstance(answer, dict) and "ok" in answer
    if is_born or (isinstance(error, str) and error.startswith(_BORN_BEFORE)):
        return {"ok": f"{actor}/{ask}"}
    return answer


class Spawned(Usage):
    """From which manifests actors were spawned, how many there were at once, and how often what was
    spawned was restarted.

    Of those that are gone for good an actor's calls tell only when it lists its children, so there
    may have been fewer at once.
    """

    def __init__(self, heard_from: HeardFrom) -> None:
        super().__init__(heard_from)
        self._manifests: dict[str, int] = {}
        self._more = 0  # spawned from others than these
        self._not_spawned = 0
        self._there: dict[str, set[str]] = {}  # by actor
        self._below: dict[str, set[str]] = {}  # what those have spawned, which counts too
        self._most = 0
        self._restarts = 0  # of those in one window

    def call(self, call: Call) -> bool:
        answer = call.answer
        child = answer.get("ok") if isinstance(answer, dict) else None
        if call.function in BORN and isinstance(child, str):
            manifest = call.arguments[0] if call.arguments else None
            if isinstance(manifest, str):
                self._count(manifest)
            self._add(self._there, call.actor, child)
        elif call.function in BORN:
            self._not_spawned += answer is not None
        elif call.function == "list-children" and isinstance(answer, list):
            there = self._there[call.actor] = {each for each in answer if isinstance(each, str)}
            depth = call.actor.count("/") + 2
            below = self._below.get(call.actor, ())
            is_left = (each for each in below if "/".join(each.split("/")[:depth]) in there)
            self._below[call.actor] = set(is_left)
        return True

    def descended(self, actor: str, child: str) -> None:
        self._add(self._below, actor, child)

    def _add(self, into: dict[str, set[str]], actor: str, child: str) -> None:
        known = into.setdefault(actor, set())
        if len(known) < _COUNT_MAX:
            known.add(child)
        there = len(self._there.get(actor, ())) + len(self._below.get(actor, ()))
        self._most = max(self._most, there)

    def _count(self, manifest: str) -> None:
        if manifest in self._manifests or len(self._manifests) < MANIFESTS_MAX:
            self._manifests[manifest] = self._manifests.get(manifest, 0) + 1
        else:
            self._more += 1

    def restarted(self, actor: str, used: int) -> None:
        self._restarts = max(self._restarts, used)

    def settings(self, granted: Mapping[str, Any]) -> dict[str, Any] | None:
        # How many restarts are too many a run in which little failed does not tell.
        least = {key: granted[key] for key in ("intensity", "period") if key in granted}
        least["max_children"] = min(self._most, granted.get("max_children", MAX_CHILDREN))
        templates = {
            name: path
            for name, path in granted.get("templates", {}).items()
            if name in self._manifests or self._more
        }
        return {**least, "templates": templates} if templates else least

    def told(self) -> list[str]:
        told = [f"{manifest}: {count:,} spawned" for manifest, count in self._ordered()]
        if self._more:
            told.append(f"others: {self._more:,} spawned")
        if self._not_spawned:
            told.append(f"{self._not_spawned:,} could not be spawned")
        if self._most:
            told.append(f"at most {self._most:,} at once")
        if self._restarts:
            told.append(f"at most {self._restarts:,} restarts in its period")
        return told

    def _ordered(self) -> list[tuple[str, int]]:
        return sorted(self._manifests.items(), key=lambda item: (-item[1], item[0]))

    def facts(self) -> dict[str, Any]:
        return {
            "spawned": dict(self._ordered()),
            "others": self._more,
            "not_spawned": self._not_spawned,
            "most_at_once": self._most,
            "most_restarts": self._restarts,
        }


HANDLER = HandlerType(
    description=(
        "Spawn actors from manifests, stop and restart them, read their states and events, and be"
        " told when one crashes, ends or is stopped. What it spawns belongs to the actor, has a"
        " supervisor of its own under it, and can be granted nothing that the actor has not."
    ),
    imports={
        SUPERVISOR: {
            "spawn": (
                "func(manifest: string, init-bytes: option<list<u8>>) -> result<string, string>"
            ),
            "resume": (
                "func(manifest: string, init-state: option<list<u8>>) -> result<string, string>"
            ),
            "list-children": "func() -> list<string>",
            "stop-child": "func(child-id: string) -> result<_, string>",
            "restart-child": "func(child-id: string) -> result<_, string>",
            "get-child-state": "func(child-id: string) -> result<option<list<u8>>, string>",
            "get-child-events": f"func(child-id: string) -> result<list<{CHAIN_EVENT}>, string>",
            "subscribe-to-child": "func(child-id: string) -> result<_, string>",
            "unsubscribe-from-child": "func(child-id: string) -> result<_, string>",
        }
    },
    exports={
        CHILDREN: {
            "handle-child-error": (
                f"func({STATE}, params: tuple<string, record{{error-type: {_ERROR_TYPES},"
                f" data: option<list<u8>>}}>) -> {NEW_STATE}"
            ),
            "handle-child-exit": (
                f"func({STATE}, params: tuple<string, option<list<u8>>>) -> {NEW_STATE}"
            ),
            "handle-child-external-stop": (f"func({STATE}, params: tuple<string>) -> {NEW_STATE}"),
            "handle-child-event": (
                f"func({STATE}, params: tuple<string, string, list<u8>>) -> {NEW_STATE}"
            ),
        }
    },
    settings={
        "intensity": Setting(
            _check_count,
            "So many restarts of what it has spawned, within `period`, are allowed; one more, and"
            f" the actor itself has failed. Without it {INTENSITY}.",
            {"type": "integer", "minimum": 0, "maximum": _COUNT_MAX, "default": INTENSITY},
        ),
        "period": Setting(
            _check_period,
            f"The time in which restarts are counted, in seconds. Without it {PERIOD_S}.",
            {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": _PERIOD_MAX_S,
                "default": PERIOD_S,
            },
        ),
        "max_children": Setting(
            _check_count,
            "So many actors it can have spawned that have not been forgotten again, with all that"
            " those have spawned; what is temporary is forgotten when it has ended. Without it"
            f" {MAX_CHILDREN}.",
            {"type": "integer", "minimum": 0, "maximum": _COUNT_MAX, "default": MAX_CHILDREN},
        ),
        "templates": Setting(
            _check_templates,
            "Manifests that it can spawn from by a name, relative to this manifest. Without it"
            " there are none; those that lie below the directory of its own manifest it can name"
            " by their paths in any case.",
            {
                "type": "object",
                "additionalProperties": {"type": "string", "minLength": 1},
                "default": {},
            },
        ),
    },
    usage=Spawned,
    within=within,
)
