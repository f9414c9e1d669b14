"""What an actor can do: functions, each granted by a handler in the manifest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from theater_actor.messages import Message, Sendable, encoded


class NotDone(Exception):
    """A call was answered with an error. `kind` is its first word, without the colon.

    timeout, cycle, no-actor, no-content, stopped, refused, failed, mailbox-full, too-large,
    cancelled or interrupted.
    """

    def __init__(self, text: str) -> None:
        self.kind = text.partition(":")[0]
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a chain: the actor's own, or that of one which it has spawned."""

    hash: bytes
    parent_hash: bytes | None
    type: str
    data: bytes


class Host(Protocol):
    """Whoever answers: Theater, or a fake in a test. Errors are NotDone."""

    def log(self, text: str) -> None: ...
    def me(self) -> str: ...
    def chain(self) -> list[Event]: ...
    def shutdown(self, data: bytes | None) -> None: ...
    def send(self, to: str, message: bytes) -> None: ...
    def request(self, to: str, message: bytes) -> bytes: ...
    def outstanding(self) -> list[str]: ...
    def respond(self, request: str, answer: bytes) -> None: ...
    def cancel(self, request: str) -> None: ...
    def open_channel(self, to: str, message: bytes) -> str: ...
    def say(self, channel: str, message: bytes) -> None: ...
    def close(self, channel: str) -> None: ...
    def provided(self, interface: str, name: str) -> Any: ...
    def fetch(self, request: Any) -> Any: ...
    def new_store(self) -> str: ...
    def put(self, store: str, content: bytes, label: str | None) -> str: ...
    def get(self, store: str, hash: str) -> bytes: ...
    def exists(self, store: str, hash: str) -> bool: ...
    def label(self, store: str, label: str, hash: str) -> None: ...
    def unlabel(self, store: str, label: str, hash: str | None) -> None: ...
    def at(self, store: str, label: str) -> str | None: ...
    def labels(self, store: str) -> list[str]: ...
    def contents(self, store: str) -> list[str]: ...
    def size(self, store: str) -> int: ...
    def set_interval(self, name: str, interval_ms: int) -> None: ...
    def set_timeout(self, name: str, delay_ms: int) -> None: ...
    def clear_timer(self, name: str) -> None: ...
    def now(self) -> int: ...
    def spawn(self, manifest: str, state: bytes | None) -> str: ...
    def resume(self, manifest: str, state: bytes | None) -> str: ...
    def children(self) -> list[str]: ...
    def stop_child(self, child: str) -> None: ...
    def restart_child(self, child: str) -> None: ...
    def child_state(self, child: str) -> bytes | None: ...
    def child_events(self, child: str) -> list[Event]: ...
    def subscribe(self, child: str) -> None: ...
    def unsubscribe(self, child: str) -> None: ...


_host: Host | None = None


def use(host: Host | None) -> Host | None:
    """Have this host answer from now on; returns the one before."""
    global _host
    before, _host = _host, host
    return before


def host() -> Host:
    if _host is None:
        raise RuntimeError(
            "there is no Theater here: an actor's functions work in a component, and in a test that"
            " runs the actor with theater.testing"
        )
    return _host


# Handler `runtime`


def log(text: object) -> None:
    """Write a line into the log."""
    host().log(str(text))


def me() -> str:
    """The actor's own address, as `shop/clerk`."""
    return host().me()


def chain() -> list[Event]:
    """The actor's own committed events, the oldest first; at most the handler's `max_events`."""
    return host().chain()


def shutdown(data: Sendable = None) -> None:
    """Stop this actor, normally, once the turn has committed; `data` is its result."""
    host().shutdown(None if data is None else encoded(data))


# Handler `message-server`


def send(to: str, message: Sendable) -> None:
    """Send a message. It leaves when the turn commits. NotDone if it may not, or is too large."""
    host().send(to, encoded(message))


def request(to: str, message: Sendable) -> Message:
    """Ask another actor, and wait for its answer.

    An ask is a commit point: what came before it in this turn stays, whatever comes later. So ask
    first and send last. NotDone if there is no answer: timeout, failed, no-actor ...
    """
    return Message(host().request(to, encoded(message)))


def outstanding() -> list[str]:
    """The requests that this actor has received and not answered yet."""
    return host().outstanding()


def respond(request: str, answer: Sendable) -> None:
    """Answer a request that was put off with LATER. NotDone if nobody waits any more."""
    host().respond(request, encoded(answer))


