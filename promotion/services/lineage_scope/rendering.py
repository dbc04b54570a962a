"""Renders a scope's report as one HTML file, in the style and under the policy of all reports."""

from collections.abc import Mapping
from functools import cache

from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from promotion.lineage_scope import drawing
from promotion.services.lineage.rendering import FOLDER, POLICY

SHOWN = 2_000
"""Changes the page lists; the JSON form has them all."""


def as_html(document: Mapping[str, object]) -> str:
    """Render a report. Every text of it is escaped."""
    body = document["body"]
    if not isinstance(body, Mapping):
        message = "a report has a body"
        raise TypeError(message)
    envelope = document["envelope"]
    signatures = envelope["signatures"] if isinstance(envelope, Mapping) else []
    context = {
        "report": document,
        "body": body,
        "statement": document["statement"],
        "drawing": drawing.draw(body["serving"]["decided"]),
        "changes": body["changes"][:SHOWN],
        "more": max(len(body["changes"]) - SHOWN, 0),
        "style": mark_safe(_style()),  # noqa: S308 - our own file, not anybody's text
        "policy": POLICY,
        "key": ", ".join(str(signature["keyid"]) for signature in signatures),
    }
    return render_to_string("lineage_scope/report.html", context)


@cache
def _style() -> str:
    return (FOLDER / "report.css").read_text()
