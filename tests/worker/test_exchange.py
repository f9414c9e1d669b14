"""One request over the network: what is said, what comes back, and what does not."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.web import HELLO, Answer, Web, say, self_made, serving
from theater.worker.wasi.exchange import (
    PIECE,
    Failed,
    Patience,
    Received,
    Sent,
    exchange,
    is_public,
)

PATIENCE = Patience(30, 30, 30, 30, 1 << 20)
OK = b"HTTP/1.1 200 OK\r\n"


def sent(web: Web, **changes: Any) -> Sent:
    scheme = web.url.partition(":")[0]
    basis = Sent("GET", scheme, "127.0.0.1", web.port, "/", [], None, [], True, "")
    return dataclasses.replace(basis, **changes)


def asked(answer: Answer, patience: Patience = PATIENCE, **changes: Any) -> Received:
    with serving(answer) as web:
        return exchange(sent(web, **changes), patience)


def failure(answer: Answer, patience: Patience = PATIENCE, **changes: Any) -> Any:
    with pytest.raises(Failed) as caught:
        asked(answer, patience, **changes)
    return caught.value.code


def test_what_is_said_is_what_the_guest_said_and_no_more() -> None:
    with serving(say(HELLO)) as web:
        headers = [("accept", b" text/plain\t"), ("x-one", b"1"), ("x-one", b"2")]
        exchange(sent(web, path="/a?b=c", headers=headers), PATIENCE)
        host = b"host: 127.0.0.1:%d\r\n" % web.port
        assert web.requests == [
            b"GET /a?b=c HTTP/1.1\r\n" + host + b"accept: text/plain\r\n"
            b"x-one: 1\r\nx-one: 2\r\nconnection: close\r\n\r\n"
        ]


def test_a_body_has_its_length_and_trailers_are_sent_in_chunks() -> None:
    with serving(say(HELLO)) as web:
        exchange(
            sent(web, method="POST", headers=[("content-length", b"3")], body=b"abc"), PATIENCE
        )
        exchange(sent(web, method="PUT", body=b""), PATIENCE)
        exchange(sent(web, method="PUT", body=b"abc", trailers=[("x-sum", b"6")]), PATIENCE)
        assert b"content-length: 3\r\nconnection: close\r\n\r\nabc" in web.requests[0]
        assert b"content-length: 0\r\n" in web.requests[1]
        assert b"transfer-encoding: chunked" in web.requests[2]
        assert web.requests[2].endswith(b"\r\n0\r\nx-sum: 6\r\n\r\n")


def test_a_usual_port_is_not_said() -> None:
    basis = Sent("GET", "http", "a.example", 80, "/", [], None, [], False, "")
    assert basis.authority() == "a.example"
    assert dataclasses.replace(basis, port=81).authority() == "a.example:81"
    assert dataclasses.replace(basis, scheme="https", port=443).authority() == "a.example"


LARGE = bytes(range(256)) * 100
ANSWERS: list[tuple[tuple[bytes, ...], int, bytes]] = [
    ((HELLO,), 200, b"hello"),
    ((HELLO[:9], HELLO[9:30], HELLO[30:]), 200, b"hello"),
    ((b"HTTP/1.1 204 No Content\r\nContent-Length: 70000000\r\n\r\n",), 204, b""),
    ((OK + b"\r\nuntil the end",), 200, b"until the end"),
    ((b"HTTP/1.0 404 No\r\n\r\nno",), 404, b"no"),
    ((OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",), 200, b"abc"),
    ((b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", HELLO), 200, b"hello"),
    ((b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n",), 302, b""),
    ((OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz",), 200, b"xyz"),
    ((OK + b"Content-Length: %d\r\n\r\n" % len(LARGE) + LARGE,), 200, LARGE),
]


@pytest.mark.parametrize(("parts", "status", "body"), ANSWERS)
def test_what_comes_back(parts: tuple[bytes, ...], status: int, body: bytes) -> None:
    received = asked(say(*parts))
    assert (received.status, b"".join(received.pieces)) == (status, body)
    assert all(0 < len(piece) <= PIECE for piece in received.pieces)


def test_headers_come_without_those_of_the_connection_and_trailers_apart() -> None:
    head = (
        OK + b"X-A: 1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nKeep-Alive: 5\r\n\r\n"
    )
    received = asked(say(head + b"0\r\nX-Sum: 0\r\n\r\n"))
    assert received.headers == [("x-a", b"1")]
    assert received.trailers == [("x-sum", b"0")]


def test_head_has_the_length_of_what_it_does_not_bring() -> None:
    received = asked(say(OK + b"Content-Length: 70000000\r\n\r\n"), method="HEAD")
    assert received.headers == [("content-length", b"70000000")]
    assert received.pieces == []


FAILURES: list[tuple[tuple[bytes, ...], Any]] = [
    ((), "connection-terminated"),
    ((b"HTTP/1.1 2",), "HTTP-response-incomplete"),
    ((OK + b"Content-Length: 5\r\n\r\nhell",), "HTTP-response-incomplete"),
    ((OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",), "HTTP-response-incomplete"),
    ((b"SSH-2.0-OpenSSH\r\n\r\n",), "HTTP-protocol-error"),
    ((OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",), "HTTP-protocol-error"),
    ((OK + b"X Y: 1\r\n\r\n",), "HTTP-protocol-error"),
    ((OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",), "HTTP-protocol-error"),
    ((b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",), "HTTP-protocol-error"),
    ((b"HTTP/1.1 103 Early\r\n\r\n" * 17 + HELLO,), "HTTP-protocol-error"),
    ((OK + b"X-A: " + b"x" * 70_000,), {"HTTP-response-header-section-size": None}),
    (
        (OK + b"Content-Length: 1048577\r\n\r\n",),
        {"HTTP-response-body-size": 1048577},
    ),
    ((OK + b"\r\n" + b"x" * 1_200_000,), "HTTP-response-body-size"),
]


@pytest.mark.parametrize(("parts", "code"), FAILURES)
def test_what_is_no_response(parts: tuple[bytes, ...], code: Any) -> None:
    found = failure(say(*parts))
    assert found == code or (isinstance(found, dict) and code in found)


def test_a_body_of_the_largest_size_comes_and_one_more_byte_does_not() -> None:
    answer = say(OK + b"\r\n" + b"x" * 100)
    assert len(asked(answer, dataclasses.replace(PATIENCE, body_max=100)).pieces) == 1
    found = failure(answer, dataclasses.replace(PATIENCE, body_max=99))
    assert found == {"HTTP-response-body-size": 100}


def test_patience_ends() -> None:
    def silent(*first: bytes) -> Answer:
        def answer(_request: bytes, connection: socket.socket) -> None:
            for part in first:
                connection.sendall(part)
            connection.recv(1)  # until the other side goes

        return answer

    def impatient(**changes: Any) -> Patience:
        return dataclasses.replace(PATIENCE, **changes)

    assert failure(silent(), impatient(total_s=0.1)) == "HTTP-response-timeout"
    assert failure(silent(), impatient(first_byte_s=0.1)) == "connection-read-timeout"
    half = silent(OK + b"Content-Length: 5\r\n\r\nhe")
    assert failure(half, impatient(between_s=0.1)) == "connection-read-timeout"
    assert failure(half, impatient(total_s=0.1)) == "HTTP-response-timeout"


def test_a_drop_now_and_then_does_not_buy_time() -> None:
    with serving() as web:

        def drip(_request: bytes, connection: socket.socket) -> None:
            connection.sendall(OK + b"\r\n")
            while True:
                connection.sendall(b"x")
                connection.settimeout(0.01)
                try:
                    connection.recv(1)
                    return
                except TimeoutError:
                    pass

        web.answer = drip
        with pytest.raises(Failed, match="HTTP-response-timeout"):
            exchange(sent(web), dataclasses.replace(PATIENCE, total_s=0.2, between_s=0.1))


def test_a_server_that_answers_before_it_has_heard_all_is_heard() -> None:
    with serving() as web:

        def refuse(_request: bytes, connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")

        web.answer = refuse
        received = exchange(sent(web, method="POST", body=b"x" * 100), PATIENCE)
        assert received.status == 413


def test_nobody_listens() -> None:
    with serving() as web:
        port = web.port
    basis = Sent("GET", "http", "127.0.0.1", port, "/", [], None, [], True, "")
    with pytest.raises(Failed, match="connection-refused"):
        exchange(basis, PATIENCE)


def test_a_name_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_named: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    basis = Sent("GET", "http", "nobody.example", 80, "/", [], None, [], False, "")
    with pytest.raises(Failed) as caught:
        exchange(basis, PATIENCE)
    told = {"rcode": "Name or service not known", "info-code": None}
    assert caught.value.code == {"DNS-error": told}


def test_a_resolver_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as web:

        def wait(*_args: Any, **_named: Any) -> Any:
            web.wait()
            return []

        monkeypatch.setattr(socket, "getaddrinfo", wait)
        with pytest.raises(Failed, match="DNS-timeout"):
            exchange(sent(web, host="a.example"), dataclasses.replace(PATIENCE, connect_s=0.05))


PRIVATE = """
    127.0.0.1 127.9.9.9 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 0.0.0.0 100.64.0.1
    224.0.0.1 255.255.255.255 ::1 :: fe80::1%eth0 fd00::1 fec0::1 ff02::1 ::ffff:127.0.0.1
    64:ff9b::7f00:1 2002:7f00:1:: ::ffff:0:0 2001:db8::1
