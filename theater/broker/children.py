"""Decide what actors are told of those that they have spawned, and what they may ask. Pure.

What has to be done to a process root does: it is told of the ask when that is committed. All else
is answered in the same transaction, from what is known here.

A parent is told of each end of a child in the transaction that records it. What it has subscribed
to comes as messages, of which at most `WAITING_MAX` wait for it, and none enters a full mailbox: a
chatty child neither fills it nor waits for it. An event that is larger than a message may be is no
message either. What is left out is counted, and the count is told before what comes next, or when
there is room again, as an event of the type `skipped`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgpack

from theater.addresses import parent as above
from theater.broker import waits
from theater.broker.actors import Actor, Ask, Chain, OpenTurn, Subscription
from theater.broker.book import ChainPart, StatePart
from theater.broker.chains import first_shown
from theater.broker.mailbox import Message
from theater.broker.step import BadStep
from theater.broker.storetables import Shelves
from theater.calls import BORN, LOOKED_AT, MANAGED, SUBSCRIBED, SUPERVISOR, WAITS
from theater.capabilities.supervisor import fits_birth, too_large
from theater.events import CHAIN_CODE, state_ref
from theater.quoting import quoted
from theater.stores import manifest_of
from theater.wire import pack

if TYPE_CHECKING:
    from theater.broker.post import Post
    from theater.broker.turns import Turns

ERROR, EXIT, EXTERNAL_STOP = "child-error", "child-exit", "child-external-stop"
EVENT = "child-event"
KINDS = frozenset({ERROR, EXIT, EXTERNAL_STOP, EVENT})  # of messages that no child has sent
WAITING_MAX = 64  # events of one child that wait for its parent
SKIPPED = "skipped"  # the type of what says how many were left out
EVENTS_MAX = 1000  # of a child's, that its parent is shown


# What an actor asks


def check(function: str, arguments: list[Any], state_max: int, message_max: int) -> None:
    """BadStep for arguments of an ask about children that no worker of ours has sent."""
    if function == "list-children":
        fits = arguments == []
    elif function in BORN:
        fits = fits_birth(function, arguments)
    else:
        fits = len(arguments) == 1 and isinstance(arguments[0], str)
    if not fits:
        raise BadStep(f"not the arguments of {function}")
    if function in BORN and (wrong := too_large(arguments, state_max, message_max)):
        raise BadStep(f"it called {function}: {wrong}")


def ask(
    turns: Turns, actor: Actor, current: OpenTurn, ask: Ask, arguments: list[Any], now_s: float
) -> None:
    """Answer it, or have root do it. The ask stands in the log already."""
    function = ask.function
    if function == "list-children":
        turns.answer(actor, list(actor.offspring), now_s)
        return
    if function in BORN:
        _bear(turns, actor, current, ask, arguments, now_s)
        return
    child = turns.actors.get(arguments[0])
    if child is None or child.name not in actor.offspring:
        text = f"no-actor: {quoted(arguments[0])} is no child of {actor.name}"
        turns.answer(actor, {"err": text}, now_s)
    elif function in MANAGED:
        _tell_root(turns, actor, current, ask, arguments)
    elif function in LOOKED_AT:
        _show(turns, actor, current, ask, child, now_s)
    else:
        assert function in SUBSCRIBED
        _subscribe(turns, actor, child, function == "subscribe-to-child")
        turns.answer(actor, {"ok": None}, now_s)


def _bear(
    turns: Turns, actor: Actor, current: OpenTurn, ask: Ask, arguments: list[Any], now_s: float
) -> None:
    """Have one spawned. Where its manifest lies in a store is known here."""
    kept, wrong = _kept(turns, actor, arguments[0])
    if wrong is None:
        if ask.timeout_s is not None:
            ask.deadline_s = now_s + ask.timeout_s
        _tell_root(turns, actor, current, ask, arguments, kept)
    else:
        turns.answer(actor, {"err": wrong}, now_s)


def _kept(turns: Turns, actor: Actor, name: str) -> tuple[list[str] | None, str | None]:
    """The store and the hash of the manifest, if it is in one; and why there is none."""
    named = manifest_of(name)
    if named is None:
        return None, None
    store, label = named
    if actor.settings.stores is None:
        return None, f'refused: "store" is not granted to {actor.name}'
    wrong = actor.settings.stores.why_not(store, writes=False)
    if wrong is not None:
        return None, wrong
    hash = Shelves(turns.store_rows, turns.batch).label(store, label)
    if hash is None:
        return None, f"no-content: store {quoted(store)} has no label {quoted(label)}"
    return [store, hash.hex()], None


def _tell_root(
    turns: Turns,
    actor: Actor,
    current: OpenTurn,
    ask: Ask,
    arguments: list[Any],
    kept: list[str] | None = None,
    is_there: bool = False,
) -> None:
    """`kept`: the store and the hash of the manifest, if it is in one; `is_there`: what is to be
    born."""
    key = (actor.name, current.turn, ask.index)
    turns.tell_root("child", *key, ask.function, arguments, kept, is_there)


def reopened(turns: Turns, actor: Actor, current: OpenTurn, ask: Ask, arguments: list[Any]) -> None:
    """An ask that another broker has committed has no answer yet. Whatever has become of a label
    meanwhile, only root knows what it has begun by then."""
    kept, child = None, None
    if ask.function in BORN:
        kept = _kept(turns, actor, arguments[0])[0]
        child = ask.callee = waits.born_of(turns, actor, (current.turn, ask.index))
    _tell_root(turns, actor, current, ask, arguments, kept, child is not None)


def dropped(turns: Turns, actor: Actor, turn: int, ask: Ask) -> None:
    """The turn that has asked is set aside, or waits no longer."""
    if ask.interface == SUPERVISOR and ask.function in BORN:
        turns.tell_root("child_dropped", actor.name, turn, ask.index)


def answered(
    turns: Turns, parent: str, turn: int, index: int, value: dict[str, Any], now_s: float
) -> None:
    """Root has done it, or cannot. Whoever asked may have gone, or not wait any more."""
    actor = turns.actors.get(parent)
    current = actor.current if actor is not None else None
    ask = current.ask if current is not None else None
    if actor is not None and current is not None and ask is not None:
        is_it = (current.turn, ask.index) == (turn, index) and not ask.is_world
        runs = ask.function == WAITS and "ok" in value  # and so its end is waited for
        if is_it and ask.interface == SUPERVISOR and not runs:
            turns.answer(actor, value, now_s)
    turns.tell_root("child_settled", parent, turn, index)


def _show(
    turns: Turns, actor: Actor, current: OpenTurn, ask: Ask, child: Actor, now_s: float
) -> None:
    """A child's state, or its events: what it is is read when it is sent."""
    if ask.function == "get-child-state":
        turns.keep_state(child)
        turns.answer_event(actor, {"ok": state_ref(child.state)})
        part: StatePart | ChainPart = StatePart(actor, current.turn, ask.index, child.state)
    else:
        last = child.length - 1
        first = first_shown(turns, child, EVENTS_MAX, turns.message_max)
        if first is None:
            text = f"too-large: the last event of {child.name} has more bytes than a message"
            turns.answer(actor, {"err": text}, now_s)
            return
        place = pack([child.name, first, last, child.head])
        turns.answer_event(actor, {"ok": msgpack.ExtType(CHAIN_CODE, place)})
        part = ChainPart(actor, current.turn, ask.index, child.name, first, last)
    current.ask = None
    turns.out.append(part)
    actor.due_s = None  # set when the answer is read and sent


