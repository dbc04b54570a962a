"""What ``pip install lockgate`` brings is enough for every command a pipeline runs.

A folder is made of just the distributions that the base requirement pulls in, as their
own metadata says, and the command line runs with nothing else to import.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    "convert",
    "pack",
    "register",
    "promote",
    "approve",
    "status",
    "rollback",
    "stop",
    "apply",
    "doctor",
    "version",
)
START = "import sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p]"
RUN = (
    f"{START}; sys.path.insert(0, {{folder!r}}); from lockgate.cli import main; main(sys.argv[1:])"
)


def _closure() -> dict[str, Distribution]:
    """The distributions that the base requirement needs, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted, found = [Requirement(text) for text in project["dependencies"]], {}
    while wanted:
        requirement = wanted.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in found or not _counts(requirement):
            continue
        found[name] = distribution(name)
        wanted += map(Requirement, found[name].requires or ())
    return found


def _counts(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Like the ``site-packages`` of an environment with nothing but the client in it."""
    made = tmp_path_factory.mktemp("site")
    for each in _closure().values():
        for file in each.files or ():
            top = file.parts[0]
            if top not in {"..", "__pycache__"} and not (made / top).exists():
                (made / top).symlink_to(Path(str(each.locate_file(top))))
    (made / "lockgate").symlink_to(ROOT / "lockgate")
    return made


def run(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", "-P", "-c", RUN.format(folder=str(folder)), *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environ},
    )


def test_the_base_requirement_is_small(folder):
    names = set(_closure())
    assert {"httpx", "typer", "rich", "pyyaml"} <= names
    assert not {"django", "celery", "psycopg", "numpy", "onnx", "cryptography"} & names
    assert not (folder / "django").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_there(folder, command):
    done = run(folder, command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f" {command} " in done.stdout or command == "version"


def test_a_pack_is_read_and_a_service_is_looked_for(folder, pack):
    elsewhere = {"LOCKGATE_URL": "http://127.0.0.1:9", "LOCKGATE_TOKEN": "none"}
    done = run(folder, "register", str(pack), **elsewhere)
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith("127.0.0.1 does not answer")


def test_the_doctor_works_there_too(folder):
    done = run(folder, "--json", "doctor", LOCKGATE_URL="http://127.0.0.1:9")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["ok"] is False
