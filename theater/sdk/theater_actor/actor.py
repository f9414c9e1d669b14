"""The class that an actor is written as, and one turn of it: state in, state out.

An actor's object lives for one turn. It is made anew of the state for each, here as in a component,
so that an attribute that is not in the state is missed in the first test and not after a crash.
"""

from __future__ import annotations

import typing
from typing import Any

from theater_actor import state as states
from theater_actor.calls import Channel, ChildError
from theater_actor.messages import Message, encoded


class _Later:
    """A request that is answered in a later turn."""

    def __repr__(self) -> str:
        return "LATER"


LATER = _Later()


class Actor:
    """Subclass it, and say the type of the state: `state: State`; `state.py` says what it may be.

    Each method is one turn. What it sends leaves, and its state is kept, when it has returned; if
    it raises, nothing of it has happened but what came before its last ask.
    """

    state: Any = None

    def on_start(self) -> None:
        """Once, before anything else: when the actor is started for the first time."""

    def on_message(self, message: Message) -> None:
        """Somebody has sent a message."""
        raise NotImplementedError(f"{type(self).__name__} takes no messages: it has no on_message")

    def on_request(self, message: Message, request: str) -> Any:
        """Somebody asks. Return the answer; or LATER, and `respond(request, answer)` in a later
        turn.

        The answer is what `send` takes too: bytes, a string, or anything that JSON has words for.
        """
        raise NotImplementedError(f"{type(self).__name__} takes no requests: it has no on_request")

    def on_channel_open(self, channel: Channel, message: Message) -> Any:
        """Somebody wants to open a channel. Return False to refuse it; anything else but None and
        True is the first message back."""
        return False

    def on_channel_message(self, channel: Channel, message: Message) -> None:
        """Something was said on a channel."""

    def on_channel_close(self, channel: Channel) -> None:
        """The other side has closed a channel, or is gone."""

    def on_tick(self, timer: str) -> None:
        """A timer has gone off that `set_interval` or `set_timeout` has set."""
        raise NotImplementedError(f"{type(self).__name__} takes no ticks: it has no on_tick")

    def on_child_error(self, child: str, error: ChildError) -> None:
        """One that it has spawned has failed. It is restarted by itself, as its manifest says."""

    def on_child_exit(self, child: str, result: Message | None) -> None:
        """One has ended by itself, with the data of its `shutdown`."""

    def on_child_stopped(self, child: str) -> None:
        """Somebody else has had one stopped."""

    def on_child_event(self, child: str, type: str, data: bytes) -> None:
        """One that it has subscribed to has one event more, with these bytes; or, as `skipped`, so
        many as the digits of `data` say had no room to wait."""

    def upgrade(self, stored: Any) -> Any:
        """Make what JSON has of an older state what it is now. Called before it becomes a State,
        with what was stored, also if nothing has changed."""
        return stored


Returned = tuple[bytes | None, Any]


def turn(kind: type[Actor], stored: bytes | None, method: str, *arguments: Any) -> Returned:
    """Run one method on a fresh object: (the new state, what the method returned)."""
    actor = kind()
    type_ = state_type(kind)
    if stored is not None and kind.upgrade is not Actor.upgrade and type_ is not bytes:
        stored = _upgraded(actor, stored)
    actor.state = states.decode(stored, type_)
    returned = getattr(actor, method)(*arguments)
    return states.encode(actor.state, type_), returned


def state_type(kind: type[Actor]) -> Any:
    """What the class says its state is."""
    found = typing.get_type_hints(kind).get("state", Any)
    return Any if found is Any else found


def _upgraded(actor: Actor, stored: bytes) -> bytes:
    import json

    try:
        plain = json.loads(stored)
    except ValueError:
        return stored
    return encoded(actor.upgrade(plain))


def answer(returned: Any) -> bytes | None:
    """What a request is answered with; None: later."""
    return None if returned is LATER else encoded(b"" if returned is None else returned)


def accepted(returned: Any) -> tuple[bool, bytes | None]:
    """Whether a channel is accepted, and the first message back."""
    if returned is False:
        return False, None
    return True, None if returned is None or returned is True else encoded(returned)
