"""wasi:http, outgoing: requests, what they are answered, and the one call that sends them.

A guest makes a request of many calls: headers, method, address, its body through a stream. All of
that is local, and recorded. The request is sent when its response is asked for and its body is
whole: `future-incoming-response.get` is the world call. By then nothing is left that could change
what is sent, and all of it stands in the record before the intent does. The response is read whole
and goes into the record with the answer; the guest reads it from memory.

What a turn has of requests and responses ends with it, but for headers that the guest has made.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from theater import requests
from theater.requests import AUTHORITY, NEVER, Grant, Rule
from theater.wasi import EXCHANGE, HTTP, OUTGOING
from theater.worker.wasi.fields import SECTION_MAX, Entries, Fields, HeaderError
from theater.worker.wasi.io import Awaited, Expected, Io
from theater.worker.wasi.resources import Change, Done, Functions, Held, Interfaces, ResourceTable
from theater.worker.wasi.streams import BodyInput, BodyOutput, StreamError

INTERRUPTED = "interrupted: outcome unknown"
PATH_MAX = 16 * 1024  # bytes
NS = 1_000_000_000

_METHODS = ("get", "head", "post", "put", "delete", "connect", "options", "trace", "patch")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_PATH = re.compile(r"(/[\x21\x22\x24-\x7e]*|\*)?(\?[\x21\x22\x24-\x7e]*)?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}")

ErrorCode = str | dict[str, Any]
OK: dict[str, Any] = {"ok": None}
ERR: dict[str, Any] = {"err": None}


class Gone(ValueError):
    """A resource of an instance that is gone was used; there is no answer that would say so."""


@dataclass(slots=True)
class Body(Held):
    """Of a request, until it is finished. One that is dropped before is not whole."""

    content: bytearray = field(default_factory=bytearray)
    trailers: Entries = field(default_factory=list)
    stream: BodyOutput | None = None
    is_finished: bool = False
    failure: ErrorCode | None = None

    def close(self) -> None:
        self.failure = internal("the request's body was dropped before it was finished")


@dataclass(slots=True)
class Request:
    fields: Fields
    method: Any = "get"  # as WIT has it
    scheme: Any = None
    authority: str | None = None
    path: str | None = None
    body: Body | None = None

    def method_name(self) -> str:
        return self.method.upper() if isinstance(self.method, str) else self.method["other"]

    def target(self) -> tuple[str, str, int]:
        """(scheme, host, port). Raises Refusal."""
        try:
            return requests.target(self.scheme, self.authority)
        except requests.NoTarget as error:
            raise Refusal(error.code) from None

    def length(self) -> int | None:
        """What the guest says that its body has. Raises Refusal."""
        said = {value.strip(b" \t") for value in self.fields.get("content-length")}
        if not said:
            return None
        if len(said) > 1 or not (value := said.pop()).isdigit() or len(value) > 18:
            raise Refusal("HTTP-protocol-error")
        return int(value)


@dataclass(slots=True)
class Options:
    """How long a guest would wait, in nanoseconds."""

    connect: int | None = None
    first_byte: int | None = None
    between_bytes: int | None = None


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
        trailers = None if self.trailers is None else _listed(self.trailers)
        return [self.status, _listed(self.headers), self.pieces, trailers]


@dataclass(slots=True)
class IncomingBody(Held):
    pieces: list[bytes]
    trailers: Entries | None
    is_streamed: bool = False


@dataclass(slots=True)
class FutureTrailers(Held):
    trailers: Entries | None
    is_taken: bool = False


class Refusal(Exception):
    """The request cannot or may not be made; `code` says why."""

    def __init__(self, code: ErrorCode) -> None:
        self.code = code
        super().__init__(str(code))


def internal(text: str) -> ErrorCode:
    return {"internal-error": text}


GONE = internal("the request was made before a crash, or in an earlier turn, and is gone")


class Http:
    """`left_s`: how long the turn may still take."""

    def __init__(
        self, resources: ResourceTable, io: Io, grant: Grant, left_s: Callable[[], float]
    ) -> None:
        self._resources = resources
        self._io = io
        self._grant = grant
        self._left_s = left_s
        self._functions = self._types()

    def interfaces(self) -> Interfaces:
        return {HTTP: self._functions, OUTGOING: {"handle": self._handle}}

    def _types(self) -> Functions:
        return {
            "http-error-code": self._error_code,
            **self._of_fields(),
            **self._of_requests(),
            **self._of_options(),
            "[method]future-incoming-response.subscribe": self._subscribe,
            EXCHANGE: self._get,
            "[method]incoming-response.status": lambda rep: self._response(rep).status,
            "[method]incoming-response.headers": self._response_headers,
            "[method]incoming-response.consume": self._consume,
            "[method]incoming-body.stream": self._stream,
            "[static]incoming-body.finish": self._finish_incoming,
            "[method]future-trailers.subscribe": self._io.new_ready,
            "[method]future-trailers.get": self._trailers,
        }

    def end_turn(self) -> None:
        """What is left of its requests and responses is gone."""
        kinds = (Request, Options, Body, Future, Response, IncomingBody, FutureTrailers)
        self._resources.drop_all(*kinds, BodyOutput, BodyInput, Awaited)

    # Headers

    def _of_fields(self) -> Functions:
        return {
            "[constructor]fields": lambda: self._resources.add(Fields()),
            "[static]fields.from-list": self._from_list,
            "[method]fields.get": lambda rep, name: self._fields(rep).get(name),
            "[method]fields.has": lambda rep, name: bool(self._fields(rep).get(name)),
            "[method]fields.set": _checked(lambda *args: self._fields(args[0]).set(*args[1:])),
            "[method]fields.delete": _checked(
                lambda *args: self._fields(args[0]).delete(*args[1:])
            ),
            "[method]fields.append": _checked(
                lambda *args: self._fields(args[0]).append(*args[1:])
            ),
            "[method]fields.entries": lambda rep: _listed(self._fields(rep).entries),
            "[method]fields.clone": lambda rep: self._resources.add(
                Fields(list(self._fields(rep).entries))
            ),
        }

    def _from_list(self, entries: list[Any]) -> dict[str, Any]:
        try:
            fields = Fields.of(entries)
        except HeaderError as error:
            return {"err": error.code}
        return {"ok": self._resources.add(fields)}

    def _fields(self, rep: int) -> Fields:
        found: Fields = self._there(rep, Fields)
        return found

    # Requests

    def _of_requests(self) -> Functions:
        of = "[method]outgoing-request"
        return {
            "[constructor]outgoing-request": self._new_request,
            f"{of}.method": lambda rep: self._request(rep).method,
            f"{of}.scheme": lambda rep: self._request(rep).scheme,
            f"{of}.authority": lambda rep: self._request(rep).authority,
            f"{of}.path-with-query": lambda rep: self._request(rep).path,
            f"{of}.headers": lambda rep: self._resources.add(
                Fields(self._request(rep).fields.entries, is_immutable=True)
            ),
            f"{of}.set-method": self._set_method,
            f"{of}.set-scheme": self._set_scheme,
            f"{of}.set-authority": self._set_authority,
            f"{of}.set-path-with-query": self._set_path,
            f"{of}.body": self._body,
            "[method]outgoing-body.write": self._write,
            "[static]outgoing-body.finish": self._finish,
        }

    def _request(self, rep: int) -> Request:
        found: Request = self._there(rep, Request)
        return found

    def _new_request(self, fields_rep: int) -> int:
        fields = self._fields(fields_rep)
        self._resources.take(fields_rep)
        return self._resources.add(Request(Fields(fields.entries)))

    def _set_method(self, rep: int, method: Any) -> dict[str, Any]:
        request = self._request(rep)
        if isinstance(method, dict):
            name = method["other"]
            if not _TOKEN.fullmatch(name):
                return ERR
            if name.lower() in _METHODS and name == name.upper():
                method = name.lower()
        request.method = method
        return OK

    def _set_scheme(self, rep: int, scheme: Any) -> dict[str, Any]:
        request = self._request(rep)
        if isinstance(scheme, dict) and not _SCHEME.fullmatch(scheme["other"]):
            return ERR
        request.scheme = scheme
        return OK

    def _set_authority(self, rep: int, authority: str | None) -> dict[str, Any]:
        request = self._request(rep)
        if authority is not None and not AUTHORITY.fullmatch(authority):
            return ERR
        request.authority = authority
        return OK

    def _set_path(self, rep: int, path: str | None) -> dict[str, Any]:
        request = self._request(rep)
        if path is not None and not _PATH.fullmatch(path):
            return ERR
        request.path = path
        return OK

    def _body(self, rep: int) -> dict[str, Any]:
        request = self._request(rep)
        if request.body is not None or self._resources.is_full():
            return ERR
        request.body = Body()
        return {"ok": self._resources.add(request.body)}

    def _write(self, rep: int) -> dict[str, Any]:
        body = self._there(rep, Body)
        if body.stream is not None:
            return ERR
        body.stream = BodyOutput(body.content, self._grant.max_request)
        return {"ok": self._resources.add(body.stream, is_body=True)}

    def _finish(self, rep: int, trailers_rep: int | None) -> dict[str, Any]:
        body = self._there(rep, Body)
        self._resources.take(rep)
        if trailers_rep is not None:
            body.trailers = list(self._fields(trailers_rep).entries)
            self._resources.take(trailers_rep)
        if body.stream is not None and body.stream.is_closed:
            body.failure = {"HTTP-request-body-size": self._grant.max_request}
            return {"err": body.failure}
        if body.stream is not None:
            body.stream.is_closed = True
        body.is_finished = True
        return OK

    # Options

    def _of_options(self) -> Functions:
        functions: Functions = {
            "[constructor]request-options": lambda: self._resources.add(Options())
        }
        for name in ("connect", "first_byte", "between_bytes"):
            timeout = f"{name.replace('_', '-')}-timeout"
            functions[f"[method]request-options.{timeout}"] = self._getter(name)
            functions[f"[method]request-options.set-{timeout}"] = self._setter(name)
        return functions

    def _getter(self, name: str) -> Callable[[int], int | None]:
        return lambda rep: getattr(self._there(rep, Options), name)

    def _setter(self, name: str) -> Callable[[int, int | None], dict[str, Any]]:
        def set(rep: int, duration: int | None) -> dict[str, Any]:
            setattr(self._there(rep, Options), name, duration)
            return OK

        return set

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
        request = self._request(request_rep)
        self._resources.take(request_rep)
        options = Options()
        if options_rep is not None:
            options = self._there(options_rep, Options)
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

    # Responses

    def _response(self, rep: int) -> Response:
        found: Response = self._there(rep, Response)
        return found

    def _response_headers(self, rep: int) -> int:
        fields = Fields(self._response(rep).headers, is_immutable=True)
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

    def _error_code(self, rep: int) -> ErrorCode | None:
        error = self._resources.get(rep)
        code: ErrorCode | None = error.http if isinstance(error, StreamError) else None
        return code

    def _there(self, rep: int, kind: type[Any]) -> Any:
        found = self._resources.get(rep)
        if not isinstance(found, kind):
            raise Gone(f"{kind.__name__.lower()} {rep} was made before a crash, and is gone")
        return found

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


def _checked(change: Callable[..., None]) -> Callable[..., dict[str, Any]]:
    def call(*args: Any) -> dict[str, Any]:
        try:
            change(*args)
        except HeaderError as error:
            return {"err": error.code}
        return OK

    return call


def _seconds(duration_ns: int | None, most_s: float) -> float:
    return most_s if duration_ns is None else min(most_s, duration_ns / NS)


def _listed(entries: Entries) -> list[Any]:
    return [list(entry) for entry in entries]


def _entries(listed: list[Any]) -> Entries:
    return [(name, value) for name, value in listed]
