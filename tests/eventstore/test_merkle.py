"""The Merkle tree is RFC 6962's, its proofs prove, and what it needs stays small."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.merkle import (
    EMPTY_ROOT,
    TILE,
    Frontier,
    Run,
    Tree,
    is_continued,
    is_included,
    node_hash,
    root_of,
    runs,
)
from eventstore.record import leaf_hash

# The inputs and roots of Certificate Transparency's own tests.
CT_LEAVES = [
    leaf_hash(bytes.fromhex(text))
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
CT_ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)

LARGEST = 3 * TILE * TILE + 5 * TILE + 7
LEAVES = [sha256(str(number).encode()).digest() for number in range(LARGEST)]
TILES = [LEAVES]
while len(TILES[-1]) >= TILE:
    below = TILES[-1]
    TILES.append([root_of(below[at : at + TILE]) for at in range(0, len(below) - TILE + 1, TILE)])

EDGES = (1, 2, 3, 255, 256, 257, 511, 512, 513, 65535, 65536, 65537, 65792, 131072, LARGEST)
SIZES = st.one_of(st.integers(1, 1100), st.sampled_from(EDGES), st.integers(1, LARGEST))
ONE_BIT = st.tuples(st.integers(0, 31), st.integers(0, 7))


def naive(leaves: Sequence[bytes]) -> bytes:
    """MTH as RFC 6962 defines it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY_ROOT
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return node_hash(naive(leaves[:left]), naive(leaves[left:]))


