"""The tree and its proofs: published vectors, every small tree, and mutants that no proof may survive."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.cli.verifying.audit_tree import Frontier as OtherTree
from services.audit.model.errors import ProofError
from services.audit.tree.proof import (
    consistency_spans,
    hashes_of,
    inclusion_spans,
    needed_nodes,
    verify_consistency,
    verify_inclusion,
)
from services.audit.tree.tree import (
    EMPTY_ROOT,
    SUBTREE_HEIGHT,
    Frontier,
    Node,
    base_of,
    complete_root,
    leaf_hash,
    nodes_from,
    peaks_of,
)

SMALL = 40

# The leaves and roots of the Certificate Transparency test tree, sizes 0 to 8.
CT_LEAVES = tuple(
    map(
        bytes.fromhex,
        ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"),
    )
)
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


def hashes(count: int) -> list[bytes]:
    return [leaf_hash(str(index).encode()) for index in range(count)]


def nodes(leaves: list[bytes]) -> dict[Node, bytes]:
    """Every complete subtree, the slow way."""
    found: dict[Node, bytes] = {}
    height = 0
    while 1 << height <= len(leaves):
        for position in range(len(leaves) >> height):
            found[height, position] = complete_root(leaves[position << height : (position + 1) << height])
        height += 1
    return found


def roots(leaves: list[bytes]) -> list[bytes]:
    """The root of every prefix."""
    found, frontier = [EMPTY_ROOT], Frontier()
    for leaf in leaves:
        frontier, _ = frontier.extend([leaf])
        found.append(frontier.root)
    return found


LEAVES = hashes(SMALL)
NODES = nodes(LEAVES)
ROOTS = roots(LEAVES)


def flipped(value: bytes, bit: int = 0) -> bytes:
    return bytes([value[0] ^ (1 << bit)]) + value[1:]


def damaged(proof: list[bytes]) -> list[list[bytes]]:
    """Every proof that is one small step away."""
    longer = [[*proof, proof[-1] if proof else EMPTY_ROOT], [EMPTY_ROOT, *proof]]
    shorter = [proof[1:], proof[:-1]] if proof else []
    bits = [[*proof[:at], flipped(proof[at]), *proof[at + 1 :]] for at in range(len(proof))]
    swapped = [
        [*proof[:at], right, left, *proof[at + 2 :]]
        for at, (left, right) in enumerate(pairwise(proof))
        if left != right
    ]
    lengths = [[*proof[:at], proof[at] + b"\0", *proof[at + 1 :]] for at in range(len(proof))]
    return [*longer, *shorter, *bits, *swapped, *lengths]


def test_the_published_leaves_have_the_published_roots() -> None:
    frontier = Frontier()
    for size, leaf in enumerate(CT_LEAVES):
        assert frontier.root.hex() == CT_ROOTS[size]
        frontier, _ = frontier.extend([leaf_hash(leaf)])
    assert frontier.root.hex() == CT_ROOTS[8]


def test_a_leaf_and_a_node_of_the_same_bytes_have_different_hashes() -> None:
    left, right = LEAVES[:2]
    assert leaf_hash(left + right) != complete_root([left, right])
    assert complete_root([left, right]) == hashlib.sha256(b"\x01" + left + right).digest()


@given(st.lists(st.binary(max_size=40), max_size=70))
def test_the_tree_agrees_with_one_that_was_written_apart(entries: list[bytes]) -> None:
    frontier, _ = Frontier().extend(map(leaf_hash, entries))
    assert frontier.root == OtherTree.of(entries).root


@pytest.mark.parametrize("first", range(0, SMALL, 7))
def test_appending_in_parts_gives_the_same_tree_as_at_once(first: int) -> None:
    whole, _ = Frontier().extend(LEAVES)
    part, _ = Frontier().extend(LEAVES[:first])
    assert part.extend(LEAVES[first:])[0] == whole


def test_a_frontier_that_does_not_fit_its_size_is_refused() -> None:
    for size, peaks in ((1, ()), (2, (EMPTY_ROOT, EMPTY_ROOT)), (1, (b"short",)), (-1, ())):
        with pytest.raises(ValueError, match="fit"):
            Frontier(size, peaks)


def test_complete_subtrees_are_handed_out_when_they_close_and_only_then() -> None:
    leaves = hashes(600)
    first, early = Frontier().extend(leaves[:255])
    assert early == {}
    _, closed = first.extend(leaves[255:])
    assert closed == {
        (SUBTREE_HEIGHT, 0): complete_root(leaves[:256]),
        (SUBTREE_HEIGHT, 1): complete_root(leaves[256:512]),
    }


def test_a_subtree_of_subtrees_closes_too() -> None:
    leaves = hashes(1) * 65_536
    _, closed = Frontier().extend(leaves)
    assert len(closed) == 257
    assert closed[2 * SUBTREE_HEIGHT, 0] == complete_root(leaves)


def test_any_node_is_found_from_kept_levels() -> None:
    leaves = hashes(1) * 1024
    kept = {(0, at): leaf for at, leaf in enumerate(leaves)}
    kept |= {(1, at): complete_root(leaves[at * 256 : at * 256 + 256]) for at in range(4)}
    wanted = [(0, 1000), (7, 3), (8, 2), (9, 1), (10, 0)]
    found = nodes_from(wanted, kept)
    for height, position in wanted:
        assert found[height, position] == complete_root(leaves[position << height : (position + 1) << height])
    assert base_of((10, 0)) == (1, range(4))
    with pytest.raises(KeyError):
        nodes_from([(10, 1)], kept)


def test_every_inclusion_proof_of_every_small_tree_verifies_and_none_of_its_mutants() -> None:
    accepted = 0
    for size in range(1, SMALL + 1):
        for index in range(size):
            spans = inclusion_spans(index, size)
            proof = hashes_of(spans, {node: NODES[node] for node in needed_nodes(spans)})
            leaf, root = LEAVES[index], ROOTS[size]
            verify_inclusion(leaf, index, size, proof=proof, root=root)
            accepted += 1
            mutants = [(leaf, index, size, wrong, root) for wrong in damaged(proof)]
            mutants += [(flipped(leaf), index, size, proof, root), (leaf, index, size, proof, flipped(root))]
            mutants += [(leaf, index, size, proof, ROOTS[size - 1]), (leaf, -1, size, proof, root)]
            mutants += [(leaf, other, size, proof, root) for other in range(size + 1) if other != index]
            mutants += [(leaf, index, 0, proof, root), (leaf + b"\0", index, size, proof, root)]
            for wrong_leaf, wrong_index, wrong_size, wrong_proof, wrong_root in mutants:
                with pytest.raises(ProofError):
                    verify_inclusion(wrong_leaf, wrong_index, wrong_size, proof=wrong_proof, root=wrong_root)
    assert accepted == SMALL * (SMALL + 1) // 2


def test_every_consistency_proof_of_every_small_tree_verifies_and_none_of_its_mutants() -> None:
    for new in range(1, SMALL + 1):
        for old in range(1, new + 1):
            spans = consistency_spans(old, new)
            proof = hashes_of(spans, {node: NODES[node] for node in needed_nodes(spans)})
            verify_consistency(old, new, proof=proof, old_root=ROOTS[old], new_root=ROOTS[new])
            mutants = [(old, new, wrong, ROOTS[old], ROOTS[new]) for wrong in damaged(proof)]
            mutants += [(old, new, proof, flipped(ROOTS[old]), ROOTS[new])]
            mutants += [(old, new, proof, ROOTS[old], flipped(ROOTS[new]))]
            mutants += [(0, new, proof, EMPTY_ROOT, ROOTS[new]), (new + 1, new, proof, ROOTS[old], ROOTS[new])]
            if old != new:
                mutants += [(old, new, proof, ROOTS[new], ROOTS[old]), (old, old, proof, ROOTS[old], ROOTS[new])]
            for wrong_old, wrong_new, wrong_proof, old_root, new_root in mutants:
                with pytest.raises(ProofError):
                    verify_consistency(wrong_old, wrong_new, proof=wrong_proof, old_root=old_root, new_root=new_root)


def test_what_is_not_a_hash_proves_nothing_even_when_it_equals_itself() -> None:
    """The published vectors hold these: a tree of one leaf whose leaf and root are both empty."""
    for short in (b"", b"\0" * 31, b"\0" * 33):
        with pytest.raises(ProofError, match="hash_length"):
            verify_inclusion(short, 0, 1, proof=[], root=short)
        with pytest.raises(ProofError, match="hash_length"):
            verify_consistency(1, 1, proof=[], old_root=short, new_root=short)


@given(st.integers(1, 2**40), st.data())
def test_a_proof_of_a_large_tree_needs_few_subtrees(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    spans = inclusion_spans(index, size)
    assert len(spans) <= size.bit_length()
    assert sum(len(base_of(node)[1]) for node in needed_nodes(spans)) <= 512 * (size.bit_length() // 8 + 1)
    old = data.draw(st.integers(1, size))
    assert len(consistency_spans(old, size)) <= size.bit_length() + 1


@given(st.integers(0, 2**40))
def test_the_peaks_of_a_tree_are_its_complete_subtrees_largest_first(size: int) -> None:
    peaks = peaks_of(0, size)
    assert sum(1 << height for height, _ in peaks) == size
    assert [height for height, _ in peaks] == sorted({height for height, _ in peaks}, reverse=True)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 4)])
def test_no_proof_is_built_for_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        inclusion_spans(index, size)


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (0, 0)])
def test_no_proof_is_built_between_sizes_out_of_order(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="no proof"):
        consistency_spans(old, new)