# What it is told of


def tell_end(
    turns: Turns, child: Actor, kind: str, reason: str, by_others: bool, now_s: float
) -> None:
    """A process of the child's has ended, which is recorded in this transaction.

    `by_others`: somebody else than its parent has had it stopped.
    """
    parent = turns.actors.get(above(child.name)) if child.birth is not None else None
    if parent is None:
        return
    if waits.birth_of(turns, child) is not None:  # what becomes of it is the answer to that
        waits.ended(turns, child, kind, by_others, now_s)
    elif by_others:
        _tell(turns, parent, child, EXTERNAL_STOP, b"")
    elif kind == "normal":
        _tell(turns, parent, child, EXIT, pack([child.result]))
    elif kind == "crash":
        type = "operation-timeout" if reason.startswith("timeout:") else "internal"
        _tell(turns, parent, child, ERROR, pack([type, reason.encode()]))


def tell_event(turns: Post, child: Actor, type: str, data: bytes) -> None:
    """Its chain, to which its parent has subscribed, has one more event."""
    subscription = child.subscription
    parent = turns.actors.get(above(child.name))
    if subscription is None or parent is None:
        return
    has_room = subscription.waiting < WAITING_MAX and not parent.mailbox.is_full()
    if not has_room or len(data) > turns.message_max:
        return  # it is skipped, as its position says
    skipped = child.length - 1 - subscription.position
    if skipped and not _tell_skipped(turns, parent, child, skipped):
        return
    if _tell(turns, parent, child, EVENT, pack([type, data])):
        subscription.waiting += 1
        _seen(turns, parent, child, child.length)


