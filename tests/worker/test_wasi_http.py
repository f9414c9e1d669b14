"""wasi:http by its calls: what a guest can make, when it is sent, what is left after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.web import Web, say, serving
from theater import wasi
from theater.events import EventType, content_hash, decode
from theater.journal import Journal, contents_of, resolver
from theater.requests import Grant, read
from theater.wasi import BODIES, EXCHANGE, HTTP, OUTGOING, STREAMS
from theater.worker.handlers import WORLD
from theater.worker.host import Differs, Recorder
from theater.worker.turn import TurnRecord
from theater.worker.wasi import Wasi
from theater.worker.wasi.errors import GONE
from theater.worker.wasi.resources import Gone

METHODS = {"methods": ["GET", "HEAD", "POST"]}
INTERRUPTED = {"internal-error": "interrupted: outcome unknown"}


def grant(port: int, **settings: Any) -> Grant:
    allow = [{"host": "127.0.0.1", "port": port, "scheme": "http", **METHODS}]
    return read({"allow": allow, **settings})


class Guest:
    """Calls WASI as a guest does, with the names of its functions shortened."""

    def __init__(self, http: Grant | None = None, seconds: float = 30.0) -> None:
        self.now_ns = 5
        self.slept: list[float] = []
        self.wasi = Wasi(
            {},
            (),
            print,
            print,
            http=http,
            left_s=lambda: seconds,
            monotonic_ns=lambda: self.now_ns,
            sleep_s=self._sleep,
        )
        self.asked = 0  # world calls

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_ns += round(seconds * 1e9)

    def call(self, interface: str, function: str, args: list[Any]) -> Any:
        answer = self.wasi.call(interface, function, args)
        if answer is not WORLD:
            return answer
        assert wasi.is_change(interface, function, args)
        self.asked += 1
        told = self.wasi.perform()
        assert wasi.is_answer(interface, function, told)
        return told[0]

    def __call__(self, name: str, *args: Any) -> Any:
        resource, _, function = name.partition(".")
        if name == "handle":
            return self.call(OUTGOING, name, list(args))
        if name == "poll":
            return self.call("wasi:io/poll", name, list(args))
        if name == "http-error-code":
            return self.call(HTTP, name, list(args))
        if not function:
            return self.call(HTTP, f"[constructor]{name}", list(args))
        kind = "static" if name in STATIC else "method"
        interface = {
            "pollable": "wasi:io/poll",
            "input-stream": STREAMS,
            "output-stream": STREAMS,
        }.get(resource, HTTP)
        return self.call(interface, f"[{kind}]{name}", list(args))

    def ok(self, name: str, *args: Any) -> Any:
        answer = self(name, *args)
        assert "ok" in answer, answer
        return answer["ok"]

    # Some calls that belong together

    def request(self, port: int, method: Any = "get", path: str | None = "/", **more: Any) -> int:
        headers = [[name.replace("_", "-"), value] for name, value in more.items()]
        request = self("outgoing-request", self.ok("fields.from-list", headers))
        assert isinstance(request, int)
        self.ok("outgoing-request.set-method", request, method)
        self.ok("outgoing-request.set-scheme", request, "HTTP")
        self.ok("outgoing-request.set-authority", request, f"127.0.0.1:{port}")
        self.ok("outgoing-request.set-path-with-query", request, path)
        return request

    def write(self, request: int, *parts: bytes) -> int:
        """The body, which is not finished."""
        body = self.ok("outgoing-request.body", request)
        stream = self.ok("outgoing-body.write", body)
        for part in parts:
            self.ok("output-stream.write", stream, part)
        self.wasi.drop(STREAMS, "output-stream", stream)
        assert isinstance(body, int)
        return body

    def get(self, future: int) -> Any:
        """The response's number, or the error."""
        answer = self("future-incoming-response.get", future)["ok"]
        return answer["ok"] if "ok" in answer else answer["err"]

    def read(self, response: int) -> bytes:
        body = self.ok("incoming-response.consume", response)
        stream = self.ok("incoming-body.stream", body)
        data = b""
        while "ok" in (answer := self("input-stream.read", stream, 16384)):
            data += answer["ok"]
        assert answer == {"err": "closed"}
        return data


