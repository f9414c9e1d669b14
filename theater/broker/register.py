"""Decide what root's orders make of whom they name: new, known, changed, back or gone. Pure.

What an actor runs and may do is said in its own chain whenever it changes, so that a chain can be
read without anything beside it; so are the flags of a supervisor. These are its facts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from theater.broker import channels, children, outstanding, timers, waits
from theater.broker.actors import ASKED, LOOP, ROOT, Actor, Chain, Settings, Supervisor
from theater.broker.burial import abandon
from theater.broker.mailbox import Mailbox, Message
from theater.broker.stored import StoredActor
from theater.broker.turns import Turns
from theater.capabilities.custom import effects
from theater.events import EventType, content_hash
from theater.spec import MailboxBounds, OnFull
from theater.stores import HANDLER, Access

NEVER = 1 << 62  # a step number after every step of a turn
ACTOR, SUPERVISOR = "actor", "supervisor"
LASTING = ("engine", "grants", "limits")  # facts that hold for each incarnation
BIRTH = ("spawned", "resumed")  # facts of one that another actor has spawned

Order = dict[str, Any]


def name_of(order: Order) -> str:
    return order["name"] or ROOT


def role_of(order: Order) -> str:
    return str(order.get("kind", ACTOR))


def enter(turns: Turns, order: Order, before: StoredActor | None) -> Chain:
    """Let in an actor or a supervisor that is not there; one that the log knows goes on."""
    role, component = role_of(order), order.get("component", "")
    if before is None:
        id = turns.next_actor
        turns.next_actor += 1
    else:
        id = before.id
    chain = _actor(order, id) if role == ACTOR else Supervisor(id, name_of(order))
    if before is not None:
        _continue(chain, before)
    turns.add(chain)
    turns.batch.moved.add(chain.name)
    if isinstance(chain, Actor) and order.get("spawned") is not None:
        children.enter(turns, chain, order["spawned"], order["spec"])
    elif before is not None and before.facts.get("spawned") is not None:
        children.leave(turns, chain)  # its address is a manifest's now
    phase = "stopped" if role == ACTOR else ""
    if before is None:
        turns.batch.actors.append((id, chain.name, role, component, phase, turns.at))
        _tell(turns, chain, EventType.CREATED, _facts(order), order)
        if isinstance(chain, Actor) and order.get("resumed"):
            _resume(turns, chain)
    elif before.removed:
        turns.batch.returned.append((role, component, id))
        turns.batch.phases.append((phase, "", id))
        _tell(turns, chain, EventType.RETURNED, _facts(order), order)
    else:
        assert before.role == role, f"{chain.name} was a {before.role} and has not been removed"
        _tell_changes(turns, chain, before.component, order)
    return chain


def outdated(before: StoredActor | Actor, order: Order) -> str | None:
    """Why a turn that was open before does not go on under this order; None: it does."""
    if before.component != order["component"]:
        return "its component has been changed"
    state = order["initial_state"]
    hash = None if state is None else content_hash(state)
    if not before.initialised and before.facts.get("initial_state") != hash:
        return "its initial state has been changed"
    return None


def change(turns: Turns, chain: Chain, order: Order, now_s: float) -> None:
    """New settings for one that is there. An actor must not have a live incarnation."""
    assert isinstance(chain, Actor) == (role_of(order) == ACTOR), f"{chain.name} changed its kind"
    if not isinstance(chain, Actor):
        _tell_changes(turns, chain, "", order)
        return
    assert not chain.live, f"{chain.name} is changed while incarnation {chain.incarnation} lives"
    component = chain.component
    reason = outdated(chain, order)
    if reason is not None:
        abandon(turns, chain, reason, now_s)
    chain.component = order["component"]
    chain.settings = _settings(order)
    chain.mailbox.bounds = _bounds(order)
    chain.initial_state = order["initial_state"]
    end_world_call(turns, chain, now_s)
    if order.get("spawned") is not None:
        children.keep(turns, chain, order["spawned"], order["spec"])
    _tell_changes(turns, chain, component, order)
    if not chain.mailbox.is_full():
        turns.unblock(chain)
    timers.wake(turns, chain)


def end_world_call(turns: Turns, actor: Actor, now_s: float) -> None:
    """An open world call that is granted no more has nobody who could say what became of it."""
    ask = actor.current.ask if actor.current is not None else None
    if ask is None or not ask.is_world:
        return
    if (ask.interface, ask.function) not in actor.settings.world:
        abandon(turns, actor, f"{ask.interface}.{ask.function} is granted no more", now_s)


def _actor(order: Order, id: int) -> Actor:
    return Actor(
        id=id,
        name=order["name"],
        settings=_settings(order),
        mailbox=Mailbox(_bounds(order)),
        initial_state=order["initial_state"],
        component=order["component"],
    )


def _settings(order: Order) -> Settings:
    send_to, grants = order["send_to"], order["grants"]
    return Settings(
        send_to=None if send_to is None else tuple(send_to),
        may_send=order["may_send"],
        stores=Access.of(order["name"], grants[HANDLER]) if HANDLER in grants else None,
        world=frozenset((interface, function) for interface, function in order["world"]),
        reads=frozenset(name for name, effect in effects(grants).items() if effect == "read"),
        takes=frozenset(order["takes"]),
        max_timers=order["max_timers"],
        max_events=order["max_events"],
        request_timeout_s=order["request_timeout_s"],
        turn_timeout_s=order["turn_timeout_s"],
        turn_bytes=order["turn_bytes"],
        max_deliveries=order["max_deliveries"],
        state_every=order["state_every"],
        recycle_turns=order["recycle_turns"],
        may_manage=order.get("may_manage", False),
        may_call=order.get("may_call", False),
        call_to=None if order.get("call_to") is None else tuple(order["call_to"]),
        functions=frozenset(order.get("functions", ())),
        interfaces=tuple(order.get("interfaces", ())),
        may_loop=order.get("may_loop", False),
    )


def _resume(turns: Turns, actor: Actor) -> None:
    """It begins with its initial state, as if `init` had returned that."""
    state = actor.initial_state
    actor.state = None if state is None else content_hash(state)
    actor.initialised = True
    turns.batch.initialised.append((1, actor.id))


def _bounds(order: Order) -> MailboxBounds:
    bounds = order["mailbox"]
    return MailboxBounds(bounds["max_messages"], bounds["max_bytes"], OnFull(bounds["on_full"]))


def _continue(chain: Chain, before: StoredActor) -> None:
    chain.incarnation = before.last_incarnation
    chain.head = before.head
    chain.length = before.length
    chain.facts = before.facts
    if isinstance(chain, Actor):
        chain.initialised = before.initialised
        chain.state = before.state
        if before.facts.get("resumed") and before.next_turn == 1:
            chain.state = before.facts.get("initial_state")
        chain.loose_bytes = before.loose_bytes
        chain.next_turn = before.next_turn
        chain.committed = (before.next_turn - 1, NEVER)
        chain.mailbox.messages = before.mailbox_messages
        chain.mailbox.bytes = before.mailbox_bytes


# Facts


def _facts(order: Order) -> dict[str, Any]:
    if role_of(order) == SUPERVISOR:
        return {"kind": SUPERVISOR, "flags": order.get("flags")}
    state = order["initial_state"]
    facts = {
        "component": order["component"],
        "engine": order["engine"],
        "grants": order["grants"],
        "limits": order["limits"],
        "initial_state": None if state is None else content_hash(state),
    }
    if order.get("spawned") is not None:
        facts["spawned"] = list(order["spawned"])
    if order.get("resumed"):
        facts["resumed"] = True
    return facts


def _tell_changes(turns: Turns, chain: Chain, component: str, order: Order) -> None:
    """Chain what is no longer as the chain says."""
    facts = _facts(order)
    if component != facts.get("component", ""):
        turns.batch.components.append((facts["component"], chain.id))
        payload = {"from": component, "to": facts["component"], **facts}
        del payload["component"]
        _tell(turns, chain, EventType.COMPONENT_CHANGED, payload, order)
        return
    binding = {"flags"}
    if isinstance(chain, Actor):
        # `init` is called once: after that the initial state is nobody's concern.
        binding = {*LASTING, "spawned"}
        if not chain.initialised:
            binding.add("initial_state")
    if any(chain.facts.get(key) != facts.get(key) for key in binding):
        _tell(turns, chain, EventType.CHANGED, facts, order)


def tell_initial_state(turns: Turns, actor: Actor) -> None:
    """It is about to be initialised, and its chain may know an older state for that."""
    state = actor.initial_state
    hash = None if state is None else content_hash(state)
    if actor.facts.get("initial_state") == hash:
        return
    if hash is not None:
        turns.batch.blobs.append((hash, state))
    same = {"component": actor.component} | {
        key: actor.facts[key] for key in (*LASTING, *BIRTH) if key in actor.facts
    }
    actor.facts = {**same, "initial_state": hash}
    turns.lifecycle(actor, EventType.CHANGED, actor.facts)


def _tell(
    turns: Turns, chain: Chain, type: EventType, payload: dict[str, Any], order: Order
) -> None:
    chain.facts = _facts(order)
    state = order.get("initial_state")
    if state is not None:
        turns.batch.blobs.append((content_hash(state), state))
    turns.lifecycle(chain, type, payload)


# Going


def remove(
    turns: Turns,
    chain: Chain,
    reason: str,
    waiting: Iterable[Message] = (),
    state: bytes | None = None,
    begun: tuple[int, int, int, int] | None = None,
    now_s: float = 0.0,
    timed: Iterable[tuple[str, int | None]] = (),
) -> None:
    """Let one go for good. What waits for it becomes dead letters, askers get an error.

    `state` is the hash of its last one; `begun` is (turn, message, deliveries, steps) of a turn
    that has not ended and would have been tried again; `timed`: its timers, see `timers.rows_of`.
    """
    assert chain.name != ROOT, "the root supervisor cannot be removed"
    if isinstance(chain, Actor):
        assert not chain.live, f"{chain.name} is removed while it lives"
        turns.unblock(chain)
        turns.stop_waiting(chain)
    children.leave(turns, chain)
    turns.drop(chain)
    turns.lifecycle(chain, EventType.REMOVED, {"reason": reason})
    turns.batch.removed.append((turns.at, chain.id))
    turns.batch.phases.append(("removed", reason, chain.id))
    turns.batch.moved.add(chain.name)
    text = f"no-actor: {chain.name} has been removed: {reason}"
    if isinstance(chain, Actor):
        outstanding.abandon_outstanding(turns, chain, text, now_s)
        channels.close_channels(turns, chain, f"{chain.name} has been removed: {reason}")
        channels.forget(turns, chain)
    waits.removed(turns, chain, reason, now_s)
    ticks = timers.drop(turns, chain, timed)
    for message in waiting:
        turn = None
        has_begun = begun is not None and begun[1] == message.id
        if (message.id in ticks or message.kind == LOOP) and not has_begun:
            turns.batch.consumed.append(("cleared", None, message.id))
            continue
        if begun is not None and has_begun:
            turn, _, deliveries, steps = begun
            row = (chain.id, turn, message.kind, message.id, "failed", chain.incarnation, steps)
            turns.batch.turns.append((*row, deliveries, state, None, text, turns.at, False))
        turns.batch.consumed.append(("dead", turn, message.id))
        turns.dead_letter(message, chain.name, None, text, state, None)
        if message.kind in ASKED and not message.replied:
            turns.reply(message, {"err": text}, now_s)