"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::"]
)
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)


def test_only_an_address_that_was_judged_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is looked up once, whatever it would lead to the next time."""
    with serving(say(HELLO)) as web:
        looked: list[str] = []

        def lead_inside(host: str, port: int, **_named: Any) -> Any:
            looked.append(host)
            return [(socket.AF_INET, 0, 0, "", ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", lead_inside)
        with pytest.raises(Failed, match="destination-IP-prohibited"):
            exchange(sent(web, host="evil.example", private=False), PATIENCE)
        assert (looked, web.requests) == (["evil.example"], [])
        assert exchange(sent(web, host="evil.example"), PATIENCE).status == 200
        assert looked == ["evil.example"] * 2


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(say(HELLO)) as web, serving() as other:
        other.close()

        def two(_host: str, port: int, **_named: Any) -> Any:
            addresses = (("127.0.0.1", other.port), ("127.0.0.1", port))
            return [(socket.AF_INET, 0, 0, "", address) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", two)
        assert exchange(sent(web), PATIENCE).status == 200


def test_a_certificate_is_verified(tmp_path: Path) -> None:
    file, context = self_made(tmp_path)
    with serving(say(HELLO), context) as web:
        with pytest.raises(Failed, match="TLS-certificate-error"):
            exchange(sent(web), PATIENCE)
        assert web.requests == []
        assert exchange(sent(web, ca=str(file)), PATIENCE).status == 200
        with pytest.raises(Failed, match="cannot be read"):
            exchange(sent(web, ca=str(tmp_path / "none.pem")), PATIENCE)
        (tmp_path / "bad.pem").write_text("nonsense")
        with pytest.raises(Failed, match="cannot be read"):
            exchange(sent(web, ca=str(tmp_path / "bad.pem")), PATIENCE)


def test_a_certificate_has_to_be_for_the_name(tmp_path: Path) -> None:
    file, context = self_made(tmp_path, "other.example")
    with serving(say(HELLO), context) as web:
        with pytest.raises(Failed, match="TLS-certificate-error"):
            exchange(sent(web, ca=str(file)), PATIENCE)
        assert web.requests == []


def test_what_does_not_speak_tls() -> None:
    def plain(_request: bytes, _connection: socket.socket) -> None: ...

    with serving(plain) as web:
        found = sent(web, scheme="https")
        with pytest.raises(Failed) as caught:
            exchange(found, dataclasses.replace(PATIENCE, connect_s=0.3))
        assert caught.value.code in ("connection-timeout", "connection-terminated")
