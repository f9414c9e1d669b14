"""The endpoint for the command line and the Python API: messages in, answers and news out.

Client to broker:
    send     id, address, body              answered by `ok` once committed
    request  id, address, body, timeout_s   answered by `answer`
    retry    id, dead letter                answered by `ok` with the new message, once committed
    drop     id, dead letter                answered by `ok` once committed
    watch    id                             answered by `ok`, then `committed` after each commit
Broker to client:
    ok id number   answer id {ok: body} or {err: text}   error id text   committed seq

An id is the client's own, unique for ever; a message or a decision that comes again under its id
is recognised, and its answer is given again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import zmq

from theater import wire
from theater.addresses import check_address
from theater.broker import dead, outstanding
from theater.broker.deadlines import Deadlines
from theater.broker.links import parse_peer
from theater.broker.log import Log
from theater.broker.turns import Turns
from theater.errors import ProtocolError

MESSAGES = {"send": 3, "request": 4, "retry": 2, "drop": 2, "watch": 1}
DECISIONS = {"retry": dead.RETRIED, "drop": dead.DROPPED}
ID_MAX = 128
# Who asked before this broker was here may never ask for the answer again. A client that waits
# does so after two seconds, and then its own timeout counts.
LIFE_S = 60.0


@dataclass(slots=True)
class _Asked:
    id: str  # the client's own
    route: bytes  # b"": it has not asked this broker
    to: str
    timeout_s: float
    deadline_s: float | None  # None: it has been answered
    alarm_s: float | None = None  # see deadlines.py


class Clients:
    def __init__(
        self, socket: zmq.Socket[bytes], turns: Turns, log: Log, workers: Container[int]
    ) -> None:
        self.socket = socket
        self._turns = turns
        self._log = log
        self._workers = workers  # pids: a worker is no client
        self._asked: dict[str, _Asked] = {}  # open requests by the client's id
        self.deadlines: Deadlines[_Asked] = Deadlines()
        self._fresh: set[str] = set()  # ids of what is in the batch that is not committed yet
        self._acks: list[tuple[bytes, tuple[Any, ...]]] = []  # sent after the commit
        self._watchers: set[bytes] = set()
        self._told = 0

    def take(self, until_s: float, now_s: float) -> None:
        """What has arrived, until it is `until_s` by the monotonic clock; one message at least.

        ZeroMQ gives a message of each client in turn.
        """
        while True:
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            if len(frames) == 2:
                self._from_peer(frames[0].bytes, frames[1], now_s)
            if time.monotonic() >= until_s:
                return

    def _from_peer(self, route: bytes, frame: Any, now_s: float) -> None:
        uid, pid = parse_peer(frame.get("Peer-Address"))
        if uid != os.getuid() or pid in self._workers:
            return
        try:
            message = wire.unpack_message(frame.bytes, MESSAGES)
            self._take_one(route, message, now_s)
        except ProtocolError as error:
            self._send(route, ("error", None, f"refused: {error}"))

    def _take_one(self, route: bytes, message: list[Any], now_s: float) -> None:
        kind, id = message[0], message[1]
        if not isinstance(id, str) or not 0 < len(id) <= ID_MAX:
            raise ProtocolError("a message needs an id of 1 to 128 characters")
        if kind == "watch":
            self._watchers.add(route)
            self._send(route, ("ok", id, self._turns.next_seq - 1))
            return
        if kind in DECISIONS:
            self._decide(route, id, kind, message[2])
            return
        to, body = message[2], message[3]
        if not isinstance(to, str) or not isinstance(body, bytes):
            raise ProtocolError(f"{kind} is not (address, bytes)")
        wrong = check_address(to)
        if wrong is not None:
            self._send(route, ("error", id, f"no-actor: {wrong}"))
            return
        timeout_s = 0.0
        if kind == "request":
            timeout_s = message[4]
            if not isinstance(timeout_s, int | float) or not 0 < timeout_s <= 2e6:
                raise ProtocolError("a timeout is a number of seconds above 0, up to 2,000,000")
            again = self._asked.get(id)
            if again is not None and again.route:  # sent once more: its time goes on
                again.route = route
            else:
                self._expect(id, route, to, timeout_s, now_s)
        if id in self._fresh:
            return
        before = self._log.client_message(id)
        if before is not None:
            self._again(route, id, kind, before)
            return
        row, error = self._turns.deliver_from_client(to, body, kind, id)
        if error is not None:
            self._forget(id)
            self._send(route, ("error", id, error))
            return
        self._fresh.add(id)
        if kind == "send":
            self._acks.append((route, ("ok", id, row)))

    def _expect(self, id: str, route: bytes, to: str, timeout_s: float, now_s: float) -> None:
        self._forget(id)
        self._turns.gone_clients.discard(id)
        asked = self._asked[id] = _Asked(id, route, to, timeout_s, now_s + timeout_s)
        self.deadlines.watch(asked)

    def _again(
        self, route: bytes, id: str, kind: str, before: tuple[int, str, bytes | None, str]
    ) -> None:
        row, _status, answer, first_kind = before
        if kind != first_kind:
            self._forget(id)
            self._send(route, ("error", id, f"refused: id {id} was a {first_kind}"))
        elif kind == "send":
            self._send(route, ("ok", id, row))
        elif answer is not None:
            self.answer(id, wire.unpack(answer))

    def _decide(self, route: bytes, id: str, kind: str, number: Any) -> None:
        """Retry or drop the dead letter of this number."""
        if type(number) is not int or not 0 < number < 1 << 63:
            raise ProtocolError(f"{kind} is not about the number of a dead letter")
        if id in self._fresh:
            return
        before = self._log.client_decision(id)
        if before is not None:
            letter, status, again = before
            if (letter, status) == (number, DECISIONS[kind]):
                self._send(route, ("ok", id, again or number))
            else:
                text = f"refused: id {id} was for dead letter {letter}, which was {status}"
                self._send(route, ("error", id, text))
            return
        done, error = self._decide_now(id, kind, number)
        if error is not None:
            self._send(route, ("error", id, error))
            return
        self._fresh.add(id)
        self._acks.append((route, ("ok", id, done)))

    def _decide_now(self, id: str, kind: str, number: int) -> tuple[int, str | None]:
        row = self._log.dead_letter(number)
        if row is None:
            return 0, f"refused: there is no dead letter {number}"
        letter = dead.letter_from(number, row)
        if kind == "retry":
            return dead.retry(self._turns, letter, id)
        return number, dead.drop(self._turns, letter, id)

    def answer(self, id: str, value: dict[str, Any]) -> None:
        """A committed answer to a client's request."""
        asked = self._forget(id)
        if asked is not None:
            self._send(asked.route, ("answer", id, value))

    def _forget(self, id: str) -> _Asked | None:
        asked = self._asked.pop(id, None)
        if asked is not None:
            asked.deadline_s = None
        return asked

    def time_out(self, now_s: float) -> None:
        put_off, self._turns.put_off = self._turns.put_off, []
        for client, callee in put_off:
            if client not in self._asked:
                self._expect(client, b"", callee, LIFE_S, now_s)
        for asked in self.deadlines.take(now_s):
            self._forget(asked.id)
            text = f"timeout: no answer from {asked.to} within {asked.timeout_s:g} s"
            outstanding.forget_client(self._turns, asked.id, text, now_s)
            if asked.route:
                self._send(asked.route, ("error", asked.id, text))

    def has_acknowledgements(self) -> bool:
        """Whether a client waits for a commit."""
        return bool(self._fresh)

    def committed(self, seq: int) -> None:
        """A batch is committed up to event `seq`: acknowledge and wake."""
        acks, self._acks = self._acks, []
        self._fresh.clear()
        for route, message in acks:
            self._send(route, message)
        if seq != self._told:
            self._told = seq
            for route in list(self._watchers):
                self._send(route, ("committed", seq))

    def _send(self, route: bytes, message: tuple[Any, ...]) -> None:
        try:
            self.socket.send_multipart((route, wire.pack(message)), zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            # A client that only does not read stays: what waits for it wakes it up.
            if error.errno == zmq.EHOSTUNREACH:
                self._watchers.discard(route)