STATIC = {"fields.from-list", "incoming-body.finish", "outgoing-body.finish"}


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


@pytest.fixture
def guest(web: Web) -> Guest:
    return Guest(grant(web.port))


# Headers


def test_headers_are_kept_in_their_order_under_any_case() -> None:
    guest = Guest()
    fields = guest("fields")
    guest.ok("fields.append", fields, "X-One", b"1")
    guest.ok("fields.append", fields, "x-two", b"2")
    guest.ok("fields.append", fields, "x-ONE", b"3")
    assert guest("fields.get", fields, "x-One") == [b"1", b"3"]
    assert guest("fields.has", fields, "X-TWO") and not guest("fields.has", fields, "x-three")
    guest.ok("fields.set", fields, "x-one", [b"4"])
    assert guest("fields.entries", fields) == [["x-two", b"2"], ["x-one", b"4"]]
    copy = guest("fields.clone", fields)
    guest.ok("fields.delete", fields, "X-Two")
    assert guest("fields.entries", fields) == [["x-one", b"4"]]
    assert len(guest("fields.entries", copy)) == 2


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("x y", b"", "invalid-syntax"),
        ("x:", b"", "invalid-syntax"),
        ("", b"", "invalid-syntax"),
        ("x\r\ny", b"", "invalid-syntax"),
        ("bücher", b"", "invalid-syntax"),
        ("x", b"a\r\nHost: b", "invalid-syntax"),
        ("x", b"a\nb", "invalid-syntax"),
        ("x", b"a\0b", "invalid-syntax"),
        ("x", b"a\x7f", "invalid-syntax"),
        ("Host", b"b", "forbidden"),
        ("Transfer-Encoding", b"chunked", "forbidden"),
        ("CONNECTION", b"keep-alive", "forbidden"),
        ("upgrade", b"h2c", "forbidden"),
        ("proxy-authorization", b"x", "forbidden"),
    ],
)
def test_what_is_no_header_or_not_the_guests_to_write(name: str, value: bytes, code: str) -> None:
    guest = Guest()
    fields = guest("fields")
    assert guest("fields.append", fields, name, value) == {"err": code}
    assert guest("fields.set", fields, name, [b"", value]) == {"err": code}
    assert guest("fields.from-list", [["x-ok", b""], [name, value]]) == {"err": code}
    assert guest("fields.entries", fields) == []


def test_values_may_have_what_http_permits() -> None:
    guest = Guest()
    fields = guest("fields")
    guest.ok("fields.append", fields, "x", b"\t \xff!~")
    assert guest("fields.get", fields, "x") == [b"\t \xff!~"]


def test_headers_of_a_request_cannot_be_changed_any_more(web: Web, guest: Guest) -> None:
    request = guest.request(web.port, x_one=b"1")
    fields = guest("outgoing-request.headers", request)
    assert guest("fields.get", fields, "x-one") == [b"1"]
    for call in (("append", b"2"), ("set", [b"2"])):
        assert guest(f"fields.{call[0]}", fields, "x-two", call[1]) == {"err": "immutable"}
    assert guest("fields.delete", fields, "x-one") == {"err": "immutable"}


# Requests


