"""What the process holds, and how to give it back.

glibc keeps freed memory for itself; after a forest of a gigabyte is dropped,
only ``malloc_trim`` returns it to the host.
"""

import contextlib
import ctypes
import gc
import os
from pathlib import Path

STATM = Path("/proc/self/statm")
STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Return the resident set, or 0 where the system does not tell."""
    try:
        return int(STATM.read_text().split()[1]) * PAGE
    except (OSError, ValueError, IndexError):
        return 0


def begin_peak() -> int:
    """Measure peaks from now on, and return the resident set."""
    with contextlib.suppress(OSError):  # Then a peak of before counts too: the safe side.
        CLEAR_REFS.write_text(RESET_PEAK)
    return resident_bytes()


def peak_bytes() -> int:
    """Return the largest resident set since ``begin_peak``, or 0 where the system does not tell."""
    return _kilobytes(STATUS, "VmHWM:")


def host_bytes() -> int:
    """Return the memory this process may have: the smallest limit of its cgroups, or the host's."""
    limits = [_kilobytes(MEMINFO, "MemTotal:"), *(_limit(path) for path in _limit_files())]
    return min((limit for limit in limits if limit), default=0)


def _limit_files() -> list[Path]:
    """List where limits stand, of cgroups of both versions and of all that they lie in."""
    try:
        lines = CGROUP.read_text().splitlines()
    except OSError:
        return []
    files = [CGROUPS / "memory.max", CGROUPS / "memory" / "memory.limit_in_bytes"]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        name = "memory.limit_in_bytes" if "memory" in controllers.split(",") else "memory.max"
        root = CGROUPS / "memory" if "memory" in controllers.split(",") else CGROUPS
        here = Path(path.lstrip("/"))
        files += [root / folder / name for folder in (here, *here.parents)]
    return files


def _limit(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such cgroup here, or "max"
        return 0


def _kilobytes(path: Path, name: str) -> int:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)


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
