"""Rules about the code itself, run with the rest of the tests."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("governance", "registry", "promotion", "serving_agent", "lockgate")
WRITES = {
    "save",
    "create",
    "acreate",
    "bulk_create",
    "bulk_update",
    "update",
    "update_or_create",
    "delete",
    "get_or_create",
    "execute",
}
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 50
LONGER = {"governance/audit/standalone/verify.py": 2_500}
"""One piece on purpose: it is copied alone to where nothing else of ours is."""
SHAPELESS = {"utils", "util", "helpers", "helper", "common", "core", "manager", "misc"}
# Written so that this file does not hold what it looks for.
NOT_OURS = {
    "a path of somebody's machine": r"(?<![\w.])/(?:home|root|Users)/\w",
    "the checkout's own path": re.escape(str(ROOT)) if len(ROOT.parts) > 2 else r"(?!)",
    "an index's address": r"--(?:extra-)?index" + "-url|" + r"pypi\." + "org/simple",
}


def _sources() -> list[Path]:
    found = [
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "migrations" not in path.parts
    ]
    assert len(found) > 100, "the packages are not where this test looks"
    return sorted(found)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


SOURCES = _sources()
ENTRY_POINTS = [
    path
    for path in SOURCES
    if path.relative_to(ROOT).parts[0] in {"governance", "registry", "promotion"}
    and {"api", "tasks", "views", "admin", "templatetags"} & {*path.parts, path.stem}
]


def test_imports_point_downwards():
    """In a process of its own: it silences all loggers there are."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.django_db
def test_models_and_migrations_agree():
    call_command("makemigrations", check=True, dry_run=True)


@pytest.mark.parametrize("path", ENTRY_POINTS, ids=_name)
def test_entry_points_do_not_write(path):
    """Only services write. What is named ``update`` on a plain dictionary is not a write."""
    written = [
        f"line {call.lineno}: {ast.unparse(call.func)}"
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in WRITES
        and "cursor" not in ast.unparse(call.func)
    ]
    assert written == []


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_file_is_read_in_one_sitting(path):
    text = path.read_text()
    lines = text.count("\n")
    assert lines <= LONGER.get(_name(path), MOST_LINES), f"{lines} lines: split it by noun"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MOST_LINES_OF_A_FUNCTION, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_module_is_named_for_what_it_holds(path):
    assert not SHAPELESS & {path.stem, *path.relative_to(ROOT).parts}


def test_nothing_names_a_machine_or_an_index():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:  # An export of the sources has no history to ask.
        paths = [path for path in ROOT.rglob("*") if ".venv" not in path.parts]
    else:
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    found = []
    for path in paths:
        if not path.is_file() or path.suffix in {".parquet", ".png", ".woff2", ".onnx", ".pyc"}:
            continue
        text = path.read_text(errors="replace")
        found += [
            f"{_name(path)}: {what}"
            for what, pattern in NOT_OURS.items()
            if re.search(pattern, text)
        ]
    assert found == []
