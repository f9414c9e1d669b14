"""wasi:sockets without any network: there is a `network`, and all it is asked for is denied."""

from __future__ import annotations

from typing import Any

from theater.wasi import NETWORK
from theater.worker.wasi.io import Io
from theater.worker.wasi.resources import Interfaces

_SOCKET_METHODS = {
    "tcp": (
        "start-bind",
        "finish-bind",
        "start-connect",
        "finish-connect",
        "start-listen",
        "finish-listen",
        "accept",
        "local-address",
        "remote-address",
        "set-listen-backlog-size",
        "keep-alive-enabled",
        "set-keep-alive-enabled",
        "keep-alive-idle-time",
        "set-keep-alive-idle-time",
        "keep-alive-interval",
        "set-keep-alive-interval",
        "keep-alive-count",
        "set-keep-alive-count",
        "hop-limit",
        "set-hop-limit",
        "receive-buffer-size",
        "set-receive-buffer-size",
        "send-buffer-size",
        "set-send-buffer-size",
        "shutdown",
    ),
    "udp": (
        "start-bind",
        "finish-bind",
        "stream",
        "local-address",
        "remote-address",
        "unicast-hop-limit",
        "set-unicast-hop-limit",
        "receive-buffer-size",
        "set-receive-buffer-size",
        "send-buffer-size",
        "set-send-buffer-size",
    ),
}


def interfaces(io: Io) -> Interfaces:
    tcp = {f"[method]tcp-socket.{method}": _deny for method in _SOCKET_METHODS["tcp"]}
    udp = {f"[method]udp-socket.{method}": _deny for method in _SOCKET_METHODS["udp"]}
    return {
        "wasi:sockets/network": {"network-error-code": lambda _error: None},
        "wasi:sockets/instance-network": {"instance-network": lambda: NETWORK},
        "wasi:sockets/ip-name-lookup": {
            "resolve-addresses": _deny,
            "[method]resolve-address-stream.resolve-next-address": _deny,
            "[method]resolve-address-stream.subscribe": io.new_ready,
        },
        "wasi:sockets/tcp-create-socket": {"create-tcp-socket": _deny},
        "wasi:sockets/udp-create-socket": {"create-udp-socket": _deny},
        "wasi:sockets/tcp": {
            **tcp,
            "[method]tcp-socket.is-listening": lambda _socket: False,
            "[method]tcp-socket.address-family": lambda _socket: "ipv4",
            "[method]tcp-socket.subscribe": io.new_ready,
        },
        "wasi:sockets/udp": {
            **udp,
            "[method]udp-socket.address-family": lambda _socket: "ipv4",
            "[method]udp-socket.subscribe": io.new_ready,
            "[method]incoming-datagram-stream.receive": _deny,
            "[method]incoming-datagram-stream.subscribe": io.new_ready,
            "[method]outgoing-datagram-stream.check-send": _deny,
            "[method]outgoing-datagram-stream.send": _deny,
            "[method]outgoing-datagram-stream.subscribe": io.new_ready,
        },
    }


def _deny(*_args: Any) -> dict[str, Any]:
    return {"err": "access-denied"}