@pytest.mark.parametrize(
    ("setting", "value", "is_ok"),
    [
        ("method", "patch", True),
        ("method", {"other": "PURGE"}, True),
        ("method", {"other": "A B"}, False),
        ("method", {"other": ""}, False),
        ("scheme", "HTTPS", True),
        ("scheme", {"other": "ftp"}, True),
        ("scheme", {"other": "f p"}, False),
        ("authority", "a.example:8080", True),
        ("authority", "[::1]:80", True),
        ("authority", None, True),
        ("authority", "user@a.example", False),
        ("authority", "a.example/x", False),
        ("authority", "a.example\r\nX: y", False),
        ("authority", "a.example:x", False),
        ("authority", "", False),
        ("path-with-query", "/a/b?c=d&e=%20", True),
        ("path-with-query", "?c", True),
        ("path-with-query", "", True),
        ("path-with-query", None, True),
        ("path-with-query", "a", False),
        ("path-with-query", "/a b", False),
        ("path-with-query", "/a#b", False),
        ("path-with-query", "/a HTTP/1.1\r\nX: y", False),
        ("path-with-query", "/ü", False),
    ],
)
def test_what_a_request_can_be_told(setting: str, value: Any, is_ok: bool) -> None:
    guest = Guest()
    request = guest("outgoing-request", guest("fields"))
    before = guest(f"outgoing-request.{setting}", request)
    answer = guest(f"outgoing-request.set-{setting}", request, value)
    assert answer == ({"ok": None} if is_ok else {"err": None})
    assert guest(f"outgoing-request.{setting}", request) == (value if is_ok else before)


def test_it_is_sent_when_its_response_is_asked_for(web: Web, guest: Guest) -> None:
    future = guest.ok("handle", guest.request(web.port, path="/x?y", x_one=b"1"), None)
    assert web.requests == []
    response = guest.get(future)
    assert (guest("incoming-response.status", response), guest.asked) == (200, 1)
    assert guest.read(response) == b"GET /x?y HTTP/1.1"
    assert b"\r\nx-one: 1\r\n" in web.requests[0]
    assert guest("future-incoming-response.get", future) == {"err": None}, "once"
    assert guest("incoming-response.consume", response) == {"err": None}, "once"


def test_its_body_is_waited_for(web: Web, guest: Guest) -> None:
    """As componentize-py does it: the response is asked for while the body is written."""
    request = guest.request(web.port, "post")
    body = guest.ok("outgoing-request.body", request)
    assert guest("outgoing-request.body", request) == {"err": None}, "once"
    stream = guest.ok("outgoing-body.write", body)
    assert guest("outgoing-body.write", body) == {"err": None}, "once"
    assert stream >= BODIES
    future = guest.ok("handle", request, None)
    assert guest("future-incoming-response.get", future) is None
    pollable = guest("future-incoming-response.subscribe", future)
    assert not guest("pollable.ready", pollable)
    assert guest.ok("output-stream.check-write", stream) > 0
    guest.ok("output-stream.write", stream, b"abc")
    guest.ok("output-stream.write-zeroes", stream, 2)
    guest.ok("output-stream.flush", stream)
    writing = guest("output-stream.subscribe", stream)
    assert guest("poll", [pollable, writing]) == [1]
    guest.wasi.drop(STREAMS, "output-stream", stream)
    guest.ok("outgoing-body.finish", body, None)
    assert guest("pollable.ready", pollable)
    assert (guest("poll", [pollable]), guest.asked) == ([0], 0)
    assert guest.read(guest.get(future)) == b"abc\0\0"


def test_its_body_may_be_written_before_it_is_handed_over(web: Web, guest: Guest) -> None:
    request = guest.request(web.port, "post", content_length=b"3")
    guest.ok("outgoing-body.finish", guest.write(request, b"a", b"bc"), None)
    assert guest.read(guest.get(guest.ok("handle", request, None))) == b"abc"


def test_what_is_there_comes_before_what_is_still_to_be_sent(web: Web, guest: Guest) -> None:
    """So a response is read before the next request is sent, and a timer that is over is seen."""
    first, second = (guest.ok("handle", guest.request(web.port), None) for _ in range(2))
    pollables = [guest("future-incoming-response.subscribe", each) for each in (first, second)]
    assert guest("poll", pollables) == [0, 1]
    body = guest.ok("incoming-response.consume", guest.get(first))
    stream = guest.ok("incoming-body.stream", body)
    reading = guest("input-stream.subscribe", stream)
    assert guest("poll", [pollables[1], reading]) == [1]
    now = guest.call("wasi:clocks/monotonic-clock", "subscribe-duration", [0])
    later = guest.call("wasi:clocks/monotonic-clock", "subscribe-duration", [10**9])
    assert guest("poll", [pollables[1], now]) == [1]
    assert guest("poll", [pollables[1], later]) == [0]
    assert guest("poll", [pollables[0]]) == [0], "it is there"
    assert guest.slept == []


