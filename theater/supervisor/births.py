"""What root tells the broker and a worker about an actor. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from theater import spec_data
from theater.calls import CALLS
from theater.capabilities import granted, world_calls
from theater.capabilities.rpc import call_to
from theater.capabilities.runtime import MAX_EVENTS
from theater.capabilities.timer import MAX_TIMERS
from theater.engine import SETTINGS
from theater.pack.interfaces import functions_for_actors, has_export, interfaces_told
from theater.spec import ActorSpec, Durability, OnRestart, SupervisorSpec, SystemSpec, plain
from theater.supervisor.tree import SPAWNS


def name_in_log(path: str) -> str:
    """What the chain of the actor or supervisor at `path` is called; addresses begin otherwise."""
    return path or "/"


def supervisor_registration(supervisor: SupervisorSpec) -> dict[str, Any]:
    """A supervisor has a chain: of what it decides."""
    flags = {
        "strategy": supervisor.strategy,
        "intensity": supervisor.intensity,
        "period_s": supervisor.period_s,
        "auto_shutdown": supervisor.auto_shutdown,
        "backoff": supervisor.backoff,
    }
    return {
        "name": name_in_log(supervisor.path),
        "kind": "supervisor",
        "flags": {key: plain(value) for key, value in flags.items()},
    }


def registration(
    actor: ActorSpec, system: SystemSpec, exports: Mapping[str, Any]
) -> dict[str, Any]:
    """What the broker has to know of an actor; read by `broker/register.py`."""
    messages = actor.handler("message-server")
    runtime = actor.handler("runtime")
    timer = actor.handler("timer")
    return {
        "name": actor.path,
        "kind": "actor",
        "component": actor.component_sha256,
        "engine": dict(SETTINGS),
        "grants": {handler.type: granted(handler) for handler in actor.handlers},
        "limits": limits(actor, system),
        "initial_state": actor.initial_state,
        "send_to": messages.settings.get("send_to") if messages else None,
        "may_send": messages is not None,
        "world": [
            [interface, function]
            for interface, functions in world_calls(actor.handlers).items()
            for function in functions
        ],
        "takes": [
            kind
            for kind, (interface, function) in CALLS.items()
            if kind != "init" and has_export(exports, interface, function)
        ],
        "may_call": actor.handler("rpc") is not None,
        "call_to": call_to(actor.handlers),
        "functions": functions_for_actors(exports),
        "interfaces": interfaces_told(exports),
        "max_timers": timer.settings.get("max_timers", MAX_TIMERS) if timer else 0,
        "may_manage": actor.handler(SPAWNS) is not None,
        "may_loop": actor.handler("loop") is not None,
        "spawned": actor.spawned,
        "resumed": actor.resumed,
        "spec": spec_data.pack(actor) if actor.spawned is not None else None,
        "max_events": runtime.settings.get("max_events", MAX_EVENTS) if runtime else MAX_EVENTS,
        "request_timeout_s": actor.request_timeout_s,
        "turn_timeout_s": actor.limits.turn_timeout_s,
        "turn_bytes": actor.limits.turn_bytes,
        "max_deliveries": actor.limits.max_deliveries,
        "state_every": actor.state_every,
        "recycle_turns": actor.recycle_turns,
        "mailbox": {
            "max_messages": actor.mailbox.max_messages,
            "max_bytes": actor.mailbox.max_bytes,
            "on_full": actor.mailbox.on_full.value,
        },
    }


def limits(actor: ActorSpec, system: SystemSpec) -> dict[str, int]:
    """What decides, beside the component and its input, whether a turn can be done."""
    return {
        "memory_bytes": actor.limits.memory_bytes,
        "fuel": actor.limits.fuel,
        "turn_bytes": actor.limits.turn_bytes,
        "message_max": system.message_max_bytes,
        "state_max": system.state_max_bytes,
    }


def begins_anew(actor: ActorSpec, asked: bool) -> str:
    """Why its next incarnation begins with `init`, if it has been there before; "": it resumes."""
    if asked:
        return "operator"
    return "on_restart" if actor.on_restart is OnRestart.INIT else ""


def order(
    actor: ActorSpec, system: SystemSpec, incarnation: int, endpoint: str, store: str
) -> dict[str, Any]:
    """What a worker has to know, but for its secret; read by `worker/order.py`."""
    return {
        "actor": actor.path,
        "incarnation": incarnation,
        "endpoint": endpoint,
        **limits(actor, system),
        "turn_timeout_s": actor.limits.turn_timeout_s,
        "handlers": {handler.type: handler.settings for handler in actor.handlers},
        "world": world_calls(actor.handlers),
        "custom": {
            handler.type: asdict(handler.custom)
            for handler in actor.handlers
            if handler.custom is not None
        },
        "call_to": call_to(actor.handlers),
        "store": store,
        "syncs": system.durability is Durability.DISK,
        "env": actor.env,
        "args": list(actor.args),
    }
