"""Write a value as a CGRF graph, and read one. Pure. `nodes` has what each node says.

A graph is a header (magic, version, flags, number of nodes, index of the root) and its nodes, each
a kind, a length and a payload that names its children by index. A node comes after its children,
children in order, nothing is shared, the root is last: so equal values have equal bytes.

Everybody writes so; but nobody must. Reading goes through the nodes once, with a stack that holds
those whose parent is still to come, and this finds all that is in order. What is not, or might be
wrong only where nothing leads to, is read again from the root. Neither recurses, and both take time
and memory in proportion to the bytes, whatever they claim.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from typing import Any

from theater.pack.nodes import (
    CHECKED,
    HEADS,
    LEAVES,
    WRITERS,
    Make,
    opened,
)
from theater.pack.nodes import BadGraph as BadGraph
from theater.pack.nodes import Limits as Limits
from theater.pack.values import BadValue, Value

MAGIC = b"CGRF"
VERSION = 2
LIMITS = Limits()
_HEADER = struct.Struct("<4sHHII")
_NODE = struct.Struct("<BxxxI")
_END = object()


def encode(value: Value, limits: Limits = LIMITS) -> bytes:
    """BadValue: it cannot be written, is nested too deeply, or is too large."""
    out = bytearray(_HEADER.size)
    count = 0
    # What is open: its kind, its payload up to the indices, its children that are not written yet,
    # the indices of those that are.
    frames: list[tuple[int, bytes, Iterator[Value], list[int]]] = []
    current: Any = value
    while True:
        if len(frames) >= limits.depth:
            raise BadValue(f"it is nested more than {limits.depth} deep")
        write = WRITERS.get(type(current))
        if write is None:
            kind, head, children = opened(current, limits)
            frames.append((kind, head, iter(children), []))
        else:
            kind, payload = write(current)
            _write(out, kind, payload, limits)
            if frames:
                frames[-1][3].append(count)
            count += 1
        while frames:
            kind, head, rest, indices = frames[-1]
            current = next(rest, _END)
            if current is not _END:
                break
            frames.pop()
            payload = head + struct.pack(f"<{len(indices)}I", *indices) if indices else head
            _write(out, kind, payload, limits)
            if frames:
                frames[-1][3].append(count)
            count += 1
        if count > limits.nodes:
            raise BadValue(f"it takes more than {limits.nodes:,} nodes")
        if not frames:
            _HEADER.pack_into(out, 0, MAGIC, VERSION, 0, count, count - 1)
            return bytes(out)


def _write(out: bytearray, kind: int, payload: bytes, limits: Limits) -> None:
    size = len(payload)
    if size > limits.payload:
        raise BadValue(f"a part of it takes {size:,} bytes, of {limits.payload:,}")
    out += _NODE.pack(kind, size)
    out += payload
    if len(out) > limits.buffer:
        raise BadValue(f"it takes more than {limits.buffer:,} bytes")


def decode(data: bytes, limits: Limits = LIMITS) -> Value:
    """BadGraph: they are no value. What several places share, they share in what is returned."""
    if len(data) > limits.buffer:
        raise BadGraph(f"{len(data):,} bytes are more than {limits.buffer:,}")
    value, end = decode_prefix(data, 0, limits)
    if end != len(data):
        raise BadGraph(f"{len(data) - end:,} bytes come after the last node")
    return value


def decode_prefix(data: bytes, start: int = 0, limits: Limits = LIMITS) -> tuple[Value, int]:
    """The value that begins at `start`, and where it ends; something may follow. BadGraph."""
    end = min(len(data), start + limits.buffer)
    if end - start < _HEADER.size:
        raise BadGraph(f"{max(0, end - start)} bytes are fewer than a header has")
    magic, version, _flags, count, root = _HEADER.unpack_from(data, start)
    if magic != MAGIC:
        raise BadGraph("it does not begin with CGRF")
    if version != VERSION:
        raise BadGraph(f"it is of version {version}, and not {VERSION}")
    if count > limits.nodes:
        raise BadGraph(f"{count:,} nodes are more than {limits.nodes:,}")
    first = start + _HEADER.size
    if count * _NODE.size > end - first:
        raise BadGraph(f"{count:,} nodes have {end - first:,} bytes")
    if root >= count:
        raise BadGraph(f"the root is node {root:,} of {count:,}")
    return _in_order(data, first, end, count, root, limits) or _from_root(
        data, first, end, count, root, limits
    )


def _in_order(
    data: bytes, at: int, end: int, count: int, root: int, limits: Limits
) -> tuple[Value, int] | None:
    """As encoders write it; None if it is not so, or if something may be wrong. BadGraph."""
    if root != count - 1:
        return None
    made: list[Any] = []  # that no parent has taken yet, and of each its index and its height
    indices = array("I")
    heights: list[int] = []
    for index in range(count):
        if end - at < _NODE.size:
            raise BadGraph(f"node {index} is cut off")
        kind, length = _NODE.unpack_from(data, at)
        at += _NODE.size
        stop = at + length
        if stop > end or length > limits.payload:
            raise _too_long(index, length, end - at, limits)
        read = LEAVES.get(kind)
        height = 1
        try:
            if read is not None:
                value = read(data, at, stop)
            else:
                children, make = HEADS[kind](data, at, stop, limits)
                taken = len(children)
                if not taken:
                    value = make([])
                elif indices[-taken:] == children:
                    value = make(made[-taken:])
                    height += max(heights[-taken:])
                    if height > limits.depth:
                        return None
                    del made[-taken:], indices[-taken:], heights[-taken:]
                else:
                    return None
        except (BadGraph, KeyError):
            return None
        made.append(value)
        indices.append(index)
        heights.append(height)
        at = stop
    return (made[0], at) if len(made) == 1 else None


def _from_root(
    data: bytes, first: int, end: int, count: int, root: int, limits: Limits
) -> tuple[Value, int]:
    """In whatever order it is. BadGraph, which says at which node."""
    made: list[Any] = [None] * count
    places = array("Q")  # of payloads
    at = first
    for index in range(count):
        if end - at < _NODE.size:
            raise BadGraph(f"node {index} is cut off")
        kind, length = _NODE.unpack_from(data, at)
        at += _NODE.size
        places.append(at)
        if at + length > end or length > limits.payload:
            raise _too_long(index, length, end - at, limits)
        try:
            if (read := LEAVES.get(kind)) is not None:
                made[index] = read(data, at, at + length)
            elif (head := HEADS.get(kind)) is None:
                raise BadGraph(f"0x{kind:02x} is no kind")
            elif kind in CHECKED:
                _in_range(head(data, at, at + length, limits)[0], count)
        except BadGraph as error:
            raise BadGraph(f"node {index}: {error}") from None
        at += length
    tree = _Tree(data, made, places, max(at - first, limits.shared), limits)
    return tree.read(root), at


class _Tree:
    """What is reached from the root, each node made once, after its children."""

    def __init__(
        self, data: bytes, made: list[Any], places: array[int], size_max: int, limits: Limits
    ) -> None:
        self.data = data
        self.made = made
        self.places = places
        self.size_max = size_max
        self.limits = limits
        self.sizes = array("Q", bytes(8 * len(made)))  # of it all as a tree, in bytes; 0: not made
        self.heights = array("I", bytes(4 * len(made)))
        self.open: dict[int, tuple[array[int], Make]] = {}  # those on the way to where we are

    def read(self, root: int) -> Value:
        waiting = [root]
        while waiting:
            index = waiting[-1]
            try:
                if self.sizes[index]:
                    waiting.pop()
                elif index in self.open:
                    self._close(index, *self.open.pop(index))
                else:
                    waiting.extend(self._enter(index))
            except BadGraph as error:
                raise BadGraph(f"node {index}: {error}") from None
        found: Value = self.made[root]
        return found

    def _enter(self, index: int) -> list[int]:
        """Open a node; the children that are to be made before it, the first one last."""
        at = self.places[index]
        kind, length = _NODE.unpack_from(self.data, at - _NODE.size)
        if kind in LEAVES:
            self.sizes[index] = _NODE.size + length
            self.heights[index] = 1
            return []
        children, make = HEADS[kind](self.data, at, at + length, self.limits)
        _in_range(children, len(self.made))
        self.open[index] = children, make
        if len(self.open) > self.limits.depth:
            raise BadGraph(f"it is nested more than {self.limits.depth} deep")
        left = []
        for child in reversed(children):
            if child in self.open:
                raise BadGraph(f"it is within node {child}, which is within it")
            if not self.sizes[child]:
                left.append(child)
        return left

    def _close(self, index: int, children: array[int], make: Make) -> None:
        at = self.places[index]
        size = _NODE.size + _NODE.unpack_from(self.data, at - _NODE.size)[1]
        height = 0
        for child in children:
            size += self.sizes[child]
            height = max(height, self.heights[child])
        if height >= self.limits.depth:
            raise BadGraph(f"it is nested more than {self.limits.depth} deep")
        if size > self.size_max:
            raise BadGraph(f"without sharing it takes more than {self.size_max:,} bytes")
        self.made[index] = make([self.made[child] for child in children])
        self.sizes[index] = size
        self.heights[index] = height + 1


def _in_range(children: array[int], count: int) -> None:
    if children and max(children) >= count:
        raise BadGraph(f"its child is node {max(children):,} of {count:,}")


def _too_long(index: int, length: int, left: int, limits: Limits) -> BadGraph:
    if length > limits.payload:
        return BadGraph(f"node {index} has {length:,} bytes, of {limits.payload:,}")
    return BadGraph(f"node {index} has {length:,} bytes, and {left:,} are left")