def test_who_waits_for_a_response_before_the_body_is_finished_waits_for_nothing(
    web: Web, guest: Guest
) -> None:
    request = guest.request(web.port, "post")
    guest.write(request, b"abc")
    future = guest.ok("handle", request, None)
    pollable = guest("future-incoming-response.subscribe", future)
    timer = guest.call("wasi:clocks/monotonic-clock", "subscribe-duration", [10**9])
    assert guest("poll", [pollable, timer]) == [1], "something else may bring it about"
    assert guest("poll", [pollable]) == [0]
    assert "before the body was finished" in str(guest.get(future))
    assert (guest.asked, web.requests) == (0, [])


def test_a_body_that_was_dropped_is_not_sent(web: Web, guest: Guest) -> None:
    request = guest.request(web.port, "post")
    body = guest.write(request, b"abc")
    future = guest.ok("handle", request, None)
    guest.wasi.drop(HTTP, "outgoing-body", body)
    assert "dropped before it was finished" in str(guest.get(future))
    assert (guest.asked, web.requests) == (0, [])


def test_a_body_has_a_bound(web: Web) -> None:
    guest = Guest(grant(web.port, max_request=4))
    request = guest.request(web.port, "post")
    body = guest.ok("outgoing-request.body", request)
    stream = guest.ok("outgoing-body.write", body)
    guest.ok("output-stream.write", stream, b"abcd")
    error = guest("output-stream.write", stream, b"e")["err"]["last-operation-failed"]
    assert guest("http-error-code", error) == {"HTTP-request-body-size": 4}
    for call in ("check-write", "flush", "blocking-flush"):
        assert guest(f"output-stream.{call}", stream) == {"err": "closed"}
    assert guest("output-stream.write", stream, b"") == {"err": "closed"}
    future = guest.ok("handle", request, None)
    assert guest("outgoing-body.finish", body, None) == {"err": {"HTTP-request-body-size": 4}}
    assert guest.get(future) == {"HTTP-request-body-size": 4}
    assert web.requests == []


@pytest.mark.parametrize(("said", "code"), [(b"2", 3), (b"4", 3), (b"+3", None), (b"x", None)])
def test_a_length_that_is_said_is_that_of_the_body(
    web: Web, guest: Guest, said: bytes, code: int | None
) -> None:
    request = guest.request(web.port, "post", content_length=said)
    guest.ok("outgoing-body.finish", guest.write(request, b"abc"), None)
    answer = guest("handle", request, None)
    if code is None:
        assert answer == {"err": "HTTP-protocol-error"}
    else:
        assert guest.get(answer["ok"]) == {"HTTP-request-body-size": code}
    assert web.requests == []


def test_nothing_is_spliced_into_a_body(web: Web, guest: Guest) -> None:
    """It would not stand in the record before it is sent."""
    response = guest.get(guest.ok("handle", guest.request(web.port), None))
    source = guest.ok("incoming-body.stream", guest.ok("incoming-response.consume", response))
    body = guest.ok("outgoing-request.body", guest.request(web.port, "post"))
    stream = guest.ok("outgoing-body.write", body)
    answer = guest("output-stream.splice", stream, source, 10)
    assert "last-operation-failed" in answer["err"]


# What is not permitted


