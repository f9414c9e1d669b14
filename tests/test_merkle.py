"""The Merkle tree: known vectors, and the RFC's recursive words beside what we do in loops."""

from __future__ import annotations

import hashlib
import random

import msgpack
import pytest

from theater import merkle
from theater.merkle import Frontier

# The leaves and roots that the tests of Certificate Transparency have used from the beginning.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {  # (leaf, size) -> path
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {  # (old size, new size) -> path
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
HASHES = [merkle.leaf_hash(data) for data in LEAVES]


def of_ranges(ranges: list[merkle.Range], leaves: list[bytes]) -> list[bytes]:
    return [merkle.root(leaves[first:end]) for first, end in ranges]


# The definitions of RFC 6962, 2.1, word for word.


def mth(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def rfc_path(m: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*rfc_path(m, leaves[:k]), mth(leaves[k:])]
    return [*rfc_path(m - k, leaves[k:]), mth(leaves[:k])]


def rfc_proof(m: int, leaves: list[bytes], known: bool = True) -> list[bytes]:
    if m == len(leaves):
        return [] if known else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*rfc_proof(m, leaves[:k], known), mth(leaves[k:])]
    return [*rfc_proof(m - k, leaves[k:], False), mth(leaves[:k])]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert merkle.root(HASHES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize("index, size", INCLUSION)
def test_inclusion_proofs_are_those_of_certificate_transparency(index: int, size: int) -> None:
    path = of_ranges(merkle.inclusion_ranges(index, size), HASHES)
    assert [step.hex() for step in path] == INCLUSION[index, size]
    assert merkle.includes(HASHES[index], index, size, path, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize("old, new", CONSISTENCY)
def test_consistency_proofs_are_those_of_certificate_transparency(old: int, new: int) -> None:
    path = of_ranges(merkle.consistency_ranges(old, new), HASHES)
    assert [step.hex() for step in path] == CONSISTENCY[old, new]
    roots = bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new])
    assert merkle.extends(old, new, *roots, path)


def test_the_examples_of_the_rfc() -> None:
    # RFC 6962, 2.1.3: seven leaves d0 to d6, and trees of three, four and six of them.
    a, b, c, d, e, f, j = HASHES[:7]
    node = merkle.node_hash
    g, h, i = node(a, b), node(c, d), node(e, f)
    k, whole = node(g, h), merkle.root(HASHES[:7])
    assert whole == node(k, node(i, j))
    paths = {0: [b, h, node(i, j)], 3: [c, g, node(i, j)], 4: [f, j, k], 6: [i, k]}
    for index, path in paths.items():
        assert of_ranges(merkle.inclusion_ranges(index, 7), HASHES) == path
    proofs = {3: [c, d, g, node(i, j)], 4: [node(i, j)], 6: [i, j, k]}
    for old, path in proofs.items():
        assert of_ranges(merkle.consistency_ranges(old, 7), HASHES) == path


def test_trees_and_proofs_of_all_small_sizes_are_as_the_rfc_defines_them() -> None:
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(33)]
    roots = [mth(leaves[:size]) for size in range(34)]
    for size in range(1, 34):
        assert merkle.root(leaves[:size]) == roots[size]
        for index in range(size):
            path = of_ranges(merkle.inclusion_ranges(index, size), leaves)
            assert path == rfc_path(index, leaves[:size])
            assert merkle.includes(leaves[index], index, size, path, roots[size])
        for old in range(1, size + 1):
            path = of_ranges(merkle.consistency_ranges(old, size), leaves)
            assert path == rfc_proof(old, leaves[:size])
            assert merkle.extends(old, size, roots[old], roots[size], path)
    assert merkle.extends(0, 5, merkle.EMPTY, roots[5], [])


