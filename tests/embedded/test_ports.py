"""Ports: two systems that start at the same moment never choose the same one."""

import subprocess
import sys

from governance.embedded import ports

HOLD = """
import sys
from pathlib import Path
from governance.embedded import ports
print(ports.choose(Path(sys.argv[1]), usual=int(sys.argv[2])), flush=True)
sys.stdin.read()
"""


def test_a_port_that_another_system_has_chosen_is_left_to_it(tmp_path):
    usual = ports._any()
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "other"), str(usual)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert int(other.stdout.readline()) == usual
        assert ports.is_free(usual)  # Nobody listens there yet.
        mine = ports.choose(tmp_path / "mine", usual=usual)
        other.stdin.close()
        other.wait(10)

    assert mine != usual
    assert ports.choose(tmp_path / "mine", usual=usual) == usual  # The claim ended with it.
    assert ports.choose(tmp_path / "mine", usual=usual) == usual  # One's own is no obstacle.