def cancel(request: str) -> None:
    """Tell whoever made a request that there will be no answer."""
    host().cancel(request)


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel to another actor: both may send until one of them closes it.

    Only its id is data: keep that in the state, and make `Channel(id)` of it in a later turn.
    """

    id: str

    def send(self, message: Sendable) -> None:
        """NotDone if it is closed."""
        host().say(self.id, encoded(message))

    def close(self) -> None:
        host().close(self.id)


def open_channel(to: str, message: Sendable = b"") -> Channel:
    """Ask another actor for a channel, and wait until it accepts. NotDone if it does not."""
    return Channel(host().open_channel(to, encoded(message)))


# Handler `store`


@dataclass(frozen=True, slots=True)
class Store:
    """A store: what is put there is named by its hash, and stays; labels name it, and change.

    `Store("catalog")` is one that the manifest grants, `Store.new()` one of the actor's own. Only
    its id is data: keep that in the state, and make `Store(id)` of it in a later turn. Labels
    change when the turn commits; what is asked about them is a commit point, like a request. What
    is refused raises NotDone.
    """

    id: str

    @classmethod
    def new(cls) -> Store:
        return cls(host().new_store())

    def put(self, content: Sendable, label: str | None = None) -> str:
        """Keep a content: its hash. `label`: that names it from then on, and nothing else."""
        return host().put(self.id, encoded(content), label)

    def get(self, hash: str) -> Message:
        """The content. NotDone if there is none of this hash."""
        return Message(host().get(self.id, hash))

    def exists(self, hash: str) -> bool:
        return host().exists(self.id, hash)

    def label(self, label: str, hash: str) -> None:
        """Let a label name a content that is there."""
        host().label(self.id, label, hash)

    def unlabel(self, label: str, hash: str | None = None) -> None:
        """Take a label away. `hash`: only if it names that content."""
        host().unlabel(self.id, label, hash)

    def at(self, label: str) -> str | None:
        """The hash of the content that a label names."""
        return host().at(self.id, label)

    def labels(self) -> list[str]:
        return host().labels(self.id)

    def contents(self) -> list[str]:
        """The hashes of all that is there."""
        return host().contents(self.id)

    def size(self) -> int:
        """Bytes of all contents."""
        return host().size(self.id)


# Handler `timer`


def set_interval(name: str, interval_ms: int) -> None:
    """Have `on_tick(name)` called again and again, first after `interval_ms`, which is 10 at least.

    It is set when the turn commits, and outlives every restart. A timer of the same name is
    replaced, whatever it was. NotDone if it is refused.
    """
    host().set_interval(name, interval_ms)


def set_timeout(name: str, delay_ms: int) -> None:
    """As `set_interval`, once."""
    host().set_timeout(name, delay_ms)


def clear_timer(name: str) -> None:
    """There is no timer of this name any more, and no tick of it that has not come yet."""
    host().clear_timer(name)


def now() -> int:
    """Milliseconds since the epoch (1970, UTC)."""
    return host().now()


# Handler `supervisor`. Each of these is a commit point, like a request; what is refused, and what
# does not start, raises NotDone.


@dataclass(frozen=True, slots=True)
class ChildError:
    """What has ended a child. `kind`: operation-timeout, if it took too long; else internal."""

    kind: str
    text: str  # as `theater why` tells it: `trap: ...`, `err: ...`


def spawn(manifest: str, state: Sendable | None = None) -> str:
    """Start an actor, and wait until its `init` has committed: its address, as `boss/worker-2`.

    `manifest`: a template of the handler's, or a file in the directory of the actor's own manifest.
    `state`: what its `init` is given, in place of the manifest's initial state.
    """
    return host().spawn(manifest, None if state is None else encoded(state))


def resume(manifest: str, state: Sendable | None = None) -> str:
    """The same, with this for its state as if its `init` had returned it: it is not called."""
    return host().resume(manifest, None if state is None else encoded(state))


def children() -> list[str]:
    """The addresses of all that the actor has spawned, also of those that are stopped."""
    return host().children()


def stop_child(child: str) -> None:
    """Stop it. It stays one of the actor's children, and its mailbox stays."""
    host().stop_child(child)


def restart_child(child: str) -> None:
    """Stop it if it runs, and start it again, with its state unless its manifest says otherwise."""
    host().restart_child(child)


def child_state(child: str) -> Message | None:
    """Its last committed state; None: it has none."""
    found = host().child_state(child)
    return None if found is None else Message(found)


def child_events(child: str) -> list[Event]:
    """Its last committed events, the oldest first; at most 1,000."""
    return host().child_events(child)


def subscribe(child: str) -> None:
    """Have `on_child_event` called for each event of its chain from now on."""
    host().subscribe(child)


def unsubscribe(child: str) -> None:
    """No more of its events; what waits already still comes."""
    host().unsubscribe(child)
