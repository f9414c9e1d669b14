"""Which settings of supervisors and their children go together, as OTP has it. Pure.

Looks at tables as TOML gave them. A value that is wrong by itself is the schema's business and
takes no part here, so that nothing is told twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from theater.capabilities.capability import Wrong
from theater.manifest_values import INSTANCES_MAX, instances, seconds
from theater.quoting import described
from theater.spec import AutoShutdown, Backoff, OnRestart, Restart, Strategy

POOL = Strategy.SIMPLE_ONE_FOR_ONE
CHILDREN_MAX = 100_000  # actors and supervisors that a system begins with

_AS_SYSTEM = "write the actor as a [[child]], with component instead of package"
Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Above:
    """What a supervisor means for its children. None: it is not known, or wrong in itself."""

    place: str  # of its table: "supervisor", "child[1].supervisor"
    strategy: Strategy | None = None
    auto_shutdown: AutoShutdown | None = None
    instances: int = 0

    @property
    def is_pool(self) -> bool:
        return self.strategy is POOL


def is_supervisor(child: Mapping[str, object]) -> bool:
    return "supervisor" in child or "child" in child


def above(table: Mapping[str, object], place: str) -> Above:
    """`table`: a [[child]] that is a supervisor, or the whole manifest."""
    said = table.get("supervisor", {})
    if not isinstance(said, dict):
        return Above(place)
    strategy = _word(Strategy, said.get("strategy", Strategy.ONE_FOR_ONE))
    auto_shutdown = _word(AutoShutdown, said.get("auto_shutdown", AutoShutdown.NEVER))
    return Above(place, strategy, auto_shutdown, _instances(said) or 0)


def check_supervisor(table: Mapping[str, object], header: str, single: bool) -> Wrong:
    """What is wrong between the keys of one supervisor, and what a pool needs below it.

    `header`: of its children's tables, "child.child". `single`: the manifest is one actor.
    """
    said = table.get("supervisor", {})
    if not isinstance(said, dict):
        return []
    wrong: Wrong = []
    strategy = _word(Strategy, said.get("strategy", Strategy.ONE_FOR_ONE))
    if strategy is POOL:
        wrong += _check_pool(table, said, header, single)
    elif strategy is not None and _instances(said) is not None:
        todo = 'take it away or say strategy = "simple_one_for_one"'
        if single:
            todo = f'for a pool {_AS_SYSTEM}, under strategy = "simple_one_for_one"'
        wrong.append((("supervisor", "instances"), f"only a pool has instances; {todo}"))
    return wrong + _check_backoff(said.get("backoff"))


def _check_pool(
    table: Mapping[str, object], said: Mapping[str, object], header: str, single: bool
) -> Wrong:
    if single:
        message = f'"{POOL}" makes many actors of one template; for a pool {_AS_SYSTEM}'
        return [(("supervisor", "strategy"), message)]
    wrong: Wrong = []
    auto_shutdown = _word(AutoShutdown, said.get("auto_shutdown", AutoShutdown.NEVER))
    if auto_shutdown not in (None, AutoShutdown.NEVER):
        message = (
            f'found "{auto_shutdown}"; a pool ({POOL}) never shuts down by itself: take '
            "auto_shutdown away or choose another strategy"
        )
        wrong.append((("supervisor", "auto_shutdown"), message))
    children = table.get("child", [])
    if isinstance(children, list) and len(children) != 1:
        needs = f"exactly one [[{header}]], the template that all its instances are made from"
        if children:
            message = f"found {len(children)} children; a pool ({POOL}) has {needs}"
        else:
            message = f"missing: a pool ({POOL}) has {needs}"
        wrong.append((("child",), message))
    return wrong


def _check_backoff(backoff: object) -> Wrong:
    if not isinstance(backoff, dict):
        return []
    with suppress(ValueError, KeyError):
        base_s = seconds.check(backoff["base"])
        max_s = seconds.check(backoff["max"]) if "max" in backoff else Backoff(base_s).max_s
        if base_s > max_s and "max" in backoff:
            message = f"found {described(backoff['max'])}; cannot be less than base ({base_s:g} s)"
            return [(("supervisor", "backoff", "max"), message)]
        if base_s > max_s:
            message = (
                f"found {described(backoff['base'])}; cannot be more than max, which is {max_s:g} "
                "s where nothing else is said: add a max"
            )
            return [(("supervisor", "backoff", "base"), message)]
    return []


def check_significant(
    child: Mapping[str, object], default_restart: object, supervisor: Above
) -> Wrong:
    """What keeps a child from being significant. `default_restart`: that of [defaults], or None."""
    if child.get("significant") is not True:
        return []
    wrong: Wrong = []
    if is_supervisor(child):
        default_restart = None  # [defaults] are for actors
    restart = child.get("restart", default_restart or Restart.PERMANENT)
    if restart == Restart.PERMANENT:
        if "restart" in child:
            source = f'restart = "{restart}"'
        elif default_restart:
            source = f'restart = "{restart}" of [defaults]'
        else:
            source = f'restart = "{restart}" (the default)'
        message = (
            f"the end of a significant child shuts its supervisor down, but {source} brings it "
            'back however it ends; say restart = "transient" (back after a crash only) or '
            '"temporary" (never back)'
        )
        wrong.append((("significant",), message))
    if supervisor.is_pool:
        message = (
            f"a pool ({POOL}) never shuts down by itself, so its instances cannot be "
            "significant: take significant away"
        )
        wrong.append((("significant",), message))
    elif supervisor.auto_shutdown is AutoShutdown.NEVER:
        message = (
            f'means nothing while {supervisor.place}.auto_shutdown is "never" (the default): set '
            'that to "any_significant" or "all_significant", or take significant away'
        )
        wrong.append((("significant",), message))
    return wrong


def check_recycling(child: Mapping[str, object], defaults: Mapping[str, object]) -> Wrong:
    """A planned restart must not cost the state. `child`: an actor; `defaults`: [defaults]."""
    said = {
        key: "" if key in child else " of [defaults]" for key in ("recycle_turns", "on_restart")
    }
    turns, how = (child.get(key, defaults.get(key)) for key in said)
    if type(turns) is not int or turns <= 0 or how != OnRestart.INIT:
        return []
    message = (
        f"recycle_turns = {turns}{said['recycle_turns']} plans restarts that go on with the state,"
        f' and on_restart = "init"{said["on_restart"]} would throw it away each time; say'
        ' on_restart = "resume" or recycle_turns = 0 (never)'
    )
    return [(("recycle_turns" if "recycle_turns" in child else "on_restart",), message)]


def check_size(children: int, supervisor: Above) -> str | None:
    """What is wrong with the `instances` of a pool when there are `children` in each of them."""
    made = children * supervisor.instances
    if not supervisor.is_pool or made <= CHILDREN_MAX:
        return None
    return (
        f"{supervisor.instances} instances, with all that is in them, make {made} actors and "
        f"supervisors; a system begins with at most {CHILDREN_MAX}"
    )


def last_instance(address: str) -> str:
    """The longest address that an instance of the template at `address` begins with."""
    return f"{address}-{INSTANCES_MAX}"


def _instances(said: Mapping[str, object]) -> int | None:
    with suppress(ValueError, KeyError):
        return instances.check(said["instances"])
    return None


def _word(words: type[Word], value: object) -> Word | None:
    if isinstance(value, str):
        with suppress(ValueError):
            return words(value)
    return None
