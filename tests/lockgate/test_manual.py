"""The reference in the docs is what ``--help`` says."""

import re
from pathlib import Path

import pytest

from lockgate.cli import manual, output

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def test_the_reference_is_what_help_says():
    page = PAGE.read_text()
    assert page == manual.renewed(page), "run: python -m lockgate.cli.manual docs/cli.md"


def test_every_exit_code_is_told():
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)}
    assert told == {0, output.NO, 2, output.UNREACHABLE, output.TOO_LONG, output.DIFFERENT, 130}


@pytest.mark.parametrize(
    "command", ["register", "promote", "approve", "stop", "doctor", "spare name", "finding close"]
)
def test_a_command_is_told_with_its_options(command):
    told = manual.help_of(*command.split())
    assert told.startswith(f"Usage: lockgate {command} ")
    assert told in PAGE.read_text()
