"""Requests by HTTP, to whom the handler `wasi:http` permits them.

    from theater_actor import Actor, http

    class Rates(Actor):
        def on_request(self, message, request):
            found = http.get(f"https://rates.example.com/{message.text}")
            return found.json()["rate"]

A request is a commit point, like a request to another actor: what came before it stays. A status
like 404 is an answer; what is none, as a host that is not granted, raises `NotDone`, whose `kind`
is the error code of wasi:http in small letters: `http-request-denied`, `connection-refused`. If the
process dies in a request, GET and HEAD are sent again, and others raise `NotDone` with
`internal-error: interrupted: outcome unknown`.
"""

from __future__ import annotations

import json as _json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from theater_actor.calls import host

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: tuple[tuple[str, str], ...] = ()  # names in small letters
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return _json.loads(self.body)

    def header(self, name: str) -> str | None:
        """The first of this name."""
        return next((value for other, value in self.headers if other == name.lower()), None)


def request(
    method: str,
    url: str,
    body: bytes | str | None = None,
    *,
    json: Any = None,
    headers: Headers = (),
) -> Response:
    """Send it, and wait for the whole response. `json`: a body, with its content type."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    if json is not None:
        if body is not None:
            raise TypeError("a request has one body: give body or json")
        body = _json.dumps(json)
        if not any(name.lower() == "content-type" for name, _ in pairs):
            pairs.append(("content-type", "application/json"))
    content = body.encode() if isinstance(body, str) else body
    response: Response = host().fetch(Request(method, url, tuple(pairs), content))
    return response


def get(url: str, *, headers: Headers = ()) -> Response:
    return request("GET", url, headers=headers)


def post(
    url: str, body: bytes | str | None = None, *, json: Any = None, headers: Headers = ()
) -> Response:
    return request("POST", url, body, json=json, headers=headers)


def put(
    url: str, body: bytes | str | None = None, *, json: Any = None, headers: Headers = ()
) -> Response:
    return request("PUT", url, body, json=json, headers=headers)


def delete(url: str, *, headers: Headers = ()) -> Response:
    return request("DELETE", url, headers=headers)
