"""From the newest checkpoint to the log's end: what is new is checked, and joins the tree."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from governance import notes
from governance.audit import merkle
from governance.audit.chain import leaf_hash
from governance.sealing.log import Line, Log, Sealed


class WrongLog(Exception):
    """The log is not what was sealed before, or not a chain. It is not sealed any further."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The tree at one size, and the blocks it completed since the stage before."""

    size: int
    root: bytes
    frontier: str
    first_block: int
    blocks: list[str]


def stages(log: Log, last: Sealed, sizes: Iterable[int]) -> Iterator[Stage]:
    """Grow the tree from ``last`` and stop at each of ``sizes``, which rise.

    Raises:
        WrongLog: an entry does not follow, or the tree kept in the database is not its own.
    """
    tree = _tree(last)
    wanted = [size for size in sizes if size > last.size]
    if not wanted:
        return
    kept, previous = last.size // merkle.BLOCK, log.hash_of(last.size)
    for line in log.lines(last.size, wanted[-1]):
        _check(line, expected=tree.size + 1, previous=previous)
        tree.add(bytes.fromhex(line.hash))
        previous = line.hash
        if tree.size == wanted[0]:
            blocks = [root.hex() for root in tree.blocks]
            yield Stage(wanted.pop(0), tree.root(), tree.text(), kept, blocks)
            kept += len(blocks)
            tree.blocks.clear()
    if wanted:
        raise WrongLog(f"entry {tree.size + 1} is missing")


def objects_root(log: Log, *, size: int) -> tuple[int, bytes]:
    """Return how many objects there are, and the root over where their chains end.

    Raises:
        WrongLog: the objects do not add up to the log.
    """
    ends = log.objects()
    if sum(seq for _, seq, _ in ends) != size:
        raise WrongLog("the objects' chains do not add up to the log")
    leaves = (merkle.leaf(notes.object_leaf(*end)) for end in ends)
    return len(ends), merkle.root(leaves)


def _tree(last: Sealed) -> merkle.Frontier:
    try:
        tree = merkle.Frontier.read(last.size, last.frontier)
    except ValueError as error:
        raise WrongLog(str(error)) from None
    if tree.root().hex() != last.root:
        raise WrongLog(f"the checkpoint of {last.size} kept in the database is not its own")
    return tree


def _check(line: Line, *, expected: int, previous: str) -> None:
    if line.seq != expected:
        raise WrongLog(f"entry {expected} is missing")
    if line.prev_hash != previous:
        raise WrongLog(f"entry {line.seq} does not follow the one before it")
    if leaf_hash(line.leaf.encode()) != line.hash:
        raise WrongLog(f"the leaf of entry {line.seq} does not have its hash")
