"""The whole document, and its JSON schema."""

from typing import Any, Literal

from pydantic import Field

from promotion.lineage.schema.document import Envelope, MadeBy
from promotion.lineage.schema.parts import Digest, Gap, Part, Text, Time
from promotion.lineage_scope.schema.happened import (
    Access,
    AgentChange,
    Change,
    Exceptions,
    Finding,
    Incident,
    Number,
    Promotion,
    Refusals,
    Serving,
)

ID = "lockgate.lineage-scope/1"
Counts = dict[str, int] | Gap


class Scope(Part):
    """What was asked."""

    kind: Literal["environment", "period"]
    environment: Text
    since: Time | Literal["the first entry"] = Field(alias="from")
    until: Time | Literal["the last entry"]
    as_of: Time


class Log(Part):
    """The log that it was read from."""

    size: int
    head: Digest


class Header(Part):
    """What the report is about, and what it shows and does not."""

    system: Literal["Lockgate"]
    scope: Scope
    log: Log
    time_source: Text
    verify: Text
    says: list[Text]
    says_not: list[Text]


class Chain(Part):
    """One object's entries: here, and in all of the log."""

    object: Text
    entries_here: int
    entries: int
    first: int
    last: int
    is_gapless: bool


class Population(Part):
    """How many changes there are, of which kind, and that none is missing."""

    entries: int
    first: Number
    last: Number
    by_action: Counts
    objects: list[Chain]
    is_gapless: bool
    erased_payloads: list[int]
    histories_adopted: list[int]


class Body(Part):
    """What follows from the log at one size."""

    schema_: Literal["lockgate.lineage-scope/1"] = Field(alias="schema")
    header: Header
    population: Population
    serving: Serving
    promotions: list[Promotion]
    refusals: Refusals
    exceptions: Exceptions
    incidents: list[Incident]
    findings: list[Finding]
    policies: list[dict[str, Any]]
    access: Access
    fleet: list[AgentChange]
    changes: list[Change]


class Question(Part):
    """What was asked: the same question has the same body."""

    environment: Text
    since: Text = Field(alias="from")
    until: Text
    size: int


class Compared(Part):
    """One kind of rows, by entries and in tables."""

    what: Text
    by_entries: int
    in_tables: int
    agree: bool
    differ: list[Text]


class Statement(Part):
    """When and by whom it was made, and what was so then without an entry in the log."""

    schema_: Literal["lockgate.lineage-scope-statement/1"] = Field(alias="schema")
    report_id: Digest
    question: Question
    made_at: Time
    made_by: MadeBy
    software: Text
    sealing: dict[str, Any]
    entries_against_tables: list[Compared] | Text


class Document(Part):
    """An audit report. ``report_id`` is SHA-256 of the body's canonical bytes (RFC 8785)."""

    schema_: Literal["lockgate.lineage-scope/1"] = Field(alias="schema")
    report_id: Digest
    body: Body
    statement: Statement
    envelope: Envelope


def schema() -> dict[str, Any]:
    """Return the JSON schema of a report."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        **Document.model_json_schema(by_alias=True),
        "title": "Audit report",
    }
