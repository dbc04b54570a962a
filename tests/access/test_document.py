"""``docs/access.md`` shows the matrix as it is tested.

After a change that is meant: ``LOCKGATE_RATCHET=write pytest tests/access/test_document.py``.
"""

import os
from pathlib import Path

from tests.access.matrix import ROLES, Reach, Row
from tests.access.rows import API, PAGES

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "access.md"
BEGIN, END = "<!-- matrix: begin -->\n", "<!-- matrix: end -->\n"
TABLES = {"The API": API, "The pages": PAGES}


def written() -> str:
    """Write the matrix as tables."""
    parts = []
    for title, rows in TABLES.items():
        lines = list(dict.fromkeys(_line(row) for row in rows))
        parts += [f"### {title}", "", "| call | who | where |", "| --- | --- | --- |", *lines, ""]
    return "\n".join(parts)


def _line(row: Row) -> str:
    route = row.route.removeprefix("api/v1/").replace("|", "\\|")
    path = f"{row.method} {'' if row.is_page else '…' if row.route != route else ''}/{route}"
    if row.query:
        path += f"?{row.query.partition('=')[0]}="
    return f"| `{path}`{_part(row)} | {_who(row)} | {_where(row)} |"


def _part(row: Row) -> str:
    """Say where everybody with a role is answered, but finds only what is theirs."""
    return ", what it lists" if row.finds else ""


def _who(row: Row) -> str:
    who = row.who
    if who.roles == ROLES:
        return "every role"
    if len(who.roles) > len(ROLES) / 2:
        return f"every role but {' and '.join(r for r in ROLES if r not in who.roles)}"
    said = " or ".join(who.roles) or who.only
    if row.owner and who.roles:
        said += ", and who it belongs to"
    return f"{said}, people only" if who.people and who.roles else said


def _where(row: Row) -> str:
    return row.who.reach.value if row.who.roles else ""


def test_the_document_shows_the_matrix() -> None:
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    expected = f"{before}{BEGIN}\n{written()}\n{END}{after}"
    if os.environ.get("LOCKGATE_RATCHET") == "write":
        DOCUMENT.write_text(expected)

    assert DOCUMENT.read_text() == expected, (
        "write the table anew: LOCKGATE_RATCHET=write pytest tests/access/test_document.py"
    )


def test_the_document_explains_how_far_a_role_reaches() -> None:
    text = DOCUMENT.read_text()

    assert [reach.value for reach in Reach if reach.value not in text] == []
