"""Asks the system to hold a large model in pages of 2 MB instead of 4 kB.

A forest of a gigabyte is read at thousands of places that lie far apart. With small
pages the processor looks up the address of almost each of them in memory, too. Linux
merges pages on request (``MADV_COLLAPSE``, since 6.1, whatever the host's setting for
transparent huge pages); elsewhere nothing happens, and only time is lost.

Only blocks that are in memory as a whole are merged, so that nothing grows.
"""

import ctypes
import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCK = 2 * 1024 * 1024
WORTH_IT_BYTES = 64 * 1024 * 1024
"""What a version must take in memory. Smaller ones stay in the processor's caches anyway."""
MAPS = Path("/proc/self/maps")
_COLLAPSE = 25
_PAGES = BLOCK // mmap.PAGESIZE


def merge() -> int:
    """Merge what this process has in memory, and return how many bytes lie in large pages now.

    Takes some seconds for a gigabyte, and holds up nobody else for longer than one block.
    """
    try:
        maps = MAPS.read_text()
        libc = ctypes.CDLL(None)
        return sum(
            size if _advise(libc, start, size) else 0
            for beginning, end in _anonymous(maps)
            for start, size in _whole(libc, beginning, end)
        )
    except (OSError, AttributeError):  # not Linux, or not glibc
        return 0


def _anonymous(maps: str) -> Iterator[tuple[int, int]]:
    """List where memory begins and ends that is of no file, in whole blocks."""
    for line in maps.splitlines():
        span, rights, _, _, inode = line.split()[:5]
        first, last = (int(place, 16) for place in span.split("-"))
        start, end = -(-first // BLOCK) * BLOCK, last // BLOCK * BLOCK
        if rights == "rw-p" and inode == "0" and start < end:
            yield start, end


def _whole(libc: ctypes.CDLL, start: int, end: int) -> Iterator[tuple[int, int]]:
    """List the runs of blocks, by start and size in bytes, of which every page is in memory."""
    there: NDArray[np.uint8] = np.zeros((end - start) // mmap.PAGESIZE, np.uint8)
    place = ctypes.c_void_p(there.ctypes.data)
    if libc.mincore(ctypes.c_void_p(start), ctypes.c_size_t(end - start), place) != 0:
        return  # It is gone again.
    whole = (there.reshape(-1, _PAGES) & 1).all(axis=1)
    edges = np.flatnonzero(np.diff(whole, prepend=False, append=False))
    for first, last in edges.reshape(-1, 2).tolist():
        yield start + first * BLOCK, (last - first) * BLOCK


def _advise(libc: ctypes.CDLL, start: int, size: int) -> bool:
    answer: int = libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), _COLLAPSE)
    return answer == 0
