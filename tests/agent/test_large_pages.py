"""Merging small pages: what is in memory stays as it was, and nothing grows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from serving_agent import large_pages

MB = 1024 * 1024
PROGRAM = """
import hashlib, json, mmap
from pathlib import Path
import numpy as np
from serving_agent import large_pages

def kilobytes(name):
    text = Path("/proc/self/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(name + ":"))

whole = mmap.mmap(-1, 96 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
whole.write(np.random.default_rng(7).bytes(96 << 20))
sparse = mmap.mmap(-1, 256 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for start in range(0, 256 << 20, 1 << 20):  # One page of each block is missing, or almost all.
    sparse[start:start + 4096] = b"x" * 4096
digest = hashlib.sha256(whole).hexdigest()
before, merged = kilobytes("Rss"), large_pages.merge()
print(json.dumps({
    "merged": merged,
    "again": large_pages.merge(),
    "large": kilobytes("AnonHugePages") * 1024,
    "grown": (kilobytes("Rss") - before) * 1024,
    "same": hashlib.sha256(whole).hexdigest() == digest,
}))
whole.close()
"""


def test_what_is_whole_is_merged_and_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120
    )
    found = json.loads(done.stdout)

    assert found["same"]
    assert found["grown"] < 8 * MB
    if not found["merged"]:
        pytest.skip("this system merges no pages on request (Linux 6.1 or newer does)")
    assert found["merged"] >= 90 * MB
    assert found["large"] >= 90 * MB
    assert found["again"] >= 90 * MB  # Harmless where all is done.


def test_a_system_without_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(large_pages, "MAPS", Path("/proc/nowhere"))

    assert large_pages.merge() == 0
