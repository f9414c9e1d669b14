"""wasi:http, outgoing: the one call that sends a request, and what it is answered.

A request is sent when its response is asked for and its body is whole:
`future-incoming-response.get` is the world call. By then nothing is left that could change what is
sent, and all of it stands in the record before the intent does. The response is read whole and goes
into the record with the answer.

What a turn has of requests and responses ends with it, but for headers that the guest has made.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from theater.requests import NEVER, Grant, Rule
from theater.wasi import EXCHANGE, HTTP, OUTGOING
from theater.worker.wasi import fields
from theater.worker.wasi.errors import ERR, GONE, ErrorCode, internal
from theater.worker.wasi.fields import SECTION_MAX
from theater.worker.wasi.io import Awaited, Expected, Io
from theater.worker.wasi.requests import Body, Options, Refusal, Request, Requests
from theater.worker.wasi.resources import Change, Done, Gone, Held, Interfaces, ResourceTable
from theater.worker.wasi.responses import FutureTrailers, IncomingBody, Response, Responses
from theater.worker.wasi.streams import BodyInput, BodyOutput, StreamError

INTERRUPTED = "interrupted: outcome unknown"
PATH_MAX = 16 * 1024  # bytes
NS = 1_000_000_000


@dataclass(slots=True)
class Future(Expected, Held):
    """A response that is still to come."""

    request: Request
    options: Options
    failure: ErrorCode | None = None  # it is given up
    is_taken: bool = False

    def is_there(self) -> bool:
        return self.is_taken or self.failure is not None or self.body_failure() is not None

    def can_be_made(self) -> bool:
        return self.request.body is None or self.request.body.is_finished

    def body_failure(self) -> ErrorCode | None:
        return None if self.request.body is None else self.request.body.failure

    def give_up(self) -> None:
        self.failure = internal("the response was waited for before the body was finished")


class Http:
    """`left_s`: how long the turn may still take."""

    def __init__(
        self, resources: ResourceTable, io: Io, grant: Grant, left_s: Callable[[], float]
    ) -> None:
        self._resources = resources
        self._io = io
        self._grant = grant
        self._left_s = left_s
        self._functions = {
            "http-error-code": self._error_code,
            **fields.functions(resources),
            **Requests(resources, grant.max_request).functions(),
            "[method]future-incoming-response.subscribe": self._subscribe,
            EXCHANGE: self._get,
            **Responses(resources, io).functions(),
        }

    def interfaces(self) -> Interfaces:
        return {HTTP: self._functions, OUTGOING: {"handle": self._handle}}

    def end_turn(self) -> None:
        """What is left of its requests and responses is gone."""
        kinds = (Request, Options, Body, Future, Response, IncomingBody, FutureTrailers)
        self._resources.drop_all(*kinds, BodyOutput, BodyInput, Awaited)

    # The exchange

    def _handle(self, request_rep: int, options_rep: int | None) -> dict[str, Any]:
        future = self._future(request_rep, options_rep)
        try:
            self._judge(future.request)
        except Refusal as refusal:
            return {"err": refusal.code}
        if self._resources.is_full():
            return {"err": "connection-limit-reached"}
        return {"ok": self._resources.add(future)}

    def _future(self, request_rep: int, options_rep: int | None) -> Future:
        """What is given away with the call."""
        request = self._resources.there(request_rep, Request)
        self._resources.take(request_rep)
        options = Options()
        if options_rep is not None:
            options = self._resources.there(options_rep, Options)
            self._resources.take(options_rep)
        return Future(request, options)

    def _judge(self, request: Request) -> Rule:
        """The rule that permits it. Raises Refusal."""
        method = request.method_name()
        if method in NEVER:
            raise Refusal("HTTP-request-method-invalid")
        scheme, host, port = request.target()
        rule = self._grant.rule(method, scheme, host, port)
        if rule is None:
            raise Refusal("HTTP-request-denied")
        if len(request.path or "") > PATH_MAX:
            raise Refusal("HTTP-request-URI-too-long")
        if request.fields.size() > SECTION_MAX:
            raise Refusal({"HTTP-request-header-section-size": request.fields.size()})
        request.length()
        return rule

    def _subscribe(self, rep: int) -> int:
        future = self._resources.get(rep)
        if not isinstance(future, Future):
            return self._io.new_ready()  # so that the guest goes on, and meets the error
        return self._resources.add(Awaited(future))

    def _get(self, rep: int) -> Any:
        future = self._resources.get(rep)
        if not isinstance(future, Future):
            return {"ok": {"err": GONE}}
        if future.is_taken:
            return ERR
        failure = future.failure or future.body_failure()
        if failure is not None:
            future.is_taken = True
            return {"ok": {"err": failure}}
        return self._exchange(future) if future.can_be_made() else None

    def _exchange(self, future: Future) -> Change[Any]:
        future.is_taken = True
        try:
            rule = self._judge(future.request)
            self._check_body(future.request)
        except Refusal as refusal:
            return {"ok": {"err": refusal.code}}
        yield
        return self._send(future, rule)

    def _check_body(self, request: Request) -> None:
        length = request.length()
        has = 0 if request.body is None else len(request.body.content)
        trails = request.body is not None and bool(request.body.trailers)
        if length is not None and length != has and not trails:
            raise Refusal({"HTTP-request-body-size": has})

    def _send(self, future: Future, rule: Rule) -> Any:
        # Most actors never come here, and what it takes is large.
        from theater.worker.wasi.exchange import Failed, Patience, Sent, exchange

        request, options = future.request, future.options
        scheme, host, port = request.target()
        body = request.body
        content = None if body is None else bytes(body.content)
        if content is None and request.method in ("post", "put", "patch"):
            content = b""
        path = request.path or "/"
        sent = Sent(
            method=request.method_name(),
            scheme=scheme,
            host=host,
            port=port,
            path=f"/{path}" if path.startswith("?") else path,
            headers=request.fields.entries,
            body=content,
            trailers=[] if body is None else body.trailers,
            private=rule.private,
            ca=rule.ca,
        )
        total_s = max(0.001, min(self._grant.timeout_s, self._left_s()))
        patience = Patience(
            total_s,
            _seconds(options.connect, total_s),
            _seconds(options.first_byte, total_s),
            _seconds(options.between_bytes, total_s),
            self._grant.max_response,
        )
        try:
            received = exchange(sent, patience)
        except Failed as error:
            return {"ok": {"err": error.code}}
        response = Response(received.status, received.headers, received.pieces, received.trailers)
        return Done({"ok": {"ok": self._resources.add(response)}}, response.kept())

    def resume(self, rep: int) -> Any:
        """What becomes of an exchange of which nobody knows whether it was made."""
        future = self._resources.get(rep)
        if not isinstance(future, Future):
            return {"ok": {"err": GONE}}
        future.is_taken = True
        if future.request.method_name() not in self._grant.again:
            return {"ok": {"err": internal(INTERRUPTED)}}
        try:
            rule = self._judge(future.request)  # it may be granted no more
        except Refusal as refusal:
            return {"ok": {"err": refusal.code}}
        return self._send(future, rule)

    def _error_code(self, rep: int) -> ErrorCode | None:
        error = self._resources.get(rep)
        code: ErrorCode | None = error.http if isinstance(error, StreamError) else None
        return code

    # The record

    def replayed(self, function: str, args: list[Any], answer: Any, kept: Any) -> None:
        """A call was answered from the record. It is done here too, as far as it is local: what it
        made may be used when the record has ended. What cannot be made again stays gone."""
        with self._resources.handing_out(handed_out(function, answer)):
            if function == EXCHANGE:
                self._got(args[0], answer, kept)
                return
            try:
                if function == "handle":
                    future = self._future(*args)
                    if "ok" in answer:  # whatever is granted now
                        self._resources.add(future)
                else:
                    self._functions[function](*args)
            except Gone:
                pass

    def _got(self, rep: int, answer: Any, kept: Any) -> None:
        future = self._resources.get(rep)
        if isinstance(future, Future) and answer is not None:
            future.is_taken = True
        if kept is not None:
            self._resources.add(Response.of(kept))


def handed_out(function: str, answer: Any) -> int | None:
    """The number of the resource that a call has made, by its answer."""
    makes = function == "handle" or _MAKES.search(function) is not None
    while isinstance(answer, dict) and "ok" in answer:
        answer = answer["ok"]
    return answer if makes and type(answer) is int else None


_MAKES = re.compile(
    r"^\[constructor\]|\.(from-list|clone|headers|body|write|finish|subscribe|get|consume|stream)$"
)


def _seconds(duration_ns: int | None, most_s: float) -> float:
    return most_s if duration_ns is None else min(most_s, duration_ns / NS)
