"""Write an actor for Theater in Python, as a class.

    from dataclasses import dataclass
    from theater_actor import Actor, Message, log, send

    @dataclass
    class State:
        greeted: int = 0

    class Hello(Actor):
        state: State

        def on_message(self, message: Message) -> None:
            self.state.greeted += 1
            log(f"hello, {message.text}")

`theater build` makes a WebAssembly component of it, interpreter and all. What an actor has to
remember it keeps in its state: that is committed with each turn, and given back to the next one,
also after a crash. Anything else, a global or an attribute, is gone after a restart.

The same functions work in an ordinary test, without wasm: see `theater.testing`.
"""

from theater_actor.actor import LATER, Actor
from theater_actor.calls import (
    Channel,
    ChildError,
    Event,
    NotDone,
    Store,
    cancel,
    chain,
    child_events,
    child_state,
    children,
    clear_timer,
    log,
    me,
    now,
    open_channel,
    outstanding,
    request,
    respond,
    restart_child,
    resume,
    send,
    set_interval,
    set_timeout,
    shutdown,
    spawn,
    stop_child,
    subscribe,
    unsubscribe,
)
from theater_actor.handlers import handler
from theater_actor.messages import Message, Sendable
from theater_actor.state import StateError

__all__ = [
    "LATER",
    "Actor",
    "Channel",
    "ChildError",
    "Event",
    "Message",
    "NotDone",
    "Sendable",
    "StateError",
    "Store",
    "cancel",
    "chain",
    "child_events",
    "child_state",
    "children",
    "clear_timer",
    "handler",
    "log",
    "me",
    "now",
    "open_channel",
    "outstanding",
    "request",
    "respond",
    "restart_child",
    "resume",
    "send",
    "set_interval",
    "set_timeout",
    "shutdown",
    "spawn",
    "stop_child",
    "subscribe",
    "unsubscribe",
]
