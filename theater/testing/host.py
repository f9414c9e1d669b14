"""Theater, for one turn of an actor that runs as a unit test: what its functions are answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theater_actor import http
from theater_actor.calls import Event, NotDone
from theater_actor.messages import Message

from theater.calls import SET_INTERVAL, SET_TIMEOUT
from theater.capabilities.timer import why_not

if TYPE_CHECKING:
    from theater.testing.inprocess import InProcess


@dataclass(slots=True)
class Timer:
    """One that is set. `interval_ms`: None if it goes off once."""

    interval_ms: int | None
    due_ms: int


class Host:
    """Answers one actor."""

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
