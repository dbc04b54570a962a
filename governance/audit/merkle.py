"""The log as a Merkle tree (RFC 6962, section 2): its root, and proofs about it.

Leaves are entries in the order of their numbers; an entry's ``hash`` is its leaf hash
already. A tree that grows keeps its roots of complete subtrees only (*frontier*), so a
new entry costs one hash on average. Every 256 entries make a *block*, whose root is kept:
a proof about old entries reads blocks and not the entries in them.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

BLOCK = 256
EMPTY = hashlib.sha256(b"").digest()
"""The root of a log without entries."""
HASH_BYTES = 32

Leaves = Callable[[int, int], list[bytes]]
"""Gives the leaf hashes of entries ``first`` (from 0) up to before ``last``."""


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def leaf(content: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\x00" + content).digest()


def root(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    tree = Frontier()
    for each in leaves:
        tree.add(each)
    return tree.root()


@dataclass(slots=True)
class Frontier:
    """A tree that can only grow: the roots of its complete subtrees, largest first."""

    size: int = 0
    roots: list[bytes] = field(default_factory=list)
    blocks: list[bytes] = field(default_factory=list)
    """Roots of the blocks that were completed since this was read, oldest first."""

    @classmethod
    def read(cls, size: int, text: str) -> Self:
        """Take up a tree where ``text()`` left it.

        Raises:
            ValueError: not a frontier of that size.
        """
        raw = bytes.fromhex(text)
        roots = [raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)]
        if len(raw) % HASH_BYTES or len(roots) != size.bit_count():
            raise ValueError(f"this is no frontier of a tree of {size}")
        return cls(size, roots)

    def text(self) -> str:
        """Return the roots in hex, to be kept."""
        return b"".join(self.roots).hex()

    def add(self, leaf_hash: bytes) -> None:
        """Append one entry."""
        self.roots.append(leaf_hash)
        self.size += 1
        size, width = self.size, 1
        while size % 2 == 0:
            right = self.roots.pop()
            self.roots[-1] = node(self.roots[-1], right)
            size, width = size // 2, width * 2
            if width == BLOCK:
                self.blocks.append(self.roots[-1])

    def root(self) -> bytes:
        """Return the root of the tree as it is."""
        if not self.roots:
            return EMPTY
        found = self.roots[-1]
        for each in reversed(self.roots[:-1]):
            found = node(each, found)
        return found


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of any size, from the roots of its blocks and the leaves outside of them."""

    blocks: list[bytes]
    leaves: Leaves
    _known: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def root(self, first: int, last: int) -> bytes:
        """Return the root over entries ``first`` (from 0) up to before ``last``."""
        count = last - first
        if count == BLOCK and first % BLOCK == 0 and first // BLOCK < len(self.blocks):
            return self.blocks[first // BLOCK]
        if count <= BLOCK:
            return root(self.leaves(first, last))
        found = self._known.get((first, last))
        if found is None:
            middle = first + _split(count)
            found = node(self.root(first, middle), self.root(middle, last))
            self._known[first, last] = found
        return found

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Prove that entry ``index`` (from 0) is in the tree of that size: PATH."""
        first, last, path = 0, size, list[bytes]()
        while last - first > 1:
            middle = first + _split(last - first)
            if index < middle:
                path.append(self.root(middle, last))
                last = middle
            else:
                path.append(self.root(first, middle))
                first = middle
        return path[::-1]

    def consistency(self, old: int, size: int) -> list[bytes]:
        """Prove that the tree of ``size`` begins with the tree of ``old``: PROOF."""
        if not 0 < old < size:
            return []
        first, last, path, whole = 0, size, list[bytes](), True
        while old != last:
            middle = first + _split(last - first)
            if old <= middle:
                path.append(self.root(middle, last))
                last = middle
            else:
                path.append(self.root(first, middle))
                first, whole = middle, False
        return ([] if whole else [self.root(first, last)]) + path[::-1]


def _split(count: int) -> int:
    """Return the largest power of two that is smaller than ``count``."""
    return 1 << ((count - 1).bit_length() - 1)
