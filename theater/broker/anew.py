"""Decide what is left of an actor that begins anew: `init` with the initial state. Pure.

Its mailbox stays, and with it how often each message has killed a worker. The turn it had open is
set aside, what it owed to others is answered with an error, its timers are cleared, its loop ends,
and its next turn is `init`. If the worker dies before that has committed, the next one does it
again: it is written down that the actor has not been initialised.
"""

from __future__ import annotations

from theater.broker import channels, outstanding, rounds, timers
from theater.broker.actors import Actor, Handed
from theater.broker.burial import abandon
from theater.broker.register import tell_initial_state
from theater.broker.turns import Turns
from theater.events import EventType

RENUMBERED = "its actor began anew: its message has another turn"  # or none: a tick, a loop


def reinitialise(turns: Turns, actor: Actor, why: str, now_s: float) -> None:
    """The incarnation that is about to be born begins with `init`; the one before is dead.

    `why`: on_restart, or operator. Nothing is done where `init` comes next anyway.
    """
    if not actor.initialised and actor.current is None:
        return
    abandon(turns, actor, "interrupted: its actor began anew", now_s)
    reason = f"{actor.name} began anew"
    outstanding.abandon_outstanding(turns, actor, f"interrupted: {reason}", now_s)
    channels.close_channels(turns, actor, reason)
    if actor.initialised:
        _renumber(turns, actor)
    timers.clear_all(turns, actor)
    rounds.clear(turns, actor)
    tell_initial_state(turns, actor)
    turns.lifecycle(actor, EventType.REINITIALISED, {"reason": why})
    actor.initialised = False
    turns.batch.initialised.append((0, actor.id))


def _renumber(turns: Turns, actor: Actor) -> None:
    """The number of a turn that has failed stands in the chain, and `init` comes before it."""
    window = actor.mailbox.window
    if window and window[0].numbered:
        handed = Handed(actor.next_turn, window[0].kind, window[0])
        turns.turn_row(actor, handed, "renumbered", 0, reason=RENUMBERED)
        window[0].numbered = False
        actor.committed = (handed.turn, 1 << 62)
        actor.next_turn += 1
