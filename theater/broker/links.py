"""Decide who is who on the workers' socket. Pure: routing ids and peers come in as data.

A routing id is chosen by the peer and proves nothing. A worker is believed after HELLO: its
incarnation must be the current one, its secret the one that root gave it, and its process, as
the kernel names it, the one that root started.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from theater.broker.actors import Actor
from theater.quoting import quoted


@dataclass(frozen=True, slots=True)
class Hello:
    route: bytes
    actor: str
    incarnation: int
    secret: bytes
    pid: int  # of the peer, from the kernel


@dataclass(slots=True)
class Links:
    routes: dict[bytes, Actor] = field(default_factory=dict)
    early: dict[str, Hello] = field(default_factory=dict)  # said before root told the pid
    pids: dict[int, Actor] = field(default_factory=dict)  # of the workers that live

    def started(self, actor: Actor, pid: int) -> Hello | None:
        """Root has told the worker's pid. Returns the HELLO that has waited for this."""
        actor.pid = pid
        self.pids[pid] = actor
        return self.early.pop(actor.name, None)

    def gone(self, actor: Actor) -> None:
        """The worker has been reaped; the kernel may give its pid to another one."""
        self.unbind(actor)
        if actor.pid is not None and self.pids.get(actor.pid) is actor:
            del self.pids[actor.pid]

    def hello(self, hello: Hello, actor: Actor | None) -> str | None:
        """Bind the route. Returns why not, "" when the worker has to wait for root's word."""
        if actor is None:
            return f"there is no actor {quoted(hello.actor)}"
        if hello.incarnation > actor.incarnation:
            return ""  # root is about to tell; the worker asks again when it has waited
        if not actor.live or actor.fenced or hello.incarnation != actor.incarnation:
            return f"incarnation {hello.incarnation} of {actor.name} is not the current one"
        if hello.secret != actor.secret:
            return "the secret is wrong"
        if actor.pid is None:
            self.early[actor.name] = hello
            return ""
        if hello.pid != actor.pid:
            return f"process {hello.pid} is not the worker of {actor.name}"
        if actor.route is not None:
            self.routes.pop(actor.route, None)
        actor.route = hello.route
        self.routes[hello.route] = actor
        return None

    def unbind(self, actor: Actor) -> None:
        if actor.route is not None:
            self.routes.pop(actor.route, None)
            actor.route = None
        self.early.pop(actor.name, None)


def parse_peer(address: str | bytes) -> tuple[int, int]:
    """(uid, pid) from ZeroMQ's Peer-Address of an ipc peer, `localhost:uid:gid:pid`."""
    text = address if isinstance(address, str) else address.decode()
    try:
        uid, _gid, pid = text.rsplit(":", 3)[-3:]
        return int(uid), int(pid)
    except ValueError:
        return -1, -1