def test_without_a_grant_everything_is_denied(web: Web) -> None:
    guest = Guest()
    assert guest("handle", guest.request(web.port), None) == {"err": "HTTP-request-denied"}


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("method", "put", "HTTP-request-denied"),
        ("method", {"other": "get"}, "HTTP-request-denied"),
        ("method", "connect", "HTTP-request-method-invalid"),
        ("method", {"other": "TRACE"}, "HTTP-request-method-invalid"),
        ("scheme", "HTTPS", "HTTP-request-denied"),
        ("scheme", None, "HTTP-request-denied"),  # which is https
        ("scheme", {"other": "ftp"}, "HTTP-protocol-error"),
        ("authority", "127.0.0.1", "HTTP-request-denied"),
        ("authority", "127.0.0.2:{port}", "HTTP-request-denied"),
        ("authority", "localhost:{port}", "HTTP-request-denied"),
        ("authority", "2130706433:{port}", "HTTP-request-denied"),
        ("authority", "127.0.0.1.:{port}", "HTTP-request-denied"),
        ("authority", "127.0.0.1:99999", "HTTP-request-URI-invalid"),
        ("authority", None, "HTTP-request-URI-invalid"),
        ("path-with-query", "/" + "x" * 20_000, "HTTP-request-URI-too-long"),
    ],
)
def test_what_is_not_granted_is_refused_when_it_is_handed_over(
    web: Web, guest: Guest, setting: str, value: Any, code: str
) -> None:
    request = guest.request(web.port)
    value = value.format(port=web.port) if isinstance(value, str) else value
    guest.ok(f"outgoing-request.set-{setting}", request, value)
    assert guest("handle", request, None) == {"err": code}
    assert (guest.asked, web.requests) == (0, [])


def test_headers_have_a_bound(web: Web, guest: Guest) -> None:
    request = guest.request(web.port, x=b"x" * 70_000)
    code = {"HTTP-request-header-section-size": 70_001}
    assert guest("handle", request, None) == {"err": code}


def test_what_comes_of_no_response_is_recorded_without_anything_beside_it(web: Web) -> None:
    web.close()
    guest = Guest(grant(web.port))
    assert guest.get(guest.ok("handle", guest.request(web.port), None)) == "connection-refused"
    assert guest.asked == 1


def test_the_guests_patience_and_the_turns_bound_that_of_the_manifest(web: Web) -> None:
    web.answer = lambda _request, _connection: web.wait()
    guest = Guest(grant(web.port))
    options = guest("request-options")
    assert guest("request-options.first-byte-timeout", options) is None
    guest.ok("request-options.set-first-byte-timeout", options, 50_000_000)
    assert guest("request-options.first-byte-timeout", options) == 50_000_000
    future = guest.ok("handle", guest.request(web.port), options)
    assert guest.get(future) == "connection-read-timeout"
    guest = Guest(grant(web.port), seconds=0.05)
    future = guest.ok("handle", guest.request(web.port), None)
    assert guest.get(future) == "HTTP-response-timeout"


# Responses


def test_a_response_is_read_in_pieces_that_the_log_has(web: Web, guest: Guest) -> None:
    content = bytes(range(256)) * 100
    web.answer = say(b"HTTP/1.1 200 OK\r\n\r\n" + content)
    future = guest.ok("handle", guest.request(web.port), None)
    assert guest.wasi.call(HTTP, EXCHANGE, [future]) is WORLD
    answer, kept = guest.wasi.perform()
    status, headers, pieces, trailers = kept
    assert (status, headers, b"".join(pieces), trailers) == (200, [], content, None)
    body = guest.ok("incoming-response.consume", answer["ok"]["ok"])
    stream = guest.ok("incoming-body.stream", body)
    assert guest("incoming-body.stream", body) == {"err": None}, "once"
    for piece in pieces:
        assert guest.ok("input-stream.read", stream, 100_000) == piece
    assert guest("input-stream.read", stream, 1) == {"err": "closed"}


def test_some_of_a_response_can_be_skipped(web: Web, guest: Guest) -> None:
    web.answer = say(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 10_000 + b"end")
    response = guest.get(guest.ok("handle", guest.request(web.port), None))
    stream = guest.ok("incoming-body.stream", guest.ok("incoming-response.consume", response))
    assert guest.ok("input-stream.read", stream, 0) == b""
    assert guest.ok("input-stream.read", stream, 3) == b"xxx"
    assert guest.ok("input-stream.skip", stream, 9_997) == 9_997
    assert guest.ok("input-stream.blocking-read", stream, 10) == b"end"
    assert guest("input-stream.skip", stream, 1) == {"err": "closed"}


