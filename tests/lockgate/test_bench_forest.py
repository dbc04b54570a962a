"""The benchmark of the large forest runs, on a small one, and ends with a line that can be read."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.forest import BOUNDS

ROOT = Path(__file__).resolve().parents[2]


def test_the_benchmark_of_the_forest_ends_with_its_figures(tmp_path):
    asked = ["--home", str(tmp_path / "home"), "--cache", str(tmp_path / "cache")]

    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.forest", *asked, "--small", "--runs=1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )

    assert ended.returncode == 0, ended.stderr[-2_000:]
    said = json.loads(ended.stdout.splitlines()[-1])
    assert (said["bench"], said["n"]) == ("forest", 1)
    assert said["figures"].keys() == BOUNDS.keys()
    assert said["figures"]["wrong_rows"] == {
        "value": 0.0,
        "bound": 0,
        "better": "lower",
        "met": True,
    }
    assert said["figures"]["swap_failed"]["value"] == 0
    assert said["figures"]["http_p99_ms"]["value"] > 0
