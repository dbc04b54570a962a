"""Keeps the reference of the command line (docs/cli.md) as ``--help`` has it.

``python -m lockgate.cli.manual docs/cli.md`` renews what stands below ``## Commands``.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path

import typer

from lockgate.cli.application import app

MARK = "## Commands\n"
COLUMNS = "100"


def renewed(page: str) -> str:
    """Return the page with its reference as the commands are now; what is above stays."""
    return "\n".join([page.partition(MARK)[0] + MARK, *_reference()])


def _reference() -> Iterator[str]:
    for words in (*_names(app), *_names_in_groups()):
        yield f"### lockgate {' '.join(words)}\n"
        yield f"```text\n{help_of(*words)}```\n"


def _names(commands: typer.Typer) -> Iterator[tuple[str, ...]]:
    for each in commands.registered_commands:
        yield (str(each.name or getattr(each.callback, "__name__", "")),)


def _names_in_groups() -> Iterator[tuple[str, ...]]:
    for group in app.registered_groups:
        if group.typer_instance is not None:
            for words in _names(group.typer_instance):
                yield (str(group.typer_instance.info.name), *words)


def help_of(*command: str) -> str:
    """Return what ``lockgate COMMAND --help`` writes on a terminal of 100 columns."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = COLUMNS
    try:
        with redirect_stdout(StringIO()) as written, suppress(SystemExit):
            app([*command, "--help"], prog_name="lockgate")
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    return written.getvalue()


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(renewed(file.read_text()))
