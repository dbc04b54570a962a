"""What the process holds, and how to give it back.

glibc keeps freed memory for itself; after a forest of a gigabyte is dropped,
only ``malloc_trim`` returns it to the host.
"""

import ctypes
import gc
import os
from pathlib import Path

STATM = Path("/proc/self/statm")
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Return the resident set, or 0 where the system does not tell."""
    try:
        return int(STATM.read_text().split()[1]) * PAGE
    except (OSError, ValueError, IndexError):
        return 0


def give_back() -> None:
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # not glibc: its own allocator decides
        return


def settle() -> None:
    """Keep what a start has made out of every later collection, so that those are short."""
    gc.collect()
    gc.freeze()
