"""Long lists in pages by cursor. The first page fixes the end.

A list that grows while it is read would never end, least of all the log of who reads
the log. So a cursor carries, beside the last key seen, the greatest there was when the
first page was asked for.
"""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Max, Model, QuerySet
from rest_framework.request import Request

from governance.errors import Invalid

M = TypeVar("M", bound=Model)
PARAMETERS = ("cursor", "limit")
USUAL = 50
MOST = 500


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """One page of rows, and the cursor of the next one or None."""

    rows: list[M]
    next: str | None

    def body(self, render: Callable[[M], object]) -> dict[str, object]:
        """Return the answer's body."""
        return {"items": [render(row) for row in self.rows], "next": self.next}


def cut(rows: QuerySet[M], *, request: Request, by: str, newest_first: bool = False) -> Page[M]:
    """Cut the page that ``?cursor=`` and ``?limit=`` ask for.

    Args:
        by: a column that is unique, never changes and has an index.

    Raises:
        Invalid: ``bad_cursor`` or ``bad_limit``.
    """
    limit = _limit(request.query_params.get("limit"))
    cursor = request.query_params.get("cursor")
    if cursor is None:
        bound, after = rows.order_by().aggregate(bound=Max(by))["bound"], None
        if bound is None:
            return Page([], None)
    else:
        bound, after = _read(cursor, rows.model, by)

    found = rows.filter(**{f"{by}__lte": bound})
    if after is not None:
        found = found.filter(**{f"{by}__lt" if newest_first else f"{by}__gt": after})
    page = list(found.order_by(f"-{by}" if newest_first else by)[: limit + 1])
    more = len(page) > limit
    page = page[:limit]
    return Page(page, _write(bound, getattr(page[-1], by)) if more else None)


def _limit(text: str | None) -> int:
    if text is None:
        return USUAL
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST))):
        limit = 0
    else:
        limit = int(text)
    if not 1 <= limit <= MOST:
        message = f"A page has 1 to {MOST} items."
        raise Invalid(message, code="bad_limit", limit=f"is not between 1 and {MOST}")
    return limit


def _write(bound: object, after: object) -> str:
    text = json.dumps([str(bound), str(after)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _storable(value: object) -> str:
    text = str(value)
    if "\0" in text:
        raise ValueError
    return text


def _read(cursor: str, model: type[Model], by: str) -> tuple[Any, Any]:
    column = model._meta.get_field(by)  # noqa: SLF001 - Django's documented API
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        bound, after = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        values = [column.clean(_storable(value), None) for value in (bound, after)]  # type: ignore[union-attr]
    except (UnicodeError, binascii.Error, ValueError, TypeError, ValidationError):
        message = "This cursor is not one of ours; begin with the first page."
        raise Invalid(message, code="bad_cursor", cursor="cannot be read") from None
    return values[0], values[1]
