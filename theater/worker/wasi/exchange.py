"""One request over the network, and its response: HTTP/1.1 on a connection of its own.

The name is looked up once, each of its addresses is judged, and what is connected to is one that
was: no second look-up can lead elsewhere. The certificate is verified for the name. Nothing is
added to what the guest said but what the message itself needs (host, its length, that the
connection ends); nothing is followed, unpacked, or taken from the environment.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h11

from theater.worker.wasi.errors import ErrorCode
from theater.worker.wasi.fields import SECTION_MAX, Entries, told

RECEIVE = 64 * 1024  # bytes at once
PIECE = 8 * 1024  # bytes of a piece of a body: as much as JavaScript reads at once
INFORMED_MAX = 16  # informational responses before the one that counts
BODILESS = (204, 304)
_EMBEDDED = ipaddress.IPv6Network("64:ff9b::/96")  # addresses of IPv4, behind a gateway


class Failed(Exception):
    """There is no response; `code` says why."""

    def __init__(self, code: ErrorCode) -> None:
        self.code = code
        super().__init__(str(code))


@dataclass(frozen=True, slots=True)
class Sent:
    """What is to be said, and to whom. It has been checked and is permitted."""

    method: str
    scheme: str
    host: str  # a name, or an address; of IPv6 in brackets
    port: int
    path: str
    headers: Entries
    body: bytes | None
    trailers: Entries
    private: bool  # an address that is not public will do
    ca: str  # file of the certificates that are trusted; "": the system's

    def authority(self) -> str:
        is_usual = (self.scheme, self.port) in (("http", 80), ("https", 443))
        return self.host if is_usual else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, and how much to take."""

    total_s: float
    connect_s: float
    first_byte_s: float
    between_s: float
    body_max: int


@dataclass(slots=True)
class Received:
    """A response, whole."""

    status: int
    headers: Entries
    pieces: list[bytes] = field(default_factory=list)
    trailers: Entries | None = None


def exchange(sent: Sent, patience: Patience) -> Received:
    """Raises Failed."""
    until = time.monotonic() + patience.total_s
    connecting = Clock(until, "connection-timeout").within(patience.connect_s)
    connection = _connect(sent, connecting)
    try:
        if sent.scheme == "https":
            connection = _secure(connection, sent, connecting)
        wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=SECTION_MAX)
        _send(connection, _written(wire, sent), Clock(until, "connection-write-timeout"))
        return _Reader(connection, wire, sent.method, until, patience).read()
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Clock:
    """A moment, and what it is called when it has come."""

    until: float
    code: ErrorCode

    def within(self, seconds: float) -> Clock:
        return Clock(min(self.until, time.monotonic() + seconds), self.code)

    def left_s(self) -> float:
        """Raises Failed."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise Failed(self.code)
        return left


# Whom


def _connect(sent: Sent, clock: Clock) -> socket.socket:
    found = _addresses(sent.host, sent.port, clock.left_s())
    usable = [each for each in found if sent.private or is_public(each[1][0])]
    if not usable:
        raise Failed("destination-IP-prohibited")
    failure: ErrorCode = "destination-unavailable"
    for family, address in usable:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(clock.left_s())
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except TimeoutError:
            failure = clock.code
        except ConnectionRefusedError:
            failure = "connection-refused"
        except OSError:
            failure = "destination-unavailable"
        except Failed:
            connection.close()
            raise
        connection.close()
    raise Failed(failure)


_Address = tuple[socket.AddressFamily, tuple[Any, ...]]


def _addresses(host: str, port: int, timeout_s: float) -> list[_Address]:
    """The resolver of the C library knows no timeout, so it is waited for from outside."""
    name = host.removeprefix("[").removesuffix("]")
    found: list[_Address] = []
    failed: list[OSError] = []

    def look_up() -> None:
        try:
            for family, _, _, _, address in socket.getaddrinfo(
                name, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICSERV
            ):
                found.append((family, address))
        except OSError as error:
            failed.append(error)
        except UnicodeError:  # a label that IDNA has no room for
            failed.append(OSError("it is no name"))

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        raise Failed("DNS-timeout")
    if not found:
        why = (failed[0].strerror if failed else None) or "no address"
        raise Failed({"DNS-error": {"rcode": why, "info-code": None}})
    return found


def is_public(text: str) -> bool:
    """Whether this is an address of the world at large, and of none of this machine or network."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address.teredo is not None:
            inner = address.teredo[1]
        if address in _EMBEDDED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


def _secure(connection: socket.socket, sent: Sent, clock: Clock) -> ssl.SSLSocket:
    try:
        context = ssl.create_default_context(cafile=sent.ca or None)
    except OSError as error:
        why = error.strerror or str(error)
        raise Failed({"internal-error": f"the certificates in ca cannot be read: {why}"}) from None
    context.set_alpn_protocols(["http/1.1"])
    connection.settimeout(clock.left_s())
    try:
        name = sent.host.removeprefix("[").removesuffix("]")
        # A body that ends with the connection has only the word of TLS for its being whole.
        return context.wrap_socket(connection, server_hostname=name, suppress_ragged_eofs=False)
    except TimeoutError:
        raise Failed(clock.code) from None
    except ssl.SSLCertVerificationError:
        raise Failed("TLS-certificate-error") from None
    except ssl.SSLError as error:
        raise Failed(_tls_code(error)) from None
    except OSError:
        raise Failed("connection-terminated") from None


