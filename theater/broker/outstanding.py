"""Decide what becomes of requests that were received and not answered. Pure.

A request is outstanding from the end of the turn that received it without an answer, until it is
answered or cancelled by its callee, or nobody waits any more. It has one answer, the first. One
that comes later is dropped and counted: the worker that gave it could not know.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from theater.broker.actors import REQUEST, Actor, Ask, Handed, Outstanding
from theater.broker.book import ToWorker
from theater.broker.mailbox import Message
from theater.calls import SUPERVISOR

if TYPE_CHECKING:
    from theater.broker.turns import Turns

RESPOND, CANCEL = "respond-to-request", "cancel-request"
NOBODY = "timeout: nobody waited for the answer any more"

Row = tuple[int, str, int, int, str | None, int | None, int | None, str | None]


# What a callee does


def answer(turns: Turns, actor: Actor, id: str, value: dict[str, Any], now_s: float) -> None:
    """The callee answers or cancels a request, maybe the one that it is handling."""
    handled = actor.handed[0].message
    if handled is not None and handled.kind == REQUEST and handled.request_id() == id:
        if handled.replied:
            turns.batch.count("late_answers")
        else:
            handled.replied = True
            turns.reply(handled, value, now_s)
    elif id in actor.outstanding:
        request = _settle(turns, actor, id)
        turns.reply(request, value, now_s)
    else:
        turns.batch.count("late_answers")


def end_turn(turns: Turns, actor: Actor, handed: Handed, reply: bytes | None, now_s: float) -> None:
    """The turn that received a request has ended, with a reply or without."""
    message = handed.message
    assert message is not None
    if reply is None and not message.replied and turns.is_awaited(message):
        turns.consume(actor, handed, "outstanding")
        _add(turns, actor, message, handed.turn)
        return
    turns.consume(actor, handed, "done")
    if reply is not None:
        if message.replied:
            turns.batch.count("late_answers")
        else:
            turns.reply(message, {"ok": reply}, now_s)
    elif not message.replied:
        if message.client is not None:
            turns.reply(message, {"err": NOBODY}, now_s)
        turns.out.append(ToWorker(actor, ("settled", message.request_id())))


def belongs_to_another(turns: Turns, actor: Actor, id: str) -> bool:
    """Whether this is a request to somebody else. One that is settled is nobody's any more."""
    if id in actor.outstanding:
        return False
    name, _, numbers = id.rpartition(":")
    name, _, turn = name.rpartition(":")
    asker = turns.actors.get(name)
    current = asker.current if asker is not None else None
    if current is None or current.ask is None:
        return False
    if current.ask.callee == actor.name and current.ask.interface != SUPERVISOR:
        return False
    return (turn, numbers) == (str(current.turn), str(current.ask.index))


def known(actor: Actor) -> list[str]:
    """What its worker has received and not answered, as far as it is committed."""
    ids = list(actor.outstanding)
    if actor.current is not None and actor.handed:
        handled = actor.handed[0].message
        if handled is not None and handled.kind == REQUEST and not handled.replied:
            ids.append(handled.request_id())
    return ids


# What happens to the others


def forget_ask(turns: Turns, asker: Actor, turn: int, ask: Ask) -> None:
    """An actor does not wait for this answer any more."""
    callee = turns.actors.get(ask.callee) if ask.callee is not None else None
    id = f"{asker.name}:{turn}:{ask.index}"
    if callee is not None and id in callee.outstanding:
        _settle(turns, callee, id)


def forget_client(turns: Turns, client: str, why: str, now_s: float) -> None:
    """A client does not wait any more for the answer to what it asked under this id."""
    found = turns.client_requests.get(client)
    if found is None:
        turns.gone_clients.add(client)  # until the turn ends that receives it
        return
    callee, id = found
    turns.reply(_settle(turns, callee, id), {"err": why}, now_s)


def abandon_outstanding(turns: Turns, actor: Actor, reason: str, now_s: float) -> None:
    """The callee will not answer what it has received: it is removed, or begins anew."""
    for id in list(actor.outstanding):
        turns.reply(_settle(turns, actor, id), {"err": reason}, now_s)


def _add(turns: Turns, actor: Actor, message: Message, turn: int) -> None:
    id = message.request_id()
    actor.outstanding[id] = Outstanding(replace(message, body=b"", body_hash=None), turn)
    if message.client is not None:
        turns.client_requests[message.client] = (actor, id)
        turns.put_off.append((message.client, actor.name))


def _settle(turns: Turns, actor: Actor, id: str) -> Message:
    """It is no longer outstanding. The worker need not know of it, but had better."""
    found = actor.outstanding.pop(id)
    turns.batch.consumed.append(("done", found.turn, found.message.id))
    turns.out.append(ToWorker(actor, ("settled", id)))
    if found.message.client is not None:
        turns.client_requests.pop(found.message.client, None)
    return found.message


# Start-up


def load(turns: Turns, rows: Iterable[Row], now_s: float) -> None:
    """Take up what the log has. Everybody is there who goes on; who is not has been removed."""
    for callee, name, id, turn, sender, sender_turn, sender_index, client in rows:
        message = Message(id, REQUEST, sender, sender_turn, sender_index, client, b"")
        actor = turns.by_id.get(callee)
        if actor is not None:
            _add(turns, actor, message, turn)
            continue
        turns.batch.consumed.append(("done", turn, id))
        if client is not None:  # what an actor waits for see `sweep`
            turns.reply(message, {"err": f"no-actor: {name} has been removed"}, now_s)


def sweep(turns: Turns, now_s: float) -> None:
    """All open turns are there that go on: settle what has lost its callee, or its asker."""
    for actor in turns.actors.values():
        ask = actor.current.ask if actor.current is not None else None
        if ask is not None and ask.callee is not None and ask.callee not in turns.actors:
            text = f"no-actor: {ask.callee} has been removed"
            turns.answer(actor, {"err": text}, now_s)
        for id, each in list(actor.outstanding.items()):
            if not turns.is_awaited(each.message):
                _settle(turns, actor, id)
