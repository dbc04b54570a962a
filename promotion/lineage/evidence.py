"""What speaks for a version: reports of validators, findings, and what dark scores showed."""

from collections.abc import Iterable, Mapping
from typing import Any

from governance.audit.actions import Action
from promotion.lineage.sources import (
    GOES_ON,
    NONE,
    NOT_SUPPLIED,
    UNKNOWN,
    Attested,
    Card,
    Json,
    Record,
    rows,
)

DARK_GATES = frozenset({"dark_pairs", "dark_comparison", "dark_limit", "dark_first", "latency"})
"""Gates that read what a version did in the dark."""
OF_A_FINDING = ("severity", "title", "text", "owner", "due", "blocks", "condition_of")


def validation(card: Card, *, evidence: list[Json], own: Iterable[Record]) -> Json:
    """Say what training measured, what others reported, and what was found wrong."""
    return {
        "metrics": card.manifest.get("metrics") or NOT_SUPPLIED,
        "measured_by": "the training run, as the manifest says",
        "reports": evidence,
        "findings": findings(own),
    }


def attested(own: Iterable[Record], documents: Mapping[str, Attested]) -> list[Json]:
    """List the evidence that came after the manifest, oldest first."""
    return [
        {
            "entry": record.seq,
            "at": record.at,
            "by": record.who(),
            "kind": record.text("kind"),
            "sha256": record.text("sha256"),
            "persons": record.facts.get("persons") or UNKNOWN,
            "independent": not by_author if isinstance(by_author, bool) else UNKNOWN,
            "document": dict(found.document) if found else NOT_SUPPLIED,
        }
        for record in own
        if record.action == Action.VERSION_ATTESTED
        for by_author in [record.facts.get("by_author")]
        for found in [documents.get(record.subject.partition(":")[2])]
    ]


def findings(own: Iterable[Record]) -> list[Json]:
    """List what reviewers found wrong, and how each finding was closed, if it was."""
    found: dict[str, Json] = {}
    for record in own:
        key = record.subject  # What an erased payload cannot tell any more, this still does.
        if record.action == Action.FINDING_RECORDED:
            found[key] = {
                "finding": record.text("finding"),
                **{name: record.fact(name) for name in OF_A_FINDING},
                "entry": record.seq,
                "at": record.at,
                "by": record.who(),
                "closed": NONE,
            }
        elif record.action == Action.FINDING_CLOSED and key in found:
            found[key]["closed"] = {
                "entry": record.seq,
                "at": record.at,
                "by": record.who(),
                "resolution": record.text("resolution"),
                "evidence": record.fact("evidence"),
            }
    return list(found.values())


def dark(
    own: Iterable[Record], *, asked: Iterable[Json], places: Iterable[Record], waived: list[Json]
) -> list[Json]:
    """Tell of every period in the dark: from when to when, how it was judged, what was waived."""
    requests, periods = list(asked), list[Json]()
    running: dict[str, Json] = {}
    shares = list(places)
    for record in own:
        if not record.action.startswith("deployment."):
            continue
        is_dark = record.text("state") == "dark"
        before = running.get(record.environment)
        if is_dark and before is None:
            period = _period(record, share=_share(shares, record))
            running[record.environment] = period
            periods.append(period)
        elif before is not None and not is_dark:
            after = record.text("role") or record.text("state")
            before |= {"until": record.at, "ended_by": record.seq, "then": after}
            del running[record.environment]
    for period in periods:
        period["judged"] = [
            verdict for request in requests for verdict in _judged(request, period=period)
        ]
        period["waivers"] = [row for row in waived if row["environment"] == period["environment"]]
    return periods


def judged_elsewhere(asked: Iterable[Json], periods: Iterable[Json]) -> list[Json]:
    """List verdicts about dark scores that fall into no period, as of a request made too early."""
    known = {
        (verdict["request"], verdict["gate"])
        for period in periods
        for verdict in rows(period["judged"])
    }
    found = [verdict for request in asked for verdict in _verdicts(request)]
    return [row for row in found if (row["request"], row["gate"]) not in known]


def waivers(own: Iterable[Record], *, asked: Iterable[Json]) -> list[Json]:
    """List what risk officers let pass: who, why, until when, and where it counted."""
    requests = list(asked)
    return [
        {
            "entry": record.seq,
            "at": record.at,
            "environment": record.environment,
            "gate": record.text("gate"),
            "name": record.text("name"),
            "person": record.text("person"),
            "reason": record.text("reason"),
            "until": record.text("expires_at"),
            "counted_for": [
                str(request["id"])
                for request in requests
                for gate in rows(request["gates"])
                if _waiver_of(gate) == record.subject.partition(":")[2]
            ],
        }
        for record in own
        if record.action == Action.WAIVER_GIVEN
    ]


def _period(record: Record, *, share: object) -> Json:
    return {
        "environment": record.environment,
        "from": record.at,
        "began_by": record.seq,
        "until": GOES_ON,
        "ended_by": NONE,
        "then": "dark",
        "mirrored_share": share,
        "expected": NOT_SUPPLIED,
        "dropped": NOT_SUPPLIED,
        "coverage": UNKNOWN,
    }


def _share(places: Iterable[Record], began: Record) -> object:
    """The share of transactions that was copied when it began, as the targets were defined."""
    found: object = NOT_SUPPLIED
    for record in places:
        is_of_place = record.action == Action.TARGET_DEFINED
        if is_of_place and record.environment == began.environment and record.seq < began.seq:
            found = record.facts.get("mirror_fraction") or found
    return found


def _judged(request: Json, *, period: Json) -> list[Json]:
    at, until = str(request["at"]), str(period["until"])
    is_here = request["environment"] == period["environment"]
    if not is_here or at < str(period["from"]) or (until != GOES_ON and at > until):
        return []
    return _verdicts(request)


def _verdicts(request: Json) -> list[Json]:
    return [
        {
            "request": request["id"],
            "environment": request["environment"],
            "frozen_at": request["at"],
            "gate": gate["gate"],
            "outcome": gate["outcome"],
            "reason": gate["reason"],
            "facts": gate["facts"],
        }
        for gate in rows(request["gates"])
        if gate.get("gate") in DARK_GATES and gate.get("facts")
    ]


def _waiver_of(gate: Mapping[str, Any]) -> str:
    facts = gate.get("facts")
    return str(facts.get("waiver", "")) if isinstance(facts, Mapping) else ""