@pytest.mark.parametrize("seed", range(20))
def test_a_frontier_is_the_same_however_it_grew(seed: int) -> None:
    random_ = random.Random(seed)
    leaves = [random_.randbytes(32) for _ in range(random_.randrange(1, 600))]
    one_by_one, in_parts = Frontier(), Frontier()
    for leaf in leaves:
        one_by_one.append(leaf)
    at = 0
    while at < len(leaves):
        end = at + random_.randrange(1, 100)
        in_parts.extend(leaves[at:end])
        in_parts = Frontier(in_parts.size, in_parts.peaks)  # as it is kept and read again
        at = end
    level = random_.randrange(8)
    joined = Frontier()
    for first in range(0, len(leaves), 1 << level):
        chunk = Frontier()
        chunk.extend(leaves[first : first + (1 << level)])
        joined.join(chunk)
    for each in (in_parts, joined):
        assert (each.size, each.peaks) == (one_by_one.size, one_by_one.peaks), f"seed {seed}"
    assert one_by_one.root() == mth(leaves), f"seed {seed}"


@pytest.mark.parametrize("seed", range(40))
def test_a_proof_that_is_changed_proves_nothing(seed: int) -> None:
    random_ = random.Random(seed)
    size = random_.randrange(1, 70)
    leaves = [random_.randbytes(32) for _ in range(size)]
    index, old = random_.randrange(size), random_.randrange(1, size + 1)
    roots = merkle.root(leaves[:old]), merkle.root(leaves)
    path = of_ranges(merkle.inclusion_ranges(index, size), leaves)
    proof = of_ranges(merkle.consistency_ranges(old, size), leaves)
    assert merkle.includes(leaves[index], index, size, path, roots[1])
    assert merkle.extends(old, size, *roots, proof)
    for changed in changes(path, random_):
        assert not merkle.includes(leaves[index], index, size, changed, roots[1]), f"seed {seed}"
    for changed in changes(proof, random_):
        assert not merkle.extends(old, size, *roots, changed), f"seed {seed}"
    for place in {*range(-1, size + 2)} - {index}:
        assert not merkle.includes(leaves[index], place, size, path, roots[1]), f"seed {seed}"
    other = random_.randbytes(32)
    assert not merkle.includes(other, index, size, path, roots[1])
    assert not merkle.includes(leaves[index], index, size, path, other)
    assert not merkle.extends(old, size, other, roots[1], proof)
    assert not merkle.extends(old, size, roots[0], other, proof)
    assert not merkle.extends(size + 1, size, roots[1], roots[1], proof)


def changes(path: list[bytes], random_: random.Random) -> list[list[bytes]]:
    """Each step with a bit flipped, left out, twice; one more before and after; two swapped."""
    made = [[random_.randbytes(32), *path], [*path, random_.randbytes(32)]]
    for number, step in enumerate(path):
        bit = random_.randrange(256)
        flipped = bytearray(step)
        flipped[bit // 8] ^= 1 << bit % 8
        made.append([*path[:number], bytes(flipped), *path[number + 1 :]])
        made.append([*path[:number], *path[number + 1 :]])
        made.append([*path[:number], step, *path[number:]])
    if len(path) > 1:
        made.append([path[1], path[0], *path[2:]])
    return made


def test_a_leaf_of_the_log_is_its_place_its_actor_its_hash_and_its_time() -> None:
    data = msgpack.packb([7, "shop/clerk", bytes(range(32)), 1764121293.25])
    assert data[0] == 0x94 and b"shop/clerk\xc4\x20" in data
    leaf = hashlib.sha256(b"\0" + data).digest()
    assert merkle.leaf(7, "shop/clerk", bytes(range(32)), 1764121293.25) == leaf


@pytest.mark.parametrize("size, peaks", [(1, []), (0, [bytes(32)]), (1, [b"short"]), (-1, [])])
def test_peaks_that_are_none_are_refused(size: int, peaks: list[bytes]) -> None:
    with pytest.raises(ValueError, match="not those of"):
        Frontier(size, peaks)


@pytest.mark.parametrize("index, size", [(0, 0), (3, 3), (-1, 3)])
def test_there_is_no_proof_of_what_is_not_in_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        merkle.inclusion_ranges(index, size)
