"""Requests of wasi:http as a guest makes them, of many calls: headers, method, address, body.

All of that is local, and recorded. What a request comes to when it is sent is in `http`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from theater import requests
from theater.requests import AUTHORITY
from theater.worker.wasi.errors import ERR, OK, ErrorCode, internal
from theater.worker.wasi.fields import Entries, Fields
from theater.worker.wasi.resources import Functions, Held, ResourceTable
from theater.worker.wasi.streams import BodyOutput

_METHODS = ("get", "head", "post", "put", "delete", "connect", "options", "trace", "patch")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_PATH = re.compile(r"(/[\x21\x22\x24-\x7e]*|\*)?(\?[\x21\x22\x24-\x7e]*)?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}")


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


class Refusal(Exception):
    """The request cannot or may not be made; `code` says why."""

    def __init__(self, code: ErrorCode) -> None:
        self.code = code
        super().__init__(str(code))


class Requests:
    """`max_bytes`: of a body."""

    def __init__(self, resources: ResourceTable, max_bytes: int) -> None:
        self._resources = resources
        self._max_bytes = max_bytes

    def functions(self) -> Functions:
        return {**self._of_requests(), **self._of_options()}

    def _of_requests(self) -> Functions:
        of, there = "[method]outgoing-request", self._resources.there
        return {
            "[constructor]outgoing-request": self._new_request,
            f"{of}.method": lambda rep: there(rep, Request).method,
            f"{of}.scheme": lambda rep: there(rep, Request).scheme,
            f"{of}.authority": lambda rep: there(rep, Request).authority,
            f"{of}.path-with-query": lambda rep: there(rep, Request).path,
            f"{of}.headers": lambda rep: self._resources.add(
                Fields(there(rep, Request).fields.entries, is_immutable=True)
            ),
            f"{of}.set-method": self._set_method,
            f"{of}.set-scheme": self._set_scheme,
            f"{of}.set-authority": self._set_authority,
            f"{of}.set-path-with-query": self._set_path,
            f"{of}.body": self._body,
            "[method]outgoing-body.write": self._write,
            "[static]outgoing-body.finish": self._finish,
        }

    def _new_request(self, fields_rep: int) -> int:
        fields = self._resources.there(fields_rep, Fields)
        self._resources.take(fields_rep)
        return self._resources.add(Request(Fields(fields.entries)))

    def _set_method(self, rep: int, method: Any) -> dict[str, Any]:
        request = self._resources.there(rep, Request)
        if isinstance(method, dict):
            name = method["other"]
            if not _TOKEN.fullmatch(name):
                return ERR
            if name.lower() in _METHODS and name == name.upper():
                method = name.lower()
        request.method = method
        return OK

    def _set_scheme(self, rep: int, scheme: Any) -> dict[str, Any]:
        request = self._resources.there(rep, Request)
        if isinstance(scheme, dict) and not _SCHEME.fullmatch(scheme["other"]):
            return ERR
        request.scheme = scheme
        return OK

    def _set_authority(self, rep: int, authority: str | None) -> dict[str, Any]:
        request = self._resources.there(rep, Request)
        if authority is not None and not AUTHORITY.fullmatch(authority):
            return ERR
        request.authority = authority
        return OK

    def _set_path(self, rep: int, path: str | None) -> dict[str, Any]:
        request = self._resources.there(rep, Request)
        if path is not None and not _PATH.fullmatch(path):
            return ERR
        request.path = path
        return OK

    def _body(self, rep: int) -> dict[str, Any]:
        request = self._resources.there(rep, Request)
        if request.body is not None or self._resources.is_full():
            return ERR
        request.body = Body()
        return {"ok": self._resources.add(request.body)}

    def _write(self, rep: int) -> dict[str, Any]:
        body = self._resources.there(rep, Body)
        if body.stream is not None:
            return ERR
        body.stream = BodyOutput(body.content, self._max_bytes)
        return {"ok": self._resources.add(body.stream, is_body=True)}

    def _finish(self, rep: int, trailers_rep: int | None) -> dict[str, Any]:
        body = self._resources.there(rep, Body)
        self._resources.take(rep)
        if trailers_rep is not None:
            body.trailers = list(self._resources.there(trailers_rep, Fields).entries)
            self._resources.take(trailers_rep)
        if body.stream is not None and body.stream.is_closed:
            body.failure = {"HTTP-request-body-size": self._max_bytes}
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
        return lambda rep: getattr(self._resources.there(rep, Options), name)

    def _setter(self, name: str) -> Callable[[int, int | None], dict[str, Any]]:
        def set(rep: int, duration: int | None) -> dict[str, Any]:
            setattr(self._resources.there(rep, Options), name, duration)
            return OK

        return set
