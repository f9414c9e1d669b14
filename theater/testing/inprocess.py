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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theater_actor import http
from theater_actor import state as states
from theater_actor.actor import accepted, answer, state_type, turn
from theater_actor.calls import Channel, ChildError, Event, NotDone, use
from theater_actor.messages import Message, encoded

from theater.calls import SET_INTERVAL, SET_TIMEOUT
from theater.capabilities.timer import why_not
from theater.handler import DECLARED, Declared, Effect, Failed, Key
from theater.testing.children import Children, Manifest
from theater.testing.stores import Stores

if TYPE_CHECKING:
    from theater_actor import Actor

Answer = Callable[[Message], Any] | str | bytes | Exception | Any


EPOCH_MS = 1_700_000_000_000  # what time it is at first


@dataclass(slots=True)
class Timer:
    """One that is set. `interval_ms`: None if it goes off once."""

    interval_ms: int | None
    due_ms: int


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
        before = use(_Host(self))
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


class _Host:
    """Theater, for one turn."""

    def __init__(self, actor: InProcess) -> None:
        self._actor = actor

    def log(self, text: str) -> None:
        self._actor.logged.append(text)  # also of a turn that fails, as in `theater logs`

    def me(self) -> str:
        return self._actor.address

    def chain(self) -> list[Event]:
        return []

    def shutdown(self, data: bytes | None) -> None:
        actor = self._actor
        actor.hold(lambda: setattr(actor, "shut_down", Message(data or b"")))

    def send(self, to: str, message: bytes) -> None:
        actor = self._actor
        actor.hold(lambda: actor.sent.append((to, Message(message))))

    def request(self, to: str, message: bytes) -> bytes:
        self._actor.commit()
        self._actor.asked.append((to, Message(message)))
        return self._actor.answer_of(to, Message(message))

    def outstanding(self) -> list[str]:
        return list(self._actor.outstanding)

    def respond(self, request: str, answer: bytes) -> None:
        self._settle(request, Message(answer))

    def cancel(self, request: str) -> None:
        self._settle(request, None)

    def _settle(self, request: str, answer: Message | None) -> None:
        actor = self._actor
        if request not in actor.outstanding:
            raise NotDone(f"refused: no outstanding request {request}")

        def settle() -> None:
            actor.outstanding.remove(request)
            actor.responded[request] = answer

        actor.hold(settle)

    def open_channel(self, to: str, message: bytes) -> str:
        self._actor.commit()
        self._actor.asked.append((to, Message(message)))
        self._actor.answer_of(to, Message(message))
        return f"{self._actor.address}:channel-{self._actor.next_number()}"

    def say(self, channel: str, message: bytes) -> None:
        actor = self._actor
        if channel in actor.closed:
            raise NotDone(f"refused: no open channel {channel}")
        actor.hold(lambda: actor.said.append((channel, Message(message))))

    def close(self, channel: str) -> None:
        actor = self._actor
        actor.hold(lambda: actor.closed.append(channel))

    def provided(self, interface: str, name: str) -> Any:
        return self._actor.provided(interface, name)

    def fetch(self, request: http.Request) -> http.Response:
        actor = self._actor
        if actor.web is None:
            raise NotDone("http-request-denied: nobody answers in this test: web=...")
        actor.commit()
        actor.fetched.append(request)
        return actor.web(request)

    def new_store(self) -> str:
        return self._actor.stores.new()

    def put(self, store: str, content: bytes, label: str | None) -> str:
        return self._actor.stores.put(store, content, label)

    def get(self, store: str, hash: str) -> bytes:
        return self._actor.stores.content(store, hash)

    def exists(self, store: str, hash: str) -> bool:
        return self._actor.stores.exists(store, hash)

    def label(self, store: str, label: str, hash: str) -> None:
        self._actor.stores.label(store, label, hash)

    def unlabel(self, store: str, label: str, hash: str | None) -> None:
        self._actor.stores.unlabel(store, label, hash)

    def at(self, store: str, label: str) -> str | None:
        return self._actor.stores.at(store, label)

    def labels(self, store: str) -> list[str]:
        return self._actor.stores.labels(store)

    def contents(self, store: str) -> list[str]:
        return self._actor.stores.contents(store)

    def size(self, store: str) -> int:
        return self._actor.stores.size(store)

    def set_interval(self, name: str, interval_ms: int) -> None:
        self._set(SET_INTERVAL, name, interval_ms, interval_ms)

    def set_timeout(self, name: str, delay_ms: int) -> None:
        self._set(SET_TIMEOUT, name, delay_ms, None)

    def _set(self, function: str, name: str, after_ms: int, interval_ms: int | None) -> None:
        wrong = why_not(function, name, after_ms)
        if wrong is not None:
            raise NotDone(wrong)
        actor = self._actor

        def set_it() -> None:
            actor.timers[name] = Timer(interval_ms, actor.now_ms + after_ms)

        actor.hold(set_it)

    def clear_timer(self, name: str) -> None:
        actor = self._actor

        def clear() -> None:
            actor.timers.pop(name, None)

        actor.hold(clear)

    def now(self) -> int:
        return self._actor.now_ms

    def spawn(self, manifest: str, state: bytes | None) -> str:
        return self._actor.children.spawn(manifest, state, resumed=False)

    def resume(self, manifest: str, state: bytes | None) -> str:
        return self._actor.children.spawn(manifest, state, resumed=True)

    def children(self) -> list[str]:
        self._actor.commit()
        return list(self._actor.children)

    def stop_child(self, child: str) -> None:
        self._actor.children.asked(child).running = False

    def restart_child(self, child: str) -> None:
        found = self._actor.children.asked(child)
        found.running = True
        found.restarts += 1

    def child_state(self, child: str) -> bytes | None:
        return self._actor.children.asked(child).state

    def child_events(self, child: str) -> list[Event]:
        return list(self._actor.children.asked(child).events)

    def subscribe(self, child: str) -> None:
        self._actor.children.asked(child).subscribed = True

    def unsubscribe(self, child: str) -> None:
        self._actor.children.asked(child).subscribed = False
