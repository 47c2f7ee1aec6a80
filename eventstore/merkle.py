"""The Merkle tree of RFC 6962 over a ledger: its root, and proofs that are short however long the ledger is.

The leaves are the records' hashes, which `eventstore.record.leaf_hash` makes as RFC 6962 asks. A *tile* is the root
over 256 neighbours of the level below: at level l, number n stands for the leaves from n * 256^l up to
(n + 1) * 256^l, and there are complete ones only. Level 0 are the leaves themselves. A root or a proof needs
only the hashes that share a tile with what it is about, at each level: `runs` says which, `Tree` takes them.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

import msgspec

TILE = 256
TILE_BITS = 8
EMPTY_ROOT = sha256().digest()  # RFC 6962, section 2.1: the tree without leaves


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962's hash of a node with two children."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that only grows: what it keeps is one hash for each bit of its size."""

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []  # of the complete subtrees side by side, the largest first

    def add(self, leaf: bytes) -> None:
        """Put one more leaf at the end."""
        joined = self.size
        while joined & 1:
            leaf = node_hash(self._roots.pop(), leaf)
            joined >>= 1
        self._roots.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._roots:
            return EMPTY_ROOT
        *rest, root = self._roots
        for left in reversed(rest):
            root = node_hash(left, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over these leaves; over the 256 of one tile it is the tile of the next level."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root()


class Run(msgspec.Struct, frozen=True, gc=False):
    """Neighbours at one level of tiles: the numbers from `first` up to, and without, `stop`."""

    level: int
    first: int
    stop: int


def runs(size: int, *leaves: int) -> set[Run]:
    """The hashes that `Tree` needs for its root and for proofs about these leaves: at most 256 in each run.

    They are the ones that share a tile with the end of the tree, or with a leaf, at every level.
    """
    found: set[Run] = set()
    level, count = 0, size
    while count:
        tiles = {count // TILE} | {leaf >> TILE_BITS * (level + 1) for leaf in leaves}
        found |= {Run(level, tile * TILE, min(count, (tile + 1) * TILE)) for tile in tiles if tile * TILE < count}
        level, count = level + 1, count // TILE
    return found


class Tree:
    """The tree over a ledger's first `size` records, as far as the hashes go that it is given.

    `hashes` are by level and number, those of `runs(size, …)` at least. KeyError for what they do not reach.
    """

    def __init__(self, size: int, hashes: Mapping[tuple[int, int], bytes]) -> None:
        self.size = size
        self._hashes = hashes

    def root(self) -> bytes:
        """RFC 6962's MTH(D[size])."""
        return self._root(0, self.size) if self.size else EMPTY_ROOT

    def inclusion(self, leaf: int) -> list[bytes]:
        """RFC 6962's PATH: what proves that this leaf, counted from 0, is in the tree. ValueError beyond the tree."""
        if not 0 <= leaf < self.size:
            raise ValueError(f"leaf {leaf} is not in a tree of {self.size}")
        path: list[bytes] = []
        first, stop = 0, self.size
        while stop - first > 1:
            middle = first + _left(stop - first)
            if leaf < middle:
                path.append(self._root(middle, stop))
                stop = middle
            else:
                path.append(self._root(first, middle))
                first = middle
        return path[::-1]

    def consistency(self, size: int) -> list[bytes]:
        """RFC 6962's PROOF: what proves that this tree continues the one over its first `size` leaves.

        `runs` is asked for leaf `size - 1`. ValueError unless the size is from 1 up to this tree's.
        """
        if not 1 <= size <= self.size:
            raise ValueError(f"a tree of {self.size} does not continue one of {size}")
        proof: list[bytes] = []
        first, stop = 0, self.size
        while stop != size:
            middle = first + _left(stop - first)
            if size <= middle:
                proof.append(self._root(middle, stop))
                stop = middle
            else:
                proof.append(self._root(first, middle))
                first = middle
        if first:
            proof.append(self._root(first, stop))
        return proof[::-1]

    def _root(self, first: int, stop: int) -> bytes:
        """The root over some leaves: a tile where they fill one, otherwise split as RFC 6962 does."""
        count = stop - first
        level = (count.bit_length() - 1) // TILE_BITS
        if count == 1 << TILE_BITS * level:
            return self._hashes[level, first // count]
        middle = first + _left(count)
        return node_hash(self._root(first, middle), self._root(middle, stop))


def is_included(leaf_hash: bytes, leaf: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether a path proves that the tree of this size and root has this hash as its leaf, counted from 0.

    The algorithm is that of RFC 9162, section 2.1.3.2.
    """
    if not 0 <= leaf < size:
        return False
    found, last = leaf_hash, size - 1
    for sibling in path:
        if last == 0:
            return False
        if leaf & 1 or leaf == last:
            found = node_hash(sibling, found)
            while not leaf & 1 and leaf:
                leaf, last = leaf >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        leaf, last = leaf >> 1, last >> 1
    return last == 0 and found == root


def is_continued(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a proof shows that the tree of this size and root begins with all leaves of an older one.

    The algorithm is that of RFC 9162, section 2.1.4.2. An older tree without leaves is continued by every other, but
    there is no proof of that.
    """
    if not 1 <= old_size <= size:
        return False
    if old_size == size:
        return not proof and old_root == root
    rest = list(proof)
    if old_size & (old_size - 1) == 0:
        rest.insert(0, old_root)  # a complete subtree of the new tree, left out of the proof
    if not rest:
        return False
    leaf, last = old_size - 1, size - 1
    while leaf & 1:
        leaf, last = leaf >> 1, last >> 1
    old = new = rest[0]
    for sibling in rest[1:]:
        if last == 0:
            return False
        if leaf & 1 or leaf == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not leaf & 1 and leaf:
                leaf, last = leaf >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        leaf, last = leaf >> 1, last >> 1
    return last == 0 and old == old_root and new == root


def _left(count: int) -> int:
    """How many of the leaves go to the left: the largest power of two below their number."""
    return 1 << (count - 1).bit_length() - 1
