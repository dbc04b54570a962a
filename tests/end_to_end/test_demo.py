"""The whole story with real processes: the one heavy test."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home():
    # Not tmp_path: the path of a socket below it would be too long.
    folder = Path(tempfile.mkdtemp(prefix="lockgate-e2e-"))
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.timeout(420)
def test_the_demo_tells_its_story_and_leaves_nothing_running(home):
    command = [sys.executable, "-m", "lockgate.demo", "check", "--home", str(home)]

    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False
    )

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert done.stdout.rstrip().endswith("the story is as told")
    assert "<html" in (home / "reports" / "lineage-credit-default-2.html").read_text()
    assert (home / "reports" / "lineage-credit-default-2.zip").is_file()
    assert "the report of version 2 as a bundle" in done.stdout
    assert _processes_of(home) == []


def _processes_of(home: Path) -> list[str]:
    """Name the processes that were given this home."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(home) in words:
            found.append((process / "cmdline").read_text().replace("\0", " "))
    return found
