"""Run an actor's class as an ordinary unit test: without wasm, without a system, in milliseconds.

    from theater.testing import InProcess

    def test_it_greets() -> None:
        hello = InProcess(Hello)
        hello.message("ann")
        assert hello.state.greeted == 1
        assert hello.logged == ["hello, ann"]

`handlers` has what provides each interface that the actor calls: an object of the very class that
the manifest names, or one of a test's own.

What holds in Theater holds here: each turn gets a fresh object made of the state's bytes; what is
sent leaves when the turn ends, or at an ask; a turn that raises leaves the state as it was, and
what came after its last ask has not happened. A request is answered by whoever `answers` has. Time
passes when the test says so: `wait` has all timers go off that are due by then.
"""

from __future__ import annotations

import inspect
import itertools
import sys
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from theater_actor import http
from theater_actor import state as states
from theater_actor.actor import accepted, answer, state_type, turn
from theater_actor.calls import Channel, ChildError, NotDone, use
from theater_actor.messages import Message, encoded

from theater.handler import DECLARED, Declared, Effect, Failed, Key
from theater.testing.children import Children, Manifest
from theater.testing.host import Host, Timer
from theater.testing.stores import Stores

if TYPE_CHECKING:
    from theater_actor import Actor

Answer = Callable[[Message], Any] | str | bytes | Exception | Any


EPOCH_MS = 1_700_000_000_000  # what time it is at first