def test_headers_and_trailers_of_a_response(web: Web, guest: Guest) -> None:
    head = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    web.answer = say(head + b"0\r\nX-Sum: 0\r\n\r\n")
    response = guest.get(guest.ok("handle", guest.request(web.port), None))
    headers = guest("incoming-response.headers", response)
    assert guest("fields.entries", headers) == [["x-a", b"1"]]
    assert guest("fields.append", headers, "x", b"") == {"err": "immutable"}
    body = guest.ok("incoming-response.consume", response)
    future = guest("incoming-body.finish", body)
    assert guest("pollable.ready", guest("future-trailers.subscribe", future))
    trailers = guest("future-trailers.get", future)["ok"]["ok"]
    assert guest("fields.entries", trailers) == [["x-sum", b"0"]]
    assert guest("future-trailers.get", future) == {"err": None}, "once"


def test_what_a_turn_had_of_responses_ends_with_it_but_for_the_guests_headers(
    web: Web, guest: Guest
) -> None:
    mine = guest.ok("fields.from-list", [["x", b"1"]])
    before = len(guest.wasi.resources)
    future = guest.ok("handle", guest.request(web.port), None)
    response = guest.get(future)
    other = guest.ok("handle", guest.request(web.port), None)
    guest.ok("incoming-response.consume", response)
    guest.wasi.flush()
    assert len(guest.wasi.resources) == before
    assert guest.get(other) == GONE
    assert guest("incoming-response.consume", response) == {"err": None}
    with pytest.raises(Gone, match="is gone"):
        guest("incoming-response.status", response)
    assert guest("fields.get", mine, "x") == [b"1"]


# The record, and what another incarnation makes of it


class Box:
    def record(self, _event: bytes) -> None: ...
    def content(self, _content: bytes) -> None: ...


class Incarnation:
    """A guest under a recorder, whose turn goes on from what others have recorded of it."""

    def __init__(
        self,
        http: Grant,
        before: list[bytes] | None = None,
        contents: dict[bytes, bytes] | None = None,
    ) -> None:
        self.guest = Guest(http)
        self.guest.call = self._call  # type: ignore[method-assign]
        world = {name: dict(functions) for name, functions in wasi.WORLD.items()}
        self.recorder = Recorder([], self.guest.wasi, Box(), world)  # type: ignore[arg-type]
        self.record = TurnRecord("a", 1 if before is None else 2, 7, 1 << 24, 1 << 24)
        self.committed: list[bytes] = list(before or [])
        self.contents = dict(contents or {})
        self.recorder.ask = self.commit
        self.recorder.settle = lambda: None
        self.recorder.wait = lambda _index: pytest.fail("nobody else answers")
        self.dies_in_call = False
        if before is None:
            self.recorder.begin(self.record, "x", "y", [])
            return
        journal = Journal(map(decode, before), world)
        self.record.go_on(1, journal.next_index, 0, 0, [])
        hashes, _ = contents_of(map(decode, before))
        resolve = resolver({hash: self.contents[hash] for hash in hashes}, {})
        self.recorder.carry_on(self.record, "x", "y", [], journal, resolve, lambda: None)

    def commit(self) -> None:
        _, events, contents = self.record.cut()
        self.committed += events
        self.contents |= {content_hash(each): each for each in contents}
        if self.dies_in_call:
            raise KeyboardInterrupt

    def _call(self, interface: str, function: str, args: list[Any]) -> Any:
        return self.recorder.call(interface, function, args)

    def next(self, http: Grant) -> Incarnation:
        """The worker has died; what is committed is there."""
        return Incarnation(http, self.committed, self.contents)


def turn(guest: Guest, port: int, method: str = "get", body: bytes | None = None) -> Any:
    request = guest.request(port, method, x_one=b"1")
    if body is not None:
        guest.ok("outgoing-body.finish", guest.write(request, body), None)
    return guest.get(guest.ok("handle", request, None))


def die_in(first: Incarnation, *args: Any) -> None:
    """Commit that a request is to be sent, and go no further."""
    first.dies_in_call = True
    with pytest.raises(KeyboardInterrupt):
        turn(first.guest, *args)


