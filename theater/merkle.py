"""A Merkle tree over a log, hashed as Certificate Transparency does it. Pure.

RFC 6962, section 2.1 (RFC 9162 has the same): a leaf is SHA-256(0x00 ‖ data), a node is
SHA-256(0x01 ‖ left ‖ right), and the tree over n leaves splits at the largest power of two below n.
The root over no leaf is the SHA-256 of nothing.

A leaf of ours is msgpack [seq, actor, event hash, time]: its place in the log, its chain, all of
that chain up to it, and the Unix time of its commit. Leaves are counted from 0: event `seq` is leaf
seq - 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgpack

EMPTY = hashlib.sha256(b"").digest()
# Of a 64 bit count, one for each bit: more no proof can have.
PATH_MAX = 64

_sha256 = hashlib.sha256
_pack = msgpack.Packer(use_bin_type=True, autoreset=True).pack


def leaf(seq: int, actor: str, hash: bytes, time: float) -> bytes:
    """The leaf hash of an event: `hash` is its own in its chain, `time` that of its commit."""
    return _sha256(b"\0" + _pack((seq, actor, hash, time))).digest()


def leaf_hash(data: bytes) -> bytes:
    return _sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return _sha256(b"\1" + left + right).digest()


class Frontier:
    """A tree that grows to the right: its size, and of each whole subtree of it the root.

    `peaks` are those, the largest first: one for each bit that is set in `size`. They are all that
    has to be remembered to append to the tree, or to know its root.
    """

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if size < 0 or len(peaks) != size.bit_count() or any(len(peak) != 32 for peak in peaks):
            raise ValueError(f"{len(peaks)} peaks are not those of {size} leaves")
        self.size = size
        self.peaks = list(peaks)

    def copy(self) -> Frontier:
        return Frontier(self.size, self.peaks)

    def append(self, hash: bytes, level: int = 0) -> None:
        """Add a subtree of 2**level leaves by its root; a leaf if `level` is 0.

        Where it begins has to be a multiple of its size.
        """
        assert self.size & ((1 << level) - 1) == 0, "a subtree begins at a multiple of its size"
        peaks = self.peaks
        merged = self.size >> level
        while merged & 1:
            hash = node_hash(peaks.pop(), hash)
            merged >>= 1
        peaks.append(hash)
        self.size += 1 << level

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add many leaf hashes: level by level, which is faster than one by one."""
        at, end = 0, len(leaves)
        while at < end:
            # The largest subtree that may begin here and is there as a whole.
            level = (end - at).bit_length() - 1
            if self.size:
                level = min(level, (self.size & -self.size).bit_length() - 1)
            count = 1 << level
            self.append(_whole(leaves[at : at + count]), level)
            at += count

    def join(self, other: Frontier) -> None:
        """Add a tree whose leaves come right after these; `size` has to be a multiple of the
        largest subtree of the other."""
        level = other.size.bit_length()
        peaks = iter(other.peaks)
        while level:
            level -= 1
            if other.size >> level & 1:
                self.append(next(peaks), level)

    def root(self) -> bytes:
        if not self.peaks:
            return EMPTY
        hash = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            hash = node_hash(peak, hash)
        return hash


def _whole(level: Sequence[bytes]) -> bytes:
    """The root over 2**n leaf hashes."""
    while len(level) > 1:
        pairs = iter(level)
        level = [
            _sha256(b"\1" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)
        ]
    return level[0]


def root(leaves: Iterable[bytes]) -> bytes:
    """The root over these leaf hashes."""
    frontier = Frontier()
    frontier.extend(list(leaves))
    return frontier.root()


# Proofs. Which subtrees one consists of is told as ranges of leaves (first, end), end not included,
# in the order in which their roots stand in the proof: whoever has the leaves makes it of them.

Range = tuple[int, int]


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The proof that leaf `index` is in the tree over `size` leaves: RFC 6962, 2.1.1, PATH."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    found: list[Range] = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((first, middle))
            first = middle
    found.reverse()
    return found


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The proof that the tree over the first `old` leaves became that over `new`: RFC 6962, 2.1.2,
    PROOF. Of no leaf, and of an equal tree, there is nothing to prove."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} does not become one of {new}")
    found: list[Range] = []
    if old in (0, new):
        return found
    first, end, is_whole = 0, new, True  # is_whole: the old tree is one that the verifier knows
    while old != end:
        middle = first + _split(end - first)
        if old <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((first, middle))
            first = middle
            is_whole = False
    if not is_whole:
        found.append((first, end))
    found.reverse()
    return found


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def includes(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` proves that `leaf` is leaf `index` of the tree of `size` leaves with this
    root. RFC 9162, 2.1.3.2."""
    if not 0 <= index < size:
        return False
    place, last, hash = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            hash = node_hash(step, hash)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            hash = node_hash(hash, step)
        place, last = place >> 1, last >> 1
    return last == 0 and hash == root


def extends(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether `path` proves that the tree of `new` leaves begins with all leaves of the one of
    `old`. RFC 9162, 2.1.4.2."""
    if not 0 <= old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    if old == 0:
        return not path and old_root == EMPTY
    steps = list(path)
    if old & (old - 1) == 0:  # the old tree is whole: its root is the first step
        steps.insert(0, old_root)
    if not steps:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first_hash = second_hash = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first_hash = node_hash(step, first_hash)
            second_hash = node_hash(step, second_hash)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second_hash = node_hash(second_hash, step)
        place, last = place >> 1, last >> 1
    return last == 0 and first_hash == old_root and second_hash == new_root
