"""The client needs neither the server's code nor, for most of it, anything but httpx."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVER = ("django", "rest_framework", "celery", "governance", "registry", "promotion")
AGENT = ("serving_agent",)
HEAVY = ("numpy", "onnx", "onnxruntime", "skl2onnx", "sklearn", "pyarrow")

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
{script}
"""


def run(script: str, *blocked: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED.format(blocked=set(blocked), script=script)],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "COLUMNS": "100"},
    )


def test_the_client_imports_without_the_server():
    script = "import lockgate.client, lockgate.manifest, lockgate.cli"
    done = run(script, *SERVER, *AGENT, *HEAVY)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_conversion_imports_without_the_server():
    done = run("import lockgate.convert", *SERVER, *AGENT)
    assert (done.returncode, done.stderr) == (0, "")


def lockgate(*arguments: str) -> str:
    return f"from lockgate.cli import main; main({list(arguments)!r})"


def test_help_works_without_the_server():
    done = run(lockgate("--help"), *SERVER, *AGENT, *HEAVY)
    assert done.returncode == 0
    assert "register" in done.stdout
    assert "Needs the server" in done.stdout


@pytest.mark.parametrize("arguments", [["up"], ["up", "--port", "8000"], ["audit", "verify"]])
def test_a_command_of_the_server_says_what_is_missing_in_a_line(arguments):
    done = run(lockgate(*arguments), *SERVER, *AGENT, *HEAVY)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "pip install 'lockgate[server]'" in done.stderr


def test_a_command_of_the_server_is_found_where_the_server_is():
    done = run(lockgate("up", "--help"))
    assert done.returncode == 0
    assert "Run the whole system here" in done.stdout


def test_the_version_is_shown():
    done = run(lockgate("version"), *SERVER)
    assert done.stdout.strip()
    assert done.returncode == 0
