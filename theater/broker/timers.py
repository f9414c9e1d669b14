"""Decide when timers go off, and what becomes of their ticks. Pure.

A timer is a row from the step that sets it until it is cleared, or has gone off once and that has
been handled. When its time has come a tick enters the mailbox of its actor, in the transaction that
says when the next one is due. A timer has one tick at most that has not been handled: while that
waits the timer stands, and what comes due meanwhile is that one. The next tick keeps the rate.

A timer runs by the broker's clock. Its row has the Unix time at which it is due, for the next
broker and the next run: what is left then is what it has to wait. One that came due meanwhile goes
off at once, and once. So does one of an actor that takes no messages now, when it takes them again.

A tick is no message that anybody sent: it never becomes a dead letter because it cannot be
delivered, and it is taken out of the mailbox again when its timer is cleared or set anew. A worker
has it only as the first of what it holds (see handing.py), so nobody has it then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from theater.broker.actors import TICK, Actor, Chain, Timer
from theater.broker.mailbox import Message
from theater.broker.step import BadStep, Effect
from theater.calls import CLEAR, SET_INTERVAL, TIMER

if TYPE_CHECKING:
    from theater.broker.post import Post

MOST = 1000  # ticks in one commit

Row = tuple[int, str, int | None, float, int | None, int, int]


# What an actor does


def check(actor: Actor, effects: Iterable[Effect]) -> None:
    """Whether it may do this in a step. Its worker knows its timers, and says no by itself."""
    settings = actor.settings
    names: set[str] | None = None
    for effect in effects:
        if effect.interface != TIMER:
            continue
        if not settings.max_timers:
            raise BadStep(f"it called {effect.function}, which its manifest does not grant")
        if names is None:
            names = set(actor.timers)
        if effect.function == CLEAR:
            names.discard(effect.name)
            continue
        if TICK not in settings.takes:
            raise BadStep(f"it set the timer {effect.name!r}, and has no export for a tick")
        if effect.name not in names and len(names) >= settings.max_timers:
            raise BadStep(f"it set the timer {effect.name!r} beside {len(names)} others")
        names.add(effect.name)


def do(post: Post, actor: Actor, turn: int, effect: Effect, now_s: float) -> None:
    """Set a timer, instead of the one that has its name; or clear it."""
    _clear(post, actor, effect.name)
    if effect.function == CLEAR:
        return
    interval_ms = effect.number if effect.function == SET_INTERVAL else None
    after_s = effect.number / 1000
    due = (now_s + after_s, post.at + after_s)
    timer = Timer(actor, effect.name, interval_ms, *due, turn, effect.index)
    actor.timers[timer.name] = timer
    _write(post, timer)
    post.timers.watch(timer)


def _clear(post: Post, actor: Actor, name: str) -> None:
    timer = actor.timers.pop(name, None)
    if timer is None:
        return
    post.timers.forget(timer)
    post.batch.timers[actor.id, name] = None
    handled = actor.handed[0].message if actor.handed else None
    if timer.tick is not None and (handled is None or handled.id != timer.tick):
        post.take_out(actor, timer.tick, len(name.encode()))


# What happens to them


def go_off(post: Post, now_s: float) -> int:
    """Send the ticks whose time has come, as many as one commit takes. How many that were."""
    timers = post.timers.take(now_s, MOST)
    for timer in timers:
        timer.tick = post.put_tick(timer.actor, timer.name)
        if timer.interval_ms is not None:
            _advance(post, timer, now_s)
        _write(post, timer)
    return len(timers)


def handled(post: Post, actor: Actor, message: Message, now_s: float) -> None:
    """The turn of a tick is over, however it ended."""
    timer = actor.timers.get(message.body.decode())
    if timer is None or timer.tick != message.id:
        return  # its own turn has cleared it or set it anew, or it is a dead letter's
    if timer.interval_ms is None:
        del actor.timers[timer.name]
        post.batch.timers[actor.id, timer.name] = None
        return
    timer.tick = None
    if timer.due_s <= now_s:
        _advance(post, timer, now_s)
    _write(post, timer)
    post.timers.watch(timer)


def wake(post: Post, actor: Actor) -> None:
    """It may take ticks again."""
    for timer in actor.timers.values():
        post.timers.watch(timer)


def clear_all(post: Post, actor: Actor) -> None:
    """It begins anew. It has no worker."""
    for name in list(actor.timers):
        _clear(post, actor, name)


def rows_of(actor: Actor) -> list[tuple[str, int | None]]:
    """(name, its tick) of its timers, for when it is removed."""
    return [(timer.name, timer.tick) for timer in actor.timers.values()]


def drop(post: Post, actor: Chain, rows: Iterable[tuple[str, int | None]]) -> set[int]:
    """The actor is gone for good, and these timers with it. Returns the ticks that wait: they are
    for nobody, and no dead letters."""
    ticks = set()
    for name, tick in rows:
        post.batch.timers[actor.id, name] = None
        if tick is not None:
            ticks.add(tick)
    if isinstance(actor, Actor):
        for timer in actor.timers.values():
            post.timers.forget(timer)
        actor.timers.clear()
    return ticks


def known(actor: Actor) -> list[tuple[str, bool]]:
    """(name, whether it goes off once) of those there are, for its worker."""
    return [(timer.name, timer.interval_ms is None) for timer in actor.timers.values()]


def _advance(post: Post, timer: Timer, now_s: float) -> None:
    """The first time after now that keeps its rate."""
    assert timer.interval_ms is not None
    interval_s = timer.interval_ms / 1000
    missed = max(0, int((now_s - timer.due_s) // interval_s))
    timer.due_s += (missed + 1) * interval_s
    if timer.due_s <= now_s:  # by what a float cannot hold
        timer.due_s += interval_s
    timer.due_at = post.at + timer.due_s - now_s


def _write(post: Post, timer: Timer) -> None:
    row = (timer.interval_ms, timer.due_at, timer.tick, timer.turn, timer.index)
    post.batch.timers[timer.actor.id, timer.name] = row


# Start-up


def load(post: Post, rows: Iterable[Row], now_s: float) -> None:
    """Take up what the log has of those who are there. Who is not has been removed."""
    for id, name, interval_ms, due_at, tick, turn, index in rows:
        actor = post.by_id.get(id)
        if actor is None:
            continue
        left_s = due_at - post.at
        if interval_ms is not None:  # not longer than it takes, if the machine's clock was set back
            left_s = min(left_s, interval_ms / 1000)
        timer = Timer(actor, name, interval_ms, now_s + left_s, due_at, turn, index, tick)
        actor.timers[name] = timer
        post.timers.watch(timer)
