"""An actor's class as a component: what componentize-py looks for in the module it builds.

    # the module that is built, made by `theater build`
    from theater_actor.component import exports
    from hello import Hello

    globals().update(exports(Hello))

`wit_world` and `componentize_py_types` exist only there. Of Theater they have what the world has
that the class is built for: runtime and messages always, the rest if the class uses it.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any

from componentize_py_types import Err
from wit_world.imports import message_server_host, runtime

try:
    # Where wasi:http is imported, which has a `types` too: see theater.project.languages.world.
    from wit_world.imports.theater_types import ChannelAccept
except ImportError:
    from wit_world.imports.types import ChannelAccept

try:
    from wit_world.imports import store
except ImportError:
    store = None

try:
    from wit_world.imports import timer
except ImportError:
    timer = None

try:
    from wit_world.imports import supervisor
except ImportError:
    supervisor = None

from theater_actor import calls, http
from theater_actor.actor import Actor, accepted, answer, turn
from theater_actor.calls import Channel, ChildError, Event, NotDone
from theater_actor.messages import Message

try:
    from theater_actor.exchange import fetch
except ImportError:
    fetch = None


class _Theater:
    """The host: the functions that the component imports."""

    def log(self, text: str) -> None:
        runtime.log(text)

    def me(self) -> str:
        return runtime.self()

    def chain(self) -> list[Event]:
        return _events(runtime.get_chain().events)

    def shutdown(self, data: bytes | None) -> None:
        _tried(runtime.shutdown, data)

    def send(self, to: str, message: bytes) -> None:
        _tried(message_server_host.send, to, message)

    def request(self, to: str, message: bytes) -> bytes:
        return _tried(message_server_host.request, to, message)

    def outstanding(self) -> list[str]:
        return message_server_host.list_outstanding_requests()

    def respond(self, request: str, answer: bytes) -> None:
        _tried(message_server_host.respond_to_request, request, answer)

    def cancel(self, request: str) -> None:
        _tried(message_server_host.cancel_request, request)

    def open_channel(self, to: str, message: bytes) -> str:
        return _tried(message_server_host.open_channel, to, message)

    def say(self, channel: str, message: bytes) -> None:
        _tried(message_server_host.send_on_channel, channel, message)

    def close(self, channel: str) -> None:
        _tried(message_server_host.close_channel, channel)

    def provided(self, interface: str, name: str) -> Any:
        raise AttributeError(f"{interface} has its own bindings here, and no {name}")

    def fetch(self, request: http.Request) -> http.Response:
        return fetch(request)

    def new_store(self) -> str:
        return _tried(store.new)

    def put(self, id: str, content: bytes, label: str | None) -> str:
        if label is None:
            return _tried(store.store, id, content).hash
        return _tried(store.store_at_label, id, label, content).hash

    def get(self, id: str, hash: str) -> bytes:
        return _tried(store.get, id, store.ContentRef(hash))

    def exists(self, id: str, hash: str) -> bool:
        return _tried(store.exists, id, store.ContentRef(hash))

    def label(self, id: str, label: str, hash: str) -> None:
        _tried(store.label, id, label, store.ContentRef(hash))

    def unlabel(self, id: str, label: str, hash: str | None) -> None:
        if hash is None:
            _tried(store.remove_label, id, label)
        else:
            _tried(store.remove_from_label, id, label, store.ContentRef(hash))

    def at(self, id: str, label: str) -> str | None:
        found = _tried(store.get_by_label, id, label)
        return None if found is None else found.hash

    def labels(self, id: str) -> list[str]:
        return _tried(store.list_labels, id)

    def contents(self, id: str) -> list[str]:
        return [each.hash for each in _tried(store.list_all_content, id)]

    def size(self, id: str) -> int:
        return _tried(store.calculate_total_size, id)

    def set_interval(self, name: str, interval_ms: int) -> None:
        _tried(timer.set_interval, name, interval_ms)

    def set_timeout(self, name: str, delay_ms: int) -> None:
        _tried(timer.set_timeout, name, delay_ms)

    def clear_timer(self, name: str) -> None:
        _tried(timer.clear_interval, name)

    def now(self) -> int:
        return timer.now()

    def spawn(self, manifest: str, state: bytes | None) -> str:
        return _tried(supervisor.spawn, manifest, state)

    def resume(self, manifest: str, state: bytes | None) -> str:
        return _tried(supervisor.resume, manifest, state)

    def children(self) -> list[str]:
        return supervisor.list_children()

    def stop_child(self, child: str) -> None:
        _tried(supervisor.stop_child, child)

    def restart_child(self, child: str) -> None:
        _tried(supervisor.restart_child, child)

    def child_state(self, child: str) -> bytes | None:
        return _tried(supervisor.get_child_state, child)

    def child_events(self, child: str) -> list[Event]:
        return _events(_tried(supervisor.get_child_events, child))

    def subscribe(self, child: str) -> None:
        _tried(supervisor.subscribe_to_child, child)

    def unsubscribe(self, child: str) -> None:
        _tried(supervisor.unsubscribe_from_child, child)


def _tried(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except Err as error:
        raise NotDone(error.value) from None


def _events(found: list[Any]) -> list[Event]:
    return [Event(each.hash, each.parent_hash, each.event_type, each.data) for each in found]


def exports(kind: type[Actor]) -> dict[str, type]:
    """The classes that the component's world exports, by their names."""
    calls.use(_Theater())

    def run(state: bytes | None, method: str, *arguments: Any) -> tuple[bytes | None, Any]:
        """What the method raises becomes an Err with its name, and a traceback in the log: a
        runtime that panics tells less."""
        try:
            return turn(kind, state, method, *arguments)
        except Exception as error:
            sys.stderr.write(traceback.format_exc())  # in one piece: each write is an event
            raise Err(f"{type(error).__name__}: {error}") from None

    class Exported:
        def init(self, state: bytes | None, params: tuple[str]) -> tuple[bytes | None]:
            return (run(state, "on_start")[0],)

    class Client:
        def handle_send(self, state: bytes | None, params: tuple[bytes]) -> tuple[bytes | None]:
            return (run(state, "on_message", Message(params[0]))[0],)

        def handle_request(
            self, state: bytes | None, params: tuple[str, bytes]
        ) -> tuple[bytes | None, tuple[bytes | None]]:
            request, message = params
            state, returned = run(state, "on_request", Message(message), request)
            return state, (answer(returned),)

        def handle_channel_open(
            self, state: bytes | None, params: tuple[str, bytes]
        ) -> tuple[bytes | None, tuple[ChannelAccept]]:
            channel, message = params
            state, returned = run(state, "on_channel_open", Channel(channel), Message(message))
            return state, (ChannelAccept(*accepted(returned)),)

        def handle_channel_message(
            self, state: bytes | None, params: tuple[str, bytes]
        ) -> tuple[bytes | None]:
            channel, message = params
            return (run(state, "on_channel_message", Channel(channel), Message(message))[0],)

        def handle_channel_close(
            self, state: bytes | None, params: tuple[str]
        ) -> tuple[bytes | None]:
            return (run(state, "on_channel_close", Channel(params[0]))[0],)

    class TimerClient:
        def handle_tick(self, state: bytes | None, params: tuple[str]) -> tuple[bytes | None]:
            return (run(state, "on_tick", params[0])[0],)

    class SupervisorHandlers:
        def handle_child_error(
            self, state: bytes | None, params: tuple[str, Any]
        ) -> tuple[bytes | None]:
            child, error = params
            type_ = error.error_type.name.lower().replace("_", "-")
            found = ChildError(type_, (error.data or b"").decode(errors="replace"))
            return (run(state, "on_child_error", child, found)[0],)

        def handle_child_exit(
            self, state: bytes | None, params: tuple[str, bytes | None]
        ) -> tuple[bytes | None]:
            child, data = params
            result = None if data is None else Message(data)
            return (run(state, "on_child_exit", child, result)[0],)

        def handle_child_external_stop(
            self, state: bytes | None, params: tuple[str]
        ) -> tuple[bytes | None]:
            return (run(state, "on_child_stopped", params[0])[0],)

        def handle_child_event(
            self, state: bytes | None, params: tuple[str, str, bytes]
        ) -> tuple[bytes | None]:
            return (run(state, "on_child_event", *params)[0],)

    found: dict[str, type] = {"Actor": Exported, "MessageServerClient": Client}
    if timer is not None:
        found["TimerClient"] = TimerClient
    if supervisor is not None:
        found["SupervisorHandlers"] = SupervisorHandlers
    return found
