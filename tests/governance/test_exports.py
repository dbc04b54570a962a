import csv
import io
import json
from datetime import UTC, datetime

import pytest

from governance import exports
from governance.exports import Listing

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1dcmd",
    "=cmd|' /C calc'!A0",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_a_spreadsheet_would_run_is_text(text: str) -> None:
    written = exports.as_csv(["a", text], [{"a": text, text: text}]).decode()
    head, row = csv.reader(io.StringIO(written, newline=""))
    assert head == ["a", f"'{text}"]
    assert row == [f"'{text}", f"'{text}"]


def test_numbers_stay_numbers_and_nothing_is_blank() -> None:
    rows = [{"n": -3, "x": -0.5, "no": None, "yes": True, "at": datetime(2026, 1, 2, tzinfo=UTC)}]
    written = exports.as_csv(["n", "x", "no", "yes", "at"], rows).decode()
    assert written.splitlines()[1] == "-3,-0.5,,yes,2026-01-02T00:00:00.000000Z"


def test_quotes_commas_and_line_ends_stay_within_their_cell() -> None:
    text = 'he said "a, b"\r\nand left'
    _, row = csv.reader(io.StringIO(exports.as_csv(["a"], [{"a": text}]).decode(), newline=""))
    assert row == [text]


def test_lists_and_documents_are_one_cell_of_json() -> None:
    cell = exports.cell({"b": [1, "=x"], "a": None})
    assert json.loads(str(cell)) == {"a": None, "b": [1, "=x"]}


def test_a_file_is_saved_and_not_shown() -> None:
    listing = Listing("audit-log", ("a",), [{"a": "<script>"}], {"of": "all"})
    for form, kind in (("csv", "text/csv; charset=utf-8"), ("json", "application/json")):
        answer = listing.as_file(form)  # type: ignore[arg-type]
        assert answer["Content-Type"] == kind
        assert answer["Content-Disposition"] == f'attachment; filename="audit-log.{form}"'
        assert answer["X-Content-Type-Options"] == "nosniff"
    assert json.loads(listing.as_file("json").content) == {
        "of": "all",
        "items": [{"a": "<script>"}],
    }