def _tls_code(error: ssl.SSLError) -> ErrorCode:
    reason = error.reason or ""
    if "ALERT" in reason:
        return {"TLS-alert-received": {"alert-id": None, "alert-message": reason}}
    return "connection-terminated" if isinstance(error, ssl.SSLEOFError) else "TLS-protocol-error"


# What is said


def _written(wire: h11.Connection, sent: Sent) -> bytes:
    """The request as bytes."""
    try:
        return b"".join(_events(wire, sent))
    except h11.LocalProtocolError as error:
        raise Failed({"internal-error": f"the request cannot be written: {error}"}) from None


def _events(wire: h11.Connection, sent: Sent) -> Iterator[bytes]:
    headers: list[tuple[bytes, bytes]] = [(b"host", sent.authority().encode())]
    headers += [
        (name.encode(), value.strip(b" \t"))
        for name, value in sent.headers
        if name != "content-length"
    ]
    if sent.trailers:
        headers.append((b"transfer-encoding", b"chunked"))
    elif sent.body is not None:
        headers.append((b"content-length", b"%d" % len(sent.body)))
    headers.append((b"connection", b"close"))
    request = h11.Request(method=sent.method, target=sent.path, headers=headers)
    yield wire.send(request) or b""
    if sent.body:
        yield wire.send(h11.Data(data=sent.body)) or b""
    trailers = [(name.encode(), value.strip(b" \t")) for name, value in sent.trailers]
    yield wire.send(h11.EndOfMessage(headers=trailers)) or b""


def _send(connection: socket.socket, data: bytes, clock: Clock) -> None:
    connection.settimeout(clock.left_s())
    try:
        connection.sendall(data)
    except TimeoutError:
        raise Failed(clock.code) from None
    except OSError:
        pass  # a server that has heard enough may have answered all the same


# What comes back


class _Reader:
    def __init__(
        self,
        connection: socket.socket,
        wire: h11.Connection,
        method: str,
        until: float,
        patience: Patience,
    ) -> None:
        self._connection = connection
        self._method = method
        self._wire = wire
        self._patience = patience
        self._clock = Clock(until, "HTTP-response-timeout")
        self._silence_s = patience.first_byte_s
        self._size = 0
        self._has_heard = False

    def read(self) -> Received:
        received: Received | None = None
        rest = bytearray()
        informed = 0
        while True:
            event = self._next()
            match event:
                case h11.InformationalResponse():
                    informed += 1
                    if informed > INFORMED_MAX:
                        raise Failed("HTTP-protocol-error")
                case h11.Response():
                    received = Received(event.status_code, told(event.headers))
                    self._expect(received)
                case h11.Data() if received is not None:
                    self._size += len(event.data)
                    self._check_size(self._size)
                    rest += event.data
                case h11.EndOfMessage() if received is not None:
                    content = bytes(rest)
                    received.pieces = [
                        content[at : at + PIECE] for at in range(0, len(content), PIECE)
                    ]
                    received.trailers = told(event.headers) or None
                    return received
                case _:
                    raise Failed("connection-terminated")

    def _expect(self, received: Received) -> None:
        """A body that will be too large need not be read."""
        if self._method != "HEAD" and received.status not in BODILESS:
            for name, value in received.headers:
                if name == "content-length":
                    self._check_size(int(value))

    def _check_size(self, size: int) -> None:
        if size > self._patience.body_max:
            raise Failed({"HTTP-response-body-size": size})

    def _next(self) -> Any:
        while True:
            try:
                event = self._wire.next_event()
            except h11.RemoteProtocolError as error:
                raise Failed(self._broken(error)) from None
            if event is not h11.NEED_DATA:
                return event
            self._wire.receive_data(self._receive())

    def _receive(self) -> bytes:
        left = self._clock.left_s()
        self._connection.settimeout(min(left, self._silence_s))
        try:
            data = self._connection.recv(RECEIVE)
        except TimeoutError:
            late = left <= self._silence_s
            raise Failed(self._clock.code if late else "connection-read-timeout") from None
        except OSError:
            raise Failed(self._ended()) from None
        self._silence_s = self._patience.between_s
        self._has_heard = self._has_heard or bool(data)
        return data

    def _broken(self, error: h11.RemoteProtocolError) -> ErrorCode:
        if error.error_status_hint == 431:
            return {"HTTP-response-header-section-size": None}
        is_over = self._wire.trailing_data[1]  # the server has said all that it will
        return self._ended() if is_over else "HTTP-protocol-error"

    def _ended(self) -> ErrorCode:
        return "HTTP-response-incomplete" if self._has_heard else "connection-terminated"
