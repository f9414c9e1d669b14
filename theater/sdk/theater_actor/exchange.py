"""A request by the functions of wasi:http. Their bindings exist only in a component."""

from __future__ import annotations

from typing import Any
from urllib import parse

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler, types
from wit_world.imports.streams import StreamError_Closed

from theater_actor.calls import NotDone
from theater_actor.http import Request, Response

READ = 64 * 1024  # bytes at once
_METHODS = ("get", "head", "post", "put", "delete", "connect", "options", "trace", "patch")
_SCHEMES = {"http": types.Scheme_Http, "https": types.Scheme_Https}


def fetch(request: Request) -> Response:
    try:
        return _received(_sent(request))
    except Err as error:
        raise NotDone(_said(error.value)) from None


def _sent(request: Request) -> Any:
    """The response, when it is there."""
    parts = parse.urlsplit(request.url)
    pairs = [(name, value.encode("latin-1")) for name, value in request.headers]
    made = types.OutgoingRequest(types.Fields.from_list(pairs))
    name = request.method.lower()
    if name in _METHODS:
        made.set_method(getattr(types, f"Method_{name.capitalize()}")())
    else:
        made.set_method(types.Method_Other(request.method))
    scheme = _SCHEMES.get(parts.scheme)
    made.set_scheme(types.Scheme_Other(parts.scheme) if scheme is None else scheme())
    made.set_authority(parts.netloc)
    made.set_path_with_query(parts.path + (f"?{parts.query}" if parts.query else ""))
    if request.body is not None:
        body = made.body()
        with body.write() as stream:
            rest = memoryview(request.body)
            while rest:
                count = min(stream.check_write(), len(rest))
                stream.write(bytes(rest[:count]))
                rest = rest[count:]
        types.OutgoingBody.finish(body, None)
    with outgoing_handler.handle(made, None) as future:
        with future.subscribe() as pollable:
            pollable.block()
        found = future.get()
    assert isinstance(found, Ok), "it was asked for once"
    if isinstance(found.value, Err):
        raise found.value
    return found.value.value


def _received(response: Any) -> Response:
    chunks = []
    with response:
        status = response.status()
        with response.headers() as fields:
            headers = tuple((name, value.decode("latin-1")) for name, value in fields.entries())
        body = response.consume()
        with body.stream() as stream:
            try:
                while True:
                    chunks.append(stream.blocking_read(READ))
            except Err as error:
                if not isinstance(error.value, StreamError_Closed):
                    raise
        types.IncomingBody.finish(body)
    return Response(status, headers, b"".join(chunks))


def _said(error: Any) -> str:
    """ErrorCode_HttpRequestDenied -> http-request-denied"""
    if error is None:
        return "refused: the request is not one"
    words = "".join(
        f"-{char.lower()}" if char.isupper() else char
        for char in type(error).__name__.rpartition("_")[2]
    )
    detail = getattr(error, "value", None)
    return words[1:] if detail is None else f"{words[1:]}: {detail}"
