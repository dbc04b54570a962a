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

from promotion.lineage.drawings import graph, lanes, people

FOLDER = Path(settings.ROOT) / "templates" / "lineage"
SECTIONS = (
    ("inventory", "Inventory card"),
    ("artifact", "Artifact"),
    ("origin", "Origin"),
    ("validation", "Validation"),
    ("dark_evidence", "Dark evidence"),
    ("lifecycle", "Lifecycle"),
    ("deployment_record", "Deployment record"),
    ("aftermath", "Incidents and rollbacks"),
    ("access", "Access and segregation of duties"),
    ("retirement", "Retirement"),
    ("completeness", "Completeness"),
    ("controls", "Control mapping"),
    ("proof", "Proof"),
)
"""Of the body, in the order in which a report is read; each has its template."""


def as_html(document: Mapping[str, object]) -> str:
    """Render a report. Every text of it is escaped."""
    body = document["body"]
    if not isinstance(body, Mapping):
        message = "a report has a body"
        raise TypeError(message)
    timeline = body["lifecycle"]["timeline"]
    context = {
        "report": document,
        "body": body,
        "statement": document["statement"],
        "sections": SECTIONS,
        "drawings": {
            "graph": graph.draw(body),
            "lanes": lanes.draw(timeline),
            "people": people.draw(timeline),
        },
        "hashes": _hashes(body["proof"]),
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


def _hashes(proof: Mapping[str, list[Mapping[str, object]]]) -> list[Mapping[str, object]]:
    """Of the entries that the report says something from; the chain itself may be long."""
    used = {row["seq"] for row in proof["payloads"]}
    found = [row for row in (*proof["chain"], *proof["others"]) if row["seq"] in used]
    return sorted(found, key=lambda row: int(str(row["seq"])))


def _key(document: Mapping[str, object]) -> str:
    envelope = document["envelope"]
    signatures = envelope["signatures"] if isinstance(envelope, Mapping) else []
    return ", ".join(str(signature["keyid"]) for signature in signatures)
