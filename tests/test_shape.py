"""What lies at the top, and that the libraries we name are the ones we use."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SERVER = ("governance", "registry", "promotion")
PRODUCT = (*SERVER, "serving_agent", "lockgate")
TOP = {
    "manage.py",
    "pyproject.toml",
    "compose.yaml",
    "governance",
    "registry",
    "promotion",
    "serving_agent",
    "templates",
    "tests",
    "lockgate",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "requirements.lock",
    "docs",
    "benchmarks",
    "deploy",
    ".ci",
    ".gitattributes",
    ".gitignore",
    ".dockerignore",
    ".pre-commit-config.yaml",
}


def _imported(packages: tuple[str, ...]) -> set[str]:
    found = set()
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.split(".")[0])
    return found


def test_the_top_level_holds_what_the_design_names_and_nothing_else():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False
    ).stdout.decode()
    tracked = {name.split("/")[0] for name in listed.split("\0") if name}
    assert tracked - TOP == set()
    assert {"manage.py", "pyproject.toml", "compose.yaml", "requirements.lock"} <= tracked
    assert {*PRODUCT, "templates", "tests"} <= tracked


@pytest.mark.parametrize(
    "library",
    [
        "boto3",
        "celery",
        "django",
        "django_fsm",
        "onnxruntime",
        "psycopg",
        "rest_framework",
        "sklearn",
    ],
)
def test_product_code_uses(library):
    assert library in _imported(PRODUCT)


def test_only_one_fork_of_the_state_machine_is_installed():
    lock = (ROOT / "requirements.lock").read_text()
    names = {line.split("==")[0] for line in lock.splitlines() if "==" in line[:60]}
    assert "django-fsm-2" in names
    assert "django-fsm" not in names


def test_no_pickle_is_ever_opened_by_the_server_or_the_agent():
    opened = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}
    assert _imported((*SERVER, "serving_agent")) & opened == set()
