"""The tree is RFC 6962's, however it has grown."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.audit import merkle

LEAVES = [merkle.leaf(b"%d" % number) for number in range(1_300)]


def mth(leaves):
    """Section 2.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    k = _k(len(leaves))
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m, leaves):
    """Section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = _k(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m, leaves, *, whole):
    """Section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = _k(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole=whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], whole=False), mth(leaves[:k])]


def _k(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


@pytest.fixture(scope="module")
def tree():
    grown = merkle.Frontier()
    for each in LEAVES:
        grown.add(each)
    return merkle.Tree(grown.blocks, lambda first, last: LEAVES[first:last])


def test_an_empty_log_has_the_root_of_nothing():
    assert merkle.Frontier().root().hex().startswith("e3b0c442")


@given(st.integers(1, len(LEAVES)), st.integers(0, 1_299), st.integers(0, 1_299))
def test_roots_and_proofs_are_those_of_the_rfc(tree, size, index, old):
    index, old = index % size, 1 + old % size
    assert tree.root(0, size) == merkle.root(LEAVES[:size]) == mth(LEAVES[:size])
    assert tree.inclusion(index, size) == path(index, LEAVES[:size])
    assert tree.consistency(old, size) == subproof(old, LEAVES[:size], whole=True)


@given(st.integers(0, 600), st.integers(0, 600))
def test_a_tree_that_was_kept_goes_on_where_it_was(first, more):
    whole = merkle.Frontier()
    for each in LEAVES[:first]:
        whole.add(each)
    kept = merkle.Frontier.read(whole.size, whole.text())
    for each in LEAVES[first : first + more]:
        whole.add(each)
        kept.add(each)
    assert kept.root() == whole.root()
    assert kept.blocks == whole.blocks[first // merkle.BLOCK :]


@pytest.mark.parametrize(("size", "text"), [(3, "00" * 32), (1, "zz"), (1, "00" * 31), (0, "00")])
def test_what_is_no_frontier_is_refused(size, text):
    with pytest.raises(ValueError, match=r"frontier|hexadecimal"):
        merkle.Frontier.read(size, text)
