"""Renders a report as one HTML file that needs nothing else: no script, no other file.

The file is printed, mailed and archived, so its style is inside it. The policy that
is sent with it, and stands in it, allows exactly that style by its hash.
"""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from promotion.lineage import drawing
from promotion.selectors.timeline import WORDS

FOLDER = Path(settings.ROOT) / "templates" / "lineage"


def as_html(document: Mapping[str, object]) -> str:
    """Render a report. Every text of it is escaped."""
    body = document["body"]
    if not isinstance(body, Mapping):
        message = "a report has a body"
        raise TypeError(message)
    rows = [{**row, "words": _words(row["action"])} for row in body["lifecycle"]["timeline"]]
    context = {
        "report": document,
        "body": body,
        "statement": document["statement"],
        "timeline": rows,
        "drawing": drawing.draw(body["lifecycle"]["timeline"]),
        "style": mark_safe(_style()),  # noqa: S308 - our own file, not anybody's text
        "policy": POLICY,
        "key": _key(document),
    }
    return render_to_string("lineage/report.html", context)


@cache
def _style() -> str:
    return (FOLDER / "report.css").read_text()


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


POLICY = _policy()
"""The content security policy of a report, and of nothing else."""


def _words(action: object) -> str:
    return WORDS.get(str(action), (str(action), ""))[0]


def _key(document: Mapping[str, object]) -> str:
    envelope = document["envelope"]
    signatures = envelope["signatures"] if isinstance(envelope, Mapping) else []
    return ", ".join(str(signature["keyid"]) for signature in signatures)
