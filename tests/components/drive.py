"""Drive one component with wasmtime alone, and a host made of Python lists.

Nothing of Theater is in between, so that a failure here is a failure of the component.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wasmtime
from wasmtime import component as wc

MEBIBYTE = 1024 * 1024
POLLABLE = 1  # the number of our one resource type


@functools.cache
def engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.consume_fuel = True
    return wasmtime.Engine(config)


@functools.cache
def load(path: Path) -> wc.Component:
    return wc.Component(engine(), path.read_text())


@dataclass
class Host:
    """What the component asked for, in order, and what it gets for an answer."""

    self_id: str = "pool/me"
    logged: list[str] = field(default_factory=list)
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    shutdowns: list[bytes | None] = field(default_factory=list)
    registered: int = 0
    calls: list[str] = field(default_factory=list)
    slept_ns: list[int] = field(default_factory=list)  # nobody really sleeps
    send_error: str | None = None
    answer: bytes | str = b"pong"  # a string is an Err
    outstanding: list[str] = field(default_factory=list)
    told: list[tuple[Any, ...]] = field(default_factory=list)  # calls about requests and channels
    channel: str = "pool/me:1:2"  # that is opened
    now_ms: int = 1_700_000_000_123
    timed: list[tuple[Any, ...]] = field(default_factory=list)  # calls about timers
    timer_error: str | None = None

    def functions(self) -> dict[str, dict[str, Callable[..., Any]]]:
        return {
            "theater:simple/runtime": {
                "log": self._log,
                "self": lambda _store: self.self_id,
                "get-chain": self._get_chain,
                "shutdown": lambda _store, data: self.shutdowns.append(data),
            },
            "theater:simple/message-server-host": {
                "register": self._register,
                "send": self._send,
                "request": self._request,
                "list-outstanding-requests": lambda _store: self.outstanding,
                "respond-to-request": self._tell("respond"),
                "cancel-request": self._tell("cancel"),
                "open-channel": self._open,
                "send-on-channel": self._tell("say"),
                "close-channel": self._tell("close"),
            },
            "theater:simple/timer": {
                "set-interval": self._set("set-interval"),
                "set-timeout": self._set("set-timeout"),
                "clear-interval": self._clear,
                "now": lambda _store: self.now_ms,
            },
            "wasi:io/poll@0.2.0": {
                "[method]pollable.block": lambda store, pollable: pollable.drop(store)
            },
            "wasi:clocks/monotonic-clock@0.2.0": {"subscribe-duration": self._subscribe_duration},
        }

    def _log(self, _store: object, text: str) -> None:
        self.logged.append(text)

    def _register(self, _store: object) -> None:
        self.registered += 1

    def _subscribe_duration(self, _store: object, duration_ns: int) -> wc.ResourceHost:
        self.slept_ns.append(duration_ns)
        return wc.ResourceHost.own(len(self.slept_ns), POLLABLE)

    def _get_chain(self, _store: object) -> wc.Record:
        chain = wc.Record()
        chain.events = []  # type: ignore[attr-defined]  # a record has the fields it is given
        for number in range(12):
            event = wc.Record()
            vars(event).update(
                {"hash": b"h", "parent-hash": None, "event-type": f"e{number}", "data": b""}
            )
            chain.events.append(event)  # type: ignore[attr-defined]
        return chain

    def _send(self, _store: object, to: str, message: bytes) -> str | None:
        self.calls.append("send")
        self.sent.append((to, message))
        return self.send_error

    def _request(self, _store: object, to: str, message: bytes) -> bytes | str:
        self.calls.append("request")
        self.asked.append((to, message))
        return self.answer

    def _tell(self, name: str) -> Callable[..., str | None]:
        def call(_store: object, *arguments: Any) -> str | None:
            self.told.append((name, *arguments))
            return self.send_error

        return call

    def _set(self, name: str) -> Callable[..., Any]:
        def call(_store: object, timer: str, after_ms: int) -> Any:
            self.timed.append((name, timer, after_ms))
            # Of one type both cases are told apart by their names alone.
            return wc.Variant("ok", timer) if self.timer_error is None else self._refused()

        return call

    def _clear(self, _store: object, timer: str) -> str | None:
        self.timed.append(("clear-interval", timer))
        return self.timer_error

    def _refused(self) -> Any:
        return wc.Variant("err", self.timer_error)

    def _open(self, _store: object, to: str, message: bytes) -> Any:
        self.told.append(("open", to, message))
        if self.send_error is None:
            return wc.Variant("ok", self.channel)
        return wc.Variant("err", self.send_error)


class Actor:
    """One instance, its state, and its host."""

    def __init__(
        self, path: Path, *, self_id: str = "pool/me", memory_bytes: int = MEBIBYTE
    ) -> None:
        self.host = Host(self_id)
        self.state: bytes | None = None
        self._store = wasmtime.Store(engine())
        self._store.set_limits(memory_size=memory_bytes)
        self._store.set_fuel(10**9)
        linker = wc.Linker(engine())
        with linker.root() as root:
            for interface, functions in self.host.functions().items():
                with root.add_instance(interface) as instance:
                    if interface.startswith("wasi:io/poll"):
                        pollable = wc.ResourceType.host(POLLABLE)
                        instance.add_resource("pollable", pollable, lambda _store, rep: None)
                    for function, implementation in functions.items():
                        instance.add_func(function, implementation)
        self._instance = linker.instantiate(self._store, load(path))

    def _call(self, interface: str, function: str, params: tuple[Any, ...]) -> Any:
        index = self._instance.get_export_index(self._store, f"theater:simple/{interface}")
        assert index is not None
        index = self._instance.get_export_index(self._store, function, index)
        assert index is not None
        called = self._instance.get_func(self._store, index)
        assert called is not None
        result = called(self._store, self.state, params)
        called.post_return(self._store)
        if isinstance(result, tuple):
            self.state = result[0]
        return result

    def init(self, state: bytes | None = None) -> str | None:
        """The text of the Err, if any."""
        self.state = state
        result = self._call("actor", "init", (self.host.self_id,))
        return result if isinstance(result, str) else None

    def send(self, message: bytes) -> str | None:
        """The text of the Err, if any."""
        result = self._call("message-server-client", "handle-send", (message,))
        return result if isinstance(result, str) else None

    def tick(self, timer: str) -> str | None:
        """The text of the Err, if any."""
        result = self._call("timer-client", "handle-tick", (timer,))
        return result if isinstance(result, str) else None

    def opened(self, channel: str, message: bytes) -> Any:
        """(accepted, message), or the text of the Err as a string."""
        result = self._call("message-server-client", "handle-channel-open", (channel, message))
        if isinstance(result, str):
            return result
        return result[1][0].accepted, result[1][0].message

    def said(self, channel: str, message: bytes) -> None:
        self._call("message-server-client", "handle-channel-message", (channel, message))

    def closed(self, channel: str) -> None:
        self._call("message-server-client", "handle-channel-close", (channel,))

    def ask(self, message: bytes) -> Any:
        """The reply (None: later), or the text of the Err as a string."""
        result = self._call("message-server-client", "handle-request", ("request-1", message))
        return result if isinstance(result, str) else result[1][0]
