"""Which sections of a report speak to which requirement, and which requirement to none.

A report supports whoever shows a control; whether one is met is for an examiner to say.
What is not on record here is said to be not covered, each time with what is missing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from promotion.lineage.sources import Json

SUPPORTS, NOT_COVERED = "supports", "not covered"
MOST = 20
"""Entry numbers that a row names; the sections name all of them."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement, and where the report speaks to it."""

    regime: str
    clause: str
    asks: str
    sections: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    """Beginnings of the actions whose entries speak to it."""
    missing: str = ""
    """What is not on record here, if anything."""


REQUIREMENTS = (
    Requirement(
        "SR 26-2",
        "model inventory",
        "an inventory with owner, purpose, limitations and state",
        ("inventory", "completeness"),
        ("model.registered", "version.registered"),
    ),
    Requirement(
        "SR 26-2",
        "development and use",
        "data, method and testing are documented",
        ("origin", "artifact", "validation"),
        ("version.",),
    ),
    Requirement(
        "SR 26-2",
        "validation and independence",
        "effective challenge by persons who did not make it",
        ("validation", "access"),
        ("version.attested", "finding."),
    ),
    Requirement(
        "SR 26-2",
        "monitoring and outcomes analysis",
        "performance after go-live, and what was done about it",
        ("dark_evidence", "aftermath"),
        ("incident.",),
        "labels and outcomes are analysed outside",
    ),
    Requirement(
        "EU AI Act",
        "Article 12",
        "events are recorded automatically over the lifetime",
        ("lifecycle", "deployment_record", "proof"),
        ("deployment.", "rollout.", "agent."),
    ),
    Requirement(
        "EU AI Act",
        "Article 14",
        "persons decide, and can stop it",
        ("lifecycle", "aftermath"),
        ("request.approved", "request.rejected"),
    ),
    Requirement(
        "EU AI Act",
        "Article 18",
        "documentation is kept for ten years",
        missing="how long is kept is decided outside: see retention in the inventory",
    ),
    Requirement(
        "EU AI Act",
        "Article 19",
        "logs are kept",
        ("completeness", "proof"),
        ("deployment.",),
        "how long is decided outside",
    ),
    Requirement(
        "EU AI Act",
        "Article 26",
        "the deployer monitors and keeps logs",
        ("deployment_record", "aftermath"),
        ("incident.",),
    ),
    Requirement(
        "EU AI Act",
        "Annex IV",
        "technical documentation",
        ("inventory", "artifact", "origin", "validation"),
        ("version.",),
        "design choices and human oversight measures are documented outside",
    ),
    Requirement(
        "ISO/IEC 42001",
        "A.6.2.4 to A.6.2.6",
        "verification, deployment and operation follow defined steps",
        ("validation", "lifecycle", "deployment_record"),
        ("request.", "deployment."),
    ),
    Requirement(
        "ISO/IEC 42001",
        "A.6.2.8",
        "event logs are recorded",
        ("lifecycle", "proof"),
        ("deployment.",),
    ),
    Requirement(
        "ISO/IEC 42001", "A.7.5", "the provenance of data is recorded", ("origin",), ("version.",)
    ),
    Requirement(
        "NIST AI RMF", "GOVERN 1.6", "AI systems are inventoried", ("inventory",), ("model.",)
    ),
    Requirement(
        "NIST AI RMF",
        "GOVERN 1.7",
        "AI systems are phased out safely",
        ("retirement",),
        ("deployment.retired", "deployment.released"),
    ),
    Requirement(
        "PCI DSS 4.0",
        "10.2.2",
        "entries name who, what, when, where and whether it succeeded",
        ("lifecycle", "proof"),
        ("request.", "attempt.refused"),
    ),
    Requirement(
        "PCI DSS 4.0",
        "10.3",
        "logs are protected from change",
        ("completeness", "proof"),
        ("version.registered",),
    ),
    Requirement(
        "PCI DSS 4.0",
        "10.5",
        "logs are kept for twelve months",
        missing="how long is kept is decided outside",
    ),
    Requirement(
        "SOX",
        "change management",
        "changes are asked for, tested, approved by others, and complete",
        ("lifecycle", "access", "completeness"),
        ("request.",),
    ),
    Requirement(
        "21 CFR Part 11",
        "11.10(e)",
        "a time-stamped audit trail that obscures nothing",
        ("lifecycle", "proof"),
        ("request.", "deployment."),
    ),
    Requirement(
        "21 CFR Part 11",
        "11.50",
        "a signature shows printed name, time and meaning",
        ("lifecycle",),
        ("request.approved", "request.rejected"),
    ),
    Requirement(
        "21 CFR Part 11",
        "11.70",
        "a signature is bound to what was signed",
        ("lifecycle", "proof"),
        ("request.approved", "request.rejected"),
    ),
    Requirement(
        "21 CFR Part 11",
        "11.100",
        "the identity of signers is verified, and certified to the agency",
        missing="who is behind an account is verified outside",
    ),
)


def mapped(entries: Iterable[tuple[int, str]]) -> list[Json]:
    """Return a row for each requirement, with the entries that speak to it.

    Args:
        entries: number and action of each entry that the report says something from.
    """
    known = list(entries)
    return [_row(one, known) for one in REQUIREMENTS]


def _row(asked: Requirement, known: list[tuple[int, str]]) -> Json:
    found = [seq for seq, action in known if asked.actions and action.startswith(asked.actions)]
    is_covered = bool(asked.sections and found)
    missing = asked.missing or ("" if is_covered else "no entry of this kind is on record")
    return {
        "regime": asked.regime,
        "clause": asked.clause,
        "asks": asked.asks,
        "this_report": SUPPORTS if is_covered else NOT_COVERED,
        "sections": list(asked.sections) if is_covered else [],
        "entries": found[:MOST],
        "further_entries": max(len(found) - MOST, 0),
        "missing": missing or "nothing that is asked for here",
    }