def consumed(turns: Post, parent: Actor, message: Message) -> None:
    """The parent has been told of an event, and has room for more."""
    child = turns.actors.get(message.sender or "")
    subscription = child.subscription if child is not None else None
    if child is None or subscription is None:
        return
    subscription.waiting = max(0, subscription.waiting - 1)
    skipped = child.length - subscription.position
    if skipped:
        _tell_skipped(turns, parent, child, skipped)


def _tell_skipped(turns: Post, parent: Actor, child: Actor, skipped: int) -> bool:
    """So many events come next of which it was told nothing: as it had no room then, or did not
    take messages. Whether it is told so now."""
    subscription = child.subscription
    assert subscription is not None
    if subscription.waiting >= WAITING_MAX // 2:
        return False
    if not _tell(turns, parent, child, EVENT, pack([SKIPPED, str(skipped).encode()])):
        return False
    subscription.waiting += 1
    _seen(turns, parent, child, subscription.position + skipped)
    return True


def _tell(turns: Post, parent: Actor, child: Actor, kind: str, body: bytes) -> bool:
    if kind not in parent.settings.takes or not parent.takes_messages():
        return False
    message = Message(turns.next_message, kind, child.name, None, None, None, body)
    message.sender_id = child.id
    turns.put_in(message, parent)
    return True


def _subscribe(turns: Turns, parent: Actor, child: Actor, wanted: bool) -> None:
    if wanted and child.subscription is None:
        child.subscription = Subscription(child.length)
        _seen(turns, parent, child, child.length)
    elif not wanted and child.subscription is not None:
        child.subscription = None
        turns.batch.unsubscribed.append((child.id,))


def _seen(turns: Post, parent: Actor, child: Actor, position: int) -> None:
    assert child.subscription is not None
    child.subscription.position = position
    turns.batch.subscriptions.append((parent.id, child.id, position))


# Coming and going


def enter(turns: Turns, child: Actor, spawned: tuple[int, int], spec: bytes) -> None:
    """It has been spawned by the actor above it."""
    child.birth = (spawned[0], spawned[1])
    parent = turns.actors.get(above(child.name))
    if parent is not None:
        parent.offspring[child.name] = None
        keep(turns, child, spawned, spec)
        birth = waits.birth_of(turns, child)
        if birth is not None:
            birth.callee = child.name


def keep(turns: Turns, child: Actor, spawned: tuple[int, int], spec: bytes) -> None:
    """What it is started as, now and by the next system."""
    parent = turns.actors.get(above(child.name))
    if parent is not None:
        turns.batch.children.append((child.id, parent.id, *spawned, spec))


def leave(turns: Turns, child: Chain) -> None:
    """It is gone for good, if it was not before."""
    parent = turns.actors.get(above(child.name))
    if parent is not None:
        parent.offspring.pop(child.name, None)
    turns.batch.children_gone.append((child.id,))
    turns.batch.unsubscribed.append((child.id,))


def subscribed(turns: Turns, child: int, position: int, waiting: int) -> None:
    """At start-up: a row of the log, and how many events wait in the parent's mailbox."""
    actor = turns.by_id.get(child)
    if actor is not None:
        actor.subscription = Subscription(position, waiting)
