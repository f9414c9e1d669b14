"""The workers' endpoint: steps in, inputs, answers and acknowledgements out.

A worker that nobody knows yet is judged only after root has been heard, which speaks of every
worker before it is born: its HELLO is put aside until then, and what it says after it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import zmq

from theater import linux, wire
from theater.broker import handing
from theater.broker.actors import Actor
from theater.broker.book import Welcome
from theater.broker.links import Hello, Links, parse_peer
from theater.broker.step import BadStep
from theater.broker.turns import Turns
from theater.errors import ProtocolError

MESSAGES = {"hello": 4, "step": 5}
TEXT_MAX = 2000  # characters of why an incarnation has to end: they go into chains and to a parent


@dataclass(slots=True)
class Stranger:
    hello: Hello
    said: list[bytes] = field(default_factory=list)  # after its HELLO


class Workers:
    def __init__(self, socket: zmq.Socket[bytes], turns: Turns) -> None:
        self.socket = socket
        self.links = Links()
        self.strangers: dict[bytes, Stranger] = {}  # not judged yet, by routing id
        self._turns = turns

    def take(self, until_s: float, now_s: float) -> None:
        """What has arrived, until it is `until_s` by the monotonic clock; one message at least.

        ZeroMQ gives a message of each worker in turn.
        """
        receive = self.socket.recv
        routes = self.links.routes
        while True:
            try:
                route = receive(zmq.NOBLOCK)
            except zmq.Again:
                return
            actor = routes.get(route)
            frame: Any = receive(copy=actor is not None)
            while self.socket.getsockopt(zmq.RCVMORE):
                receive()  # our messages have one frame; what has more is ignored below
                frame = b""
            if actor is not None:
                self.from_worker(actor, frame, now_s)
            else:
                self._from_stranger(route, frame)
            if time.monotonic() >= until_s:
                return

    def from_worker(self, actor: Actor, data: bytes, now_s: float) -> None:
        try:
            message = wire.unpack_message(data, MESSAGES)
            if message[0] == "step":
                _, turn, step, input_id, events, blobs = _typed_step(message)
                self._turns.step(actor, turn, step, input_id, events, blobs, now_s)
            elif message[0] == "hello":
                # The worker has waited for an acknowledgement: it says who it is once more.
                self._welcome(actor)
        except BadStep as error:
            self._violation(actor, str(error))
        except ProtocolError as error:
            self._violation(actor, str(error))

    def _violation(self, actor: Actor, text: str) -> None:
        """Fence the incarnation at once; root kills it."""
        self.links.unbind(actor)
        actor.fenced = True
        actor.due_s = None
        self._turns.batch.count("violations")
        why = f"protocol: {text[:TEXT_MAX]}"  # what it says may be the worker's own words
        self._turns.tell_root("violation", actor.name, actor.incarnation, why)

    # Strangers

    def _from_stranger(self, route: bytes, frame: Any) -> None:
        data = frame if isinstance(frame, bytes) else frame.bytes
        if route in self.strangers:
            self.strangers[route].said.append(data)
            return
        try:
            message = wire.unpack_message(data, MESSAGES)
        except ProtocolError:
            return
        if message[0] != "hello":
            self.send(route, [("who",)])
            return
        _, name, incarnation, secret, _last = message
        if type(name) is str and type(incarnation) is int and type(secret) is bytes:
            _uid, pid = parse_peer(frame.get("Peer-Address"))
            self.strangers[route] = Stranger(Hello(route, name, incarnation, secret, pid))

    def judge(self, strangers: dict[bytes, Stranger], now_s: float) -> None:
        """Believe or refuse them. What a believed one has said since counts."""
        for route, stranger in strangers.items():
            self._hello(stranger.hello, now_s)
            for data in stranger.said:
                actor = self.links.routes.get(route)
                if actor is None:
                    break  # it says all of it again when it has waited in vain
                self.from_worker(actor, data, now_s)

    def _hello(self, hello: Hello, now_s: float) -> None:
        actor = self._turns.actors.get(hello.actor)
        refusal = self.links.hello(hello, actor)
        if refusal is None:
            assert actor is not None
            if actor.revived:  # before anything that it says about them
                handing.hand_out(actor, now_s)
            self._welcome(actor)
        elif refusal:
            linux.complain(f"broker: refused a worker: {refusal}")
            self.send(hello.route, [("refused", refusal)])

    def _welcome(self, actor: Actor) -> None:
        """A worker has said who it is: it is told where it stands once this batch is committed."""
        self._turns.out.append(Welcome(actor))
        if actor.initialised and actor.phase == "starting":
            self._turns.ready(actor)
        self._turns.touched[actor.name] = actor

    # What root tells

    def started(self, actor: Actor, pid: int, now_s: float) -> None:
        early = self.links.started(actor, pid)
        if early is not None:
            self._hello(early, now_s)

    def gone(self, actor: Actor) -> None:
        self.links.gone(actor)

    def send(self, route: bytes, messages: list[tuple[Any, ...]]) -> None:
        try:
            self.socket.send_multipart((route, wire.pack(messages)), zmq.NOBLOCK)
        except zmq.ZMQError as error:
            # The worker is gone or has reconnected; it will say HELLO, or root will tell.
            if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise


def _typed_step(message: list[Any]) -> list[Any]:
    _, turn, step, input_id, events, blobs = message
    if not type(turn) is type(step) is type(input_id) is int:
        raise ProtocolError("a step has a number that is none")
    if not isinstance(events, list) or not isinstance(blobs, list):
        raise ProtocolError("a step has no lists of events and contents")
    return message
