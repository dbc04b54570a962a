"""The benchmark runs, checks every answer, and ends with a line that can be read."""

import base64
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.load import Tally, Task, whole

ROOT = Path(__file__).resolve().parents[2]


def test_the_benchmark_of_the_agent_ends_with_its_figures(tmp_path: Path) -> None:
    asked = ["--home", str(tmp_path / "home"), "--runs", "1", "--seconds", "0.2"]

    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.agent", *asked],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert ended.returncode == 0, ended.stderr[-2_000:]
    said = json.loads(ended.stdout.splitlines()[-1])
    assert (said["bench"], said["n"]) == ("agent", 1)
    assert said["figures"]["agent_json_16_requests_s"]["value"] > 0
    assert said["figures"]["agent_binary_1_p50_ms"]["value"] > 0


def test_an_answer_that_is_not_the_one_that_was_checked_counts_as_wrong() -> None:
    right = base64.b64encode(b"right").decode()
    tally = Tally(Task("127.0.0.1", 1, [right], [right], warm_up=0.0))

    tally.note(0, b"right", sent=tally.begin)
    tally.note(0, b"wrong", sent=tally.begin)

    assert (tally.result().answered, tally.result().wrong) == (2, 1)


def test_a_response_is_taken_when_it_is_all_there() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright"

    assert [whole(data[:end]) for end in (10, len(data) - 1)] == [None, None]
    assert whole(data) == b"right"
