"""The whole document, and its JSON schema."""

from typing import Any, Literal

from pydantic import Field

from promotion.lineage.schema.happened import (
    Access,
    Aftermath,
    Deployed,
    Lifecycle,
    Retirement,
)
from promotion.lineage.schema.parts import Digest, Part, Text, Time
from promotion.lineage.schema.proof import Completeness, Control, Proof
from promotion.lineage.schema.what import (
    Artifact,
    DarkEvidence,
    Header,
    Inventory,
    Origin,
    Validation,
)

ID = "lockgate.lineage/1"


class Body(Part):
    """What follows from the log at one size, and from sealed rows."""

    schema_: Literal["lockgate.lineage/1"] = Field(alias="schema")
    header: Header
    inventory: Inventory
    artifact: Artifact
    origin: Origin
    validation: Validation
    dark_evidence: DarkEvidence
    lifecycle: Lifecycle
    deployment_record: Deployed
    aftermath: Aftermath
    access: Access
    retirement: list[Retirement]
    completeness: Completeness
    controls: list[Control]
    proof: Proof


class Question(Part):
    """What was asked: the same question has the same body."""

    model: Text
    version: int
    size: int


class MadeBy(Part):
    """Who had it made."""

    kind: Text
    id: Text
    name: Text


class Statement(Part):
    """When and by whom it was made, and what was so then without an entry in the log."""

    schema_: Literal["lockgate.lineage-statement/1"] = Field(alias="schema")
    report_id: Digest
    question: Question
    made_at: Time
    made_by: MadeBy
    software: Text
    sealing: dict[str, Any]
    entries_agree_with_tables: bool | Text
    observed: dict[str, Any]


class Envelope(Part):
    """The statement's exact bytes, signed (DSSE)."""

    payload_type: Text = Field(alias="payloadType")
    payload: Text
    signatures: list[dict[str, str]]


class Document(Part):
    """A lineage report. ``report_id`` is SHA-256 of the body's canonical bytes (RFC 8785)."""

    schema_: Literal["lockgate.lineage/1"] = Field(alias="schema")
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
        "title": "Lineage report",
    }