class InProcess:
    """One actor. `initial_state`: bytes, or what the state's type is; `address`: its own."""

    def __init__(
        self,
        kind: type[Actor],
        initial_state: Any = None,
        *,
        address: str = "actor",
        answers: dict[str, Answer] | None = None,
        handlers: dict[str, Any] | None = None,
        stores: Mapping[str, Any] | None = None,
        web: Callable[[http.Request], http.Response] | None = None,
        manifests: Mapping[str, Manifest] | None = None,
    ) -> None:
        """Starts it: `on_start` runs. `answers`: what other actors answer, by address; a function
        is given the message, an exception is raised. `handlers`: by their interfaces. `stores`:
        what its handler `store` is granted, as in a manifest: `{"shared": ["catalog"]}`. `web`:
        answers requests by HTTP, which else are denied. `manifests`: what it can spawn: the name
        of the actor in each; an exception is raised."""
        self._kind = kind
        self._type = state_type(kind)
        self.address = address
        self.answers = dict(answers or {})
        self.handlers = dict(handlers or {})
        self.web = web
        self.fetched: list[http.Request] = []
        self.logged: list[str] = []
        self.sent: list[tuple[str, Message]] = []
        self.asked: list[tuple[str, Message]] = []
        self.responded: dict[str, Message | None] = {}  # None: cancelled
        self.said: list[tuple[str, Message]] = []  # on channels, by their ids
        self.closed: list[str] = []
        self.outstanding: list[str] = []
        self.timers: dict[str, Timer] = {}  # by their names
        self.now_ms = EPOCH_MS
        self.shut_down: Message | None = None
        self.stores = Stores(self, stores or {})  # by id, each with its contents and labels
        self.children = Children(self, manifests or {})  # by their addresses
        self._is_over = False
        self._numbers = itertools.count(1)
        self._held: list[Callable[[], None]] = []
        self.state_bytes: bytes | None = (
            initial_state
            if initial_state is None or isinstance(initial_state, bytes)
            else states.encode(initial_state, self._type)
        )
        self._turn("on_start")

    @property
    def state(self) -> Any:
        """As the next turn would find it. Changing it changes nothing."""
        return states.decode(self.state_bytes, self._type)

    # What others do

    def message(self, message: Any) -> None:
        """Send it a message. Raises what the actor raises."""
        self._turn("on_message", Message(encoded(message)))

    def request(self, message: Any) -> Message | None:
        """Ask it; None: it answers later, see `outstanding` and `responded`."""
        id = f"client:{next(self._numbers)}"
        self.outstanding.append(id)
        try:
            given = answer(self._turn("on_request", Message(encoded(message)), id))
        except BaseException:
            if id in self.outstanding:
                self.outstanding.remove(id)
            raise
        if given is None:
            return None
        self.outstanding.remove(id)
        return Message(given)

    def open_channel(self, message: Any = b"") -> tuple[Channel | None, Message | None]:
        """Open a channel to it: (the channel, if it is accepted; the first message back)."""
        channel = Channel(f"client:{next(self._numbers)}")
        returned = self._turn("on_channel_open", channel, Message(encoded(message)))
        is_accepted, first = accepted(returned)
        return channel if is_accepted else None, None if first is None else Message(first)

    def channel_message(self, channel: Channel, message: Any) -> None:
        self._turn("on_channel_message", channel, Message(encoded(message)))

    def channel_close(self, channel: Channel) -> None:
        self._turn("on_channel_close", channel)

    def child_error(self, child: str, text: str, kind: str = "internal") -> None:
        """One that it has spawned has failed, of this; its supervisor starts it again."""
        self.children.of_test(child)
        self._turn("on_child_error", child, ChildError(kind, text))

    def child_exit(self, child: str, result: Any = None) -> None:
        """One has ended by itself, and is not started again."""
        self.children.of_test(child).running = False
        data = None if result is None else Message(encoded(result))
        self._turn("on_child_exit", child, data)

    def child_stopped(self, child: str) -> None:
        """Somebody else has had one stopped."""
        self.children.of_test(child).running = False
        self._turn("on_child_stopped", child)

    def child_event(self, child: str, type: str, data: bytes = b"") -> None:
        """One has an event more, which it is told of if it has subscribed to it."""
        if self.children.of_test(child).subscribed:
            self._turn("on_child_event", child, type, data)

    def wait(self, ms: int) -> None:
        """Let time pass: `on_tick` for each timer that is due meanwhile, in order."""
        end_ms = self.now_ms + ms
        while due := [(timer.due_ms, name) for name, timer in self.timers.items()]:
            self.now_ms, name = min(due)
            if self.now_ms > end_ms:
                break
            timer = self.timers[name]
            if timer.interval_ms is None:
                del self.timers[name]
            else:
                timer.due_ms += timer.interval_ms
            self._turn("on_tick", name)
        self.now_ms = end_ms

    def _turn(self, method: str, *arguments: Any) -> Any:
        if self._is_over:
            raise RuntimeError(f"{self.address} has shut down")
        before = use(Host(self))
        try:
            new, returned = turn(self._kind, self.state_bytes, method, *arguments)
        except BaseException:
            self._held.clear()
            raise
        finally:
            use(before)
        self.commit()
        self.state_bytes = new
        self._is_over = self.shut_down is not None
        return returned

    # What it does

    def next_number(self) -> int:
        return next(self._numbers)

    def hold(self, effect: Callable[[], None]) -> None:
        self._held.append(effect)

    def commit(self) -> None:
        held, self._held = self._held, []
        for effect in held:
            effect()

    def provided(self, interface: str, name: str) -> Any:
        """A function of a handler, or a class that it takes."""
        made = self.handlers.get(interface)
        if made is None:
            raise RuntimeError(
                f"nothing provides {interface} in this test: handlers={{{interface!r}: ...}}"
            )
        found = getattr(made, name, None)
        if found is None:
            found = getattr(sys.modules[type(made).__module__], name)
        return self._call_of(found) if inspect.ismethod(found) else found

    def _call_of(self, method: Any) -> Callable[..., Any]:
        """As in a component: without the key, and what fails as it is said to."""
        hints = typing.get_type_hints(method)
        declared = getattr(method, DECLARED, Declared())
        keys = [name for name, hint in hints.items() if hint is Key]

        def call(*arguments: Any) -> Any:
            if declared.effect is not Effect.READ:
                self.commit()
            given = {name: f"{self.address}:{next(self._numbers)}" for name in keys}
            taken = [name for name in inspect.signature(method).parameters if name not in given]
            try:
                return method(**dict(zip(taken, arguments, strict=True)), **given)
            except Failed as error:
                raise NotDone(f"failed: {error}") from None

        return call

    def answer_of(self, to: str, message: Message) -> bytes:
        found = self.answers.get(to, NotDone(f"no-actor: there is no actor {to!r}"))
        if callable(found) and not isinstance(found, type):
            found = found(message)
        if isinstance(found, Exception):
            raise found
        return encoded(found)
