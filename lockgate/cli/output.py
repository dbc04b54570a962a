"""What commands say: a few lines for people, or one JSON document for programs."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

import typer

from lockgate.cli.lines import of_gates
from lockgate.errors import ApiError, LockgateError, NotEqual, Unreachable, WaitedTooLong

NO = 1
UNREACHABLE = 3
TOO_LONG = 4
DIFFERENT = 5
MOST = 500
"""Rows of one answer; what is beyond is said to be there."""


def show(document: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Write a document, or what people want to know of it."""
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for line in lines:
        typer.echo(clean(line))


def show_items(
    rows: Iterable[Mapping[str, Any]],
    lines: Callable[[Any], Iterable[str]],
    *,
    none: str,
    as_json: bool,
) -> None:
    """Write a list, as far as anybody reads one; people are told when nothing is in it."""
    found = list(islice(rows, MOST + 1))
    shown, is_cut = found[:MOST], len(found) > MOST
    told = [line for row in shown for line in lines(row)] or [none]
    if is_cut:
        told.append(f"These are the first {MOST}; there are more.")
    show({"items": shown, "is_cut": is_cut}, told, as_json=as_json)


def clean(text: object) -> str:
    """Make a stranger's text safe for a terminal: no control characters but tabs."""
    return "".join(char if char.isprintable() or char == "\t" else "?" for char in str(text))


def explain(error: LockgateError) -> int:
    """Write an error with each problem on a line of its own; return the exit code."""
    sys.stderr.write(f"{clean(error)}\n")
    if isinstance(error, ApiError):
        for path, problem in error.problems.items():
            texts = problem if isinstance(problem, list) else [problem]
            for text in texts:
                sys.stderr.write(f"  {clean(path)}: {clean(text)}\n")
        for line in of_gates(error.context.get("gates") or ()):
            sys.stderr.write(f"{clean(line)}\n")
    if isinstance(error, Unreachable):
        return UNREACHABLE
    if isinstance(error, NotEqual):
        return DIFFERENT
    return TOO_LONG if isinstance(error, WaitedTooLong) else NO
