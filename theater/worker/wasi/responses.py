"""Responses of wasi:http: read whole, and from memory as a guest asks for them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from theater.worker.wasi.errors import ERR, GONE
from theater.worker.wasi.fields import Entries, Fields, listed
from theater.worker.wasi.io import Io
from theater.worker.wasi.resources import Functions, Held, ResourceTable
from theater.worker.wasi.streams import BodyInput


@dataclass(slots=True)
class Response(Held):
    status: int
    headers: Entries
    pieces: list[bytes]
    trailers: Entries | None
    is_consumed: bool = False

    @classmethod
    def of(cls, kept: list[Any]) -> Response:
        """From what is recorded of it: see `theater.wasi.is_answer`."""
        status, headers, pieces, trailers = kept
        return cls(status, _entries(headers), pieces, trailers and _entries(trailers))

    def kept(self) -> list[Any]:
        trailers = None if self.trailers is None else listed(self.trailers)
        return [self.status, listed(self.headers), self.pieces, trailers]


@dataclass(slots=True)
class IncomingBody(Held):
    pieces: list[bytes]
    trailers: Entries | None
    is_streamed: bool = False


@dataclass(slots=True)
class FutureTrailers(Held):
    trailers: Entries | None
    is_taken: bool = False


class Responses:
    def __init__(self, resources: ResourceTable, io: Io) -> None:
        self._resources = resources
        self._io = io

    def functions(self) -> Functions:
        there = self._resources.there
        return {
            "[method]incoming-response.status": lambda rep: there(rep, Response).status,
            "[method]incoming-response.headers": self._response_headers,
            "[method]incoming-response.consume": self._consume,
            "[method]incoming-body.stream": self._stream,
            "[static]incoming-body.finish": self._finish_incoming,
            "[method]future-trailers.subscribe": self._io.new_ready,
            "[method]future-trailers.get": self._trailers,
        }

    def _response_headers(self, rep: int) -> int:
        fields = Fields(self._resources.there(rep, Response).headers, is_immutable=True)
        return self._resources.add(fields)

    def _consume(self, rep: int) -> dict[str, Any]:
        response = self._resources.get(rep)
        if not isinstance(response, Response) or response.is_consumed:
            return ERR
        response.is_consumed = True
        pieces, response.pieces = response.pieces, []
        return {"ok": self._resources.add(IncomingBody(pieces, response.trailers))}

    def _stream(self, rep: int) -> dict[str, Any]:
        body = self._resources.get(rep)
        if not isinstance(body, IncomingBody) or body.is_streamed:
            return ERR
        body.is_streamed = True
        pieces, body.pieces = body.pieces, []
        return {"ok": self._resources.add(BodyInput(deque(pieces)))}

    def _finish_incoming(self, rep: int) -> int:
        body = self._resources.take(rep)
        trailers = body.trailers if isinstance(body, IncomingBody) else None
        return self._resources.add(FutureTrailers(trailers))

    def _trailers(self, rep: int) -> Any:
        future = self._resources.get(rep)
        if not isinstance(future, FutureTrailers):
            return {"ok": {"err": GONE}}
        if future.is_taken:
            return ERR
        future.is_taken = True
        if future.trailers is None:
            return {"ok": {"ok": None}}
        fields = Fields(future.trailers, is_immutable=True)
        return {"ok": {"ok": self._resources.add(fields)}}


def _entries(kept: list[Any]) -> Entries:
    return [(name, value) for name, value in kept]
