"""Lists as files that people open elsewhere: CSV that no spreadsheet runs, and JSON.

A cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line end is a formula to some
spreadsheets, and what people and machines write into a log is theirs to choose. Such a text
gets an apostrophe in front, which spreadsheets hide. Numbers stay numbers.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from django.http import HttpResponse

Form = Literal["csv", "json"]
FORMS: tuple[Form, ...] = ("csv", "json")
TYPES: Mapping[Form, str] = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
STARTS_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""The last four are the wide forms of the first ones, which some spreadsheets read the same."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as callers and files have it: rows, each with a value for every column."""

    name: str
    """Of the file, without what says its form."""
    columns: Sequence[str]
    rows: Sequence[Mapping[str, object]]
    about: Mapping[str, object] = field(default_factory=dict)
    """What the list is of; a file of rows alone has no place for it."""

    def document(self) -> dict[str, object]:
        """Return it as one document, the rows under ``items``."""
        return {**self.about, "items": list(self.rows)}

    def as_file(self, form: Form) -> HttpResponse:
        """Return it as a file to be saved, never to be shown or guessed at by a browser."""
        is_table = form == "csv"
        content = as_csv(self.columns, self.rows) if is_table else as_json(self.document())
        return HttpResponse(
            content,
            content_type=TYPES[form],
            headers={
                "Content-Disposition": f'attachment; filename="{self.name}.{form}"',
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-store",
            },
        )


def cell(value: object) -> str | int | float:
    """Write one value as a spreadsheet may have it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, Mapping | list | tuple):
        return _safe(json.dumps(value, ensure_ascii=False, sort_keys=True, default=str))
    return _safe(str(value))


def moment(at: datetime) -> str:
    """Write a time as the log does, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> bytes:
    """Write rows under a line of their columns' names; a row has values for all of them."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([cell(name) for name in columns])
    writer.writerows([cell(row[name]) for name in columns] for row in rows)
    return text.getvalue().encode()


def as_json(document: Mapping[str, object]) -> bytes:
    """Write a document, for reading; times as the log has them."""
    text = json.dumps(document, ensure_ascii=False, indent=2, default=_written)
    return f"{text}\n".encode()


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(STARTS_FORMULA) else text


def _written(value: object) -> str:
    return moment(value) if isinstance(value, datetime) else str(value)