def naive_path(leaf: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH as RFC 6962 defines it."""
    if len(leaves) == 1:
        return []
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    if leaf < left:
        return [*naive_path(leaf, leaves[:left]), naive(leaves[left:])]
    return [*naive_path(leaf - left, leaves[left:]), naive(leaves[:left])]


def naive_proof(size: int, leaves: Sequence[bytes], whole: bool = True) -> list[bytes]:
    """PROOF, by way of SUBPROOF, as RFC 6962 defines it."""
    if size == len(leaves):
        return [] if whole else [naive(leaves)]
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    if size <= left:
        return [*naive_proof(size, leaves[:left], whole), naive(leaves[left:])]
    return [*naive_proof(size - left, leaves[left:], False), naive(leaves[:left])]


def tree_of(size: int, *leaves: int) -> Tree:
    """A tree that has what `runs` asks for, and nothing else."""
    wanted = [(run.level, number) for run in runs(size, *leaves) for number in range(run.first, run.stop)]
    return Tree(size, {(level, number): TILES[level][number] for level, number in wanted})


def flipped(hashes: Sequence[bytes], which: int, bit: tuple[int, int]) -> list[bytes]:
    """The hashes with one bit of one of them changed."""
    changed = bytearray(hashes[which])
    changed[bit[0]] ^= 1 << bit[1]
    return [*hashes[:which], bytes(changed), *hashes[which + 1 :]]


@pytest.mark.parametrize("size", range(len(CT_ROOTS)))
def test_the_roots_are_those_of_certificate_transparency(size: int) -> None:
    """Computed by any of the three ways, from the inputs that others publish roots of."""
    expected = bytes.fromhex(CT_ROOTS[size])
    leaves = CT_LEAVES[:size]

    assert naive(leaves) == expected
    assert root_of(leaves) == expected
    assert Tree(size, {(0, number): leaf for number, leaf in enumerate(leaves)}).root() == expected


@given(st.integers(0, 1100))
def test_a_frontier_has_the_root_of_every_size(size: int) -> None:
    """It grows leaf by leaf and agrees with the definition."""
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier.add(leaf)

    assert (frontier.size, frontier.root()) == (size, naive(LEAVES[:size]))


@given(SIZES)
def test_a_root_follows_from_tiles(size: int) -> None:
    """What `runs` asks for is enough, at every size around a tile's end."""
    assert tree_of(size).root() == root_of(LEAVES[:size])


def test_the_empty_tree_needs_nothing() -> None:
    """Its root is the hash of nothing."""
    assert runs(0) == set()
    assert Tree(0, {}).root() == EMPTY_ROOT == sha256(b"").digest()


@given(st.integers(1, 600), st.data())
def test_proofs_are_those_of_the_definition(size: int, data: st.DataObject) -> None:
    """Inclusion and consistency, hash by hash, as the recursion of RFC 6962 gives them."""
    leaf = data.draw(st.integers(0, size - 1))

    assert tree_of(size, leaf).inclusion(leaf) == naive_path(leaf, LEAVES[:size])
    assert tree_of(size, leaf).consistency(leaf + 1) == naive_proof(leaf + 1, LEAVES[:size])


@given(SIZES, st.data())
def test_an_inclusion_proof_proves(size: int, data: st.DataObject) -> None:
    """For its own leaf, place and tree; not with a bit changed, a hash more or less, or at another place."""
    leaf = data.draw(st.integers(0, size - 1))
    tree = tree_of(size, leaf)
    path, root = tree.inclusion(leaf), tree.root()

    assert is_included(LEAVES[leaf], leaf, size, path, root)
    which, bit = data.draw(st.integers(0, len(path) + 1)), data.draw(ONE_BIT)
    hash_, wrong_root, *wrong_path = flipped([LEAVES[leaf], root, *path], which, bit)
    assert not is_included(hash_, leaf, size, wrong_path, wrong_root)
    assert not is_included(LEAVES[leaf], leaf, size, [*path, LEAVES[0]], root)
    assert not is_included(LEAVES[leaf], leaf, size, path[:-1], root) or not path
    elsewhere = data.draw(st.integers(-1, size))
    assert elsewhere == leaf or not is_included(LEAVES[leaf], elsewhere, size, path, root)


@given(SIZES, st.data())
def test_a_consistency_proof_proves(size: int, data: st.DataObject) -> None:
    """For its own two trees; not with a bit changed, a hash more or less, or for another size."""
    old_size = data.draw(st.integers(1, size))
    tree = tree_of(size, old_size - 1)
    proof, root, old_root = tree.consistency(old_size), tree.root(), tree_of(old_size).root()

    assert is_continued(old_size, old_root, size, root, proof)
    which, bit = data.draw(st.integers(0, len(proof) + 1)), data.draw(ONE_BIT)
    wrong_old, wrong_root, *wrong_proof = flipped([old_root, root, *proof], which, bit)
    assert not is_continued(old_size, wrong_old, size, wrong_root, wrong_proof)
    assert not is_continued(old_size, old_root, size, root, [*proof, LEAVES[0]])
    assert not is_continued(old_size, old_root, size, root, proof[:-1]) or not proof


@pytest.mark.parametrize(("old_size", "size"), [(0, 5), (-1, 5), (6, 5)])
def test_a_tree_continues_no_larger_one_and_no_nothing(old_size: int, size: int) -> None:
    """There is no such proof to give, and none is believed."""
    root = tree_of(size).root()

    with pytest.raises(ValueError, match="does not continue"):
        tree_of(size).consistency(old_size)
    assert not is_continued(old_size, root, size, root, [])


@pytest.mark.parametrize("leaf", [-1, 5])
def test_a_leaf_beyond_the_tree_has_no_proof(leaf: int) -> None:
    """Leaves are counted from 0."""
    with pytest.raises(ValueError, match="not in a tree of 5"):
        tree_of(5).inclusion(leaf)


@given(st.integers(0, 2**48), st.data())
def test_what_a_proof_needs_stays_small(size: int, data: st.DataObject) -> None:
    """Two runs of at most 256 hashes at each level, all of them of complete tiles, however long the ledger is."""
    leaf = data.draw(st.integers(0, max(0, size - 1)))
    needed = runs(size, leaf)
    levels = {run.level for run in needed}

    assert len(needed) <= 2 * len(levels) <= 14
    for run in needed:
        assert 0 < run.stop - run.first <= TILE
        assert run.stop * TILE**run.level <= size


def test_runs_name_the_tiles_at_the_end_and_around_a_leaf() -> None:
    """A ledger of 66,000 records: leaves of two tiles, tiles of two, and the one tile above."""
    assert runs(66_000, 300) == {
        Run(0, 65_792, 66_000),
        Run(0, 256, 512),
        Run(1, 256, 257),
        Run(1, 0, 256),
        Run(2, 0, 1),
    }