def test_all_that_is_sent_is_committed_before(web: Web) -> None:
    first = Incarnation(grant(web.port))
    die_in(first, web.port, "post", b"the body")
    assert web.requests == []
    events = [decode(data) for data in first.committed]
    last = events[-1]
    assert (last.type, last.function, len(last.payload)) == (EventType.HOST_CALL, EXCHANGE, 1)
    told = str([event.payload for event in events])
    for part in ("post", f"127.0.0.1:{web.port}", "x-one", "the body"):
        assert part in told


def test_a_get_that_was_interrupted_is_sent_again(web: Web) -> None:
    first = Incarnation(grant(web.port))
    die_in(first, web.port)
    second = first.next(grant(web.port))
    response = turn(second.guest, web.port)
    assert second.guest.read(response) == b"GET / HTTP/1.1"
    assert b"x-one: 1" in web.requests[0]


def test_a_post_is_not_unless_the_manifest_says_so(web: Web) -> None:
    first = Incarnation(grant(web.port))
    die_in(first, web.port, "post", b"abc")
    assert turn(first.next(grant(web.port)).guest, web.port, "post", b"abc") == INTERRUPTED
    assert web.requests == []
    again = first.next(grant(web.port, interrupted={"POST": "again"})).guest
    assert again.read(turn(again, web.port, "post", b"abc")) == b"abc"
    told = first.next(grant(web.port, interrupted={"GET": "error"}))
    assert turn(told.guest, web.port, "post", b"abc") == INTERRUPTED


def test_what_is_granted_no_more_is_not_sent_again(web: Web) -> None:
    first = Incarnation(grant(web.port))
    die_in(first, web.port)
    second = first.next(grant(web.port + 1))
    assert turn(second.guest, web.port) == "HTTP-request-denied"
    assert web.requests == []


def test_a_response_outlives_the_process_that_has_received_it(web: Web) -> None:
    """It is read half in one incarnation, half in another, and the server has gone meanwhile."""
    content = bytes(range(256)) * 100
    head = b"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n"
    web.answer = say(head + content)

    def begin(guest: Guest) -> int:
        response = turn(guest, web.port)
        body = guest.ok("incoming-response.consume", response)
        stream = guest.ok("incoming-body.stream", body)
        assert guest.ok("input-stream.read", stream, 10_000) == content[:8192]
        assert guest.ok("input-stream.read", stream, 8) == content[8192:8200]
        assert isinstance(stream, int)
        return stream

    first = Incarnation(grant(web.port))
    begin(first.guest)
    first.commit()
    web.close()
    second = first.next(grant(web.port))
    stream = begin(second.guest)
    data = content[:8200]
    while "ok" in (answer := second.guest("input-stream.read", stream, 20_000)):
        data += answer["ok"]
    assert data == content


def test_an_unread_response_and_an_unsent_request_outlive_it_too(web: Web) -> None:
    def begin(guest: Guest) -> tuple[int, int, int]:
        response = turn(guest, web.port)
        request = guest.request(web.port, "post")
        body = guest.ok("outgoing-request.body", request)
        stream = guest.ok("outgoing-body.write", body)
        guest.ok("output-stream.write", stream, b"abc")
        future = guest.ok("handle", request, None)
        pollable = guest("future-incoming-response.subscribe", future)
        assert guest("future-incoming-response.get", future) is None
        assert not guest("pollable.ready", pollable)
        return response, body, future

    first = Incarnation(grant(web.port))
    begin(first.guest)
    first.commit()
    second = first.next(grant(web.port))
    guest = second.guest
    response, body, future = begin(guest)
    assert len(web.requests) == 1
    headers = guest("incoming-response.headers", response)
    assert guest("fields.get", headers, "content-length") == [b"14"]
    assert guest.read(response) == b"GET / HTTP/1.1"
    guest.ok("outgoing-body.finish", body, None)
    assert guest.read(guest.get(future)) == b"abc"


