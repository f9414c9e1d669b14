"""Sockets that hold what is to be received, and remember what was sent."""

from __future__ import annotations

import os
from typing import Any

import zmq


class Frame:
    """As ZeroMQ gives one with `copy=False`."""

    def __init__(self, data: bytes, pid: int) -> None:
        self.bytes = data
        self._peer = f"localhost:{os.getuid()}:{os.getgid()}:{pid}"

    def get(self, _name: str) -> str:
        return self._peer


class Socket:
    def __init__(self) -> None:
        self._waiting: list[tuple[bytes, bytes, int]] = []
        self.sent: list[tuple[bytes, bytes]] = []
        self._frame: Frame | None = None

    def put(self, route: bytes, data: bytes, pid: int = 1) -> None:
        self._waiting.append((route, data, pid))

    def recv(self, _flags: int = 0, copy: bool = True) -> Any:
        """First the route of a message, then its frame."""
        if self._frame is not None:
            frame, self._frame = self._frame, None
            return frame.bytes if copy else frame
        route, self._frame = self._next()
        return route

    def recv_multipart(self, _flags: int = 0, copy: bool = True) -> list[Frame]:
        assert not copy
        route, frame = self._next()
        return [Frame(route, 0), frame]

    def _next(self) -> tuple[bytes, Frame]:
        if not self._waiting:
            raise zmq.Again
        route, data, pid = self._waiting.pop(0)
        return route, Frame(data, pid)

    def getsockopt(self, _option: int) -> int:
        return 0

    def send_multipart(self, frames: tuple[bytes, bytes], _flags: int = 0) -> None:
        self.sent.append(frames)