def test_numbers_go_on_after_those_of_the_record(web: Web) -> None:
    first = Incarnation(grant(web.port))
    for _ in range(3):
        first.guest("fields")  # of a turn before: this one's numbers are larger
    turn(first.guest, web.port)
    first.commit()
    begun = [decode(data) for data in first.committed if b"[constructor]" in data][-1]
    second = Incarnation(grant(web.port), [first.committed[0]], {})
    assert second.guest("fields") < begun.payload[1]
    third = first.next(grant(web.port))
    for _ in range(3):
        third.guest("fields")
    turn(third.guest, web.port)
    assert third.guest("fields") > begun.payload[1]
    assert len(web.requests) == 1


def test_another_exchange_than_the_recorded_one_is_a_difference(web: Web) -> None:
    first = Incarnation(grant(web.port))
    turn(first.guest, web.port)
    first.commit()
    second = first.next(grant(web.port))
    with pytest.raises(Differs):
        second.guest("future-incoming-response.get", 3)
    assert len(web.requests) == 1


# What a log may say


OK_RESPONSE = {"ok": {"ok": 7}}
KEPT = [200, [["x", b"1"]], [b"abc"], None]


@pytest.mark.parametrize(
    ("interface", "function", "payload", "is_answer"),
    [
        (HTTP, EXCHANGE, [OK_RESPONSE, KEPT], True),
        (HTTP, EXCHANGE, [OK_RESPONSE, [200, [], [], [["x", b""]]]], True),
        (HTTP, EXCHANGE, [OK_RESPONSE], False),
        (HTTP, EXCHANGE, [{"ok": {"err": "DNS-timeout"}}], True),
        (HTTP, EXCHANGE, [{"ok": {"err": "DNS-timeout"}}, KEPT], False),
        (HTTP, EXCHANGE, [OK_RESPONSE, [200, [], []]], False),
        (HTTP, EXCHANGE, [OK_RESPONSE, ["200", [], [], None]], False),
        (HTTP, EXCHANGE, [OK_RESPONSE, [20, [], [], None]], False),
        (HTTP, EXCHANGE, [OK_RESPONSE, [200, [["x"]], [], None]], False),
        (HTTP, EXCHANGE, [OK_RESPONSE, [200, [["x", "y"]], [], None]], False),
        (HTTP, EXCHANGE, [OK_RESPONSE, [200, [], ["abc"], None]], False),
        (HTTP, EXCHANGE, [OK_RESPONSE, [200, [], [], 3]], False),
        (HTTP, EXCHANGE, [OK_RESPONSE, KEPT, None], False),
        (wasi.TYPES, wasi.OPEN, [{"ok": 3}], True),
        (wasi.TYPES, wasi.OPEN, [{"ok": 3}, KEPT], False),
        ("test:outside", "post", [None], True),
        ("test:outside", "post", [None, None], False),
        (HTTP, EXCHANGE, [], False),
        (HTTP, EXCHANGE, {}, False),
    ],
)
def test_what_an_answer_may_be(
    interface: str, function: str, payload: Any, is_answer: bool
) -> None:
    assert wasi.is_answer(interface, function, payload) == is_answer


@pytest.mark.parametrize(
    ("function", "arguments", "answer", "is_done"),
    [
        (EXCHANGE, [3], OK_RESPONSE, True),
        (EXCHANGE, [3], None, False),
        (EXCHANGE, [3], {"err": None}, False),
        (EXCHANGE, [3], {"ok": {"err": "HTTP-request-denied"}}, False),
        ("[constructor]fields", [], 3, False),
    ],
)
def test_a_response_that_was_not_committed_first_is_told(
    function: str, arguments: list[Any], answer: Any, is_done: bool
) -> None:
    assert wasi.is_done(HTTP, function, [arguments, answer]) == is_done


def test_a_write_into_a_body_changes_nothing_outside() -> None:
    write = "[method]output-stream.write"
    assert not wasi.is_change(STREAMS, write, [BODIES, b"x"])
    assert not wasi.is_done(STREAMS, write, [[BODIES + 5, b"x"], {"ok": None}])
    assert wasi.is_change(STREAMS, write, [BODIES - 1, b"x"])
