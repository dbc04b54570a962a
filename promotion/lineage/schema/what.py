"""What the version is, and what speaks for it: the header and sections 1 to 5."""

from typing import Any, Literal

from pydantic import Field

from promotion.lineage.schema.parts import (
    Absent,
    Digest,
    Done,
    Entry,
    Gap,
    Open,
    Part,
    Text,
    Time,
    Told,
)


class Scope(Part):
    """What was asked."""

    model: Text
    version: int
    digest: Digest
    environments: list[Text]
    since: Time | Gap = Field(alias="from")
    as_of: Time


class Log(Part):
    """The log that the body follows from."""

    size: Entry
    head: Digest


class PolicyInForce(Part):
    """A policy that was published for one of its environments."""

    environment: Text
    number: int | Gap
    tier: Text
    sha256: Text
    at: Time
    entry: Entry


class Header(Part):
    """What the report is about, and how to check it."""

    system: Literal["Lockgate"]
    scope: Scope
    log: Log
    policies: list[PolicyInForce]
    time_source: Text
    verify: Text
    says: list[Text]
    says_not: list[Text]


class State(Part):
    """What was decided last in one environment."""

    state: Text
    role: Text
    since: Time
    entry: Entry


class Added(Part):
    """What a model card said later."""

    said: Any
    added_by_entry: Entry


class Inventory(Part):
    """1. What the organisation knows of the model."""

    model: Text
    model_id: Text
    version: int
    digest: Digest
    owner: Text
    developers: list[Text] | Gap
    validator: list[Text] | Gap
    purpose: Text
    risk_tier: Text
    regimes: list[Text] | Gap
    group: Text
    optimised_for: Text
    limits: dict[str, Any] | Gap
    latency_budget_ms: float | int | Gap
    exposure: Added | Gap
    limitations: Added | Gap
    vendor: Added | Gap
    upstream: list[Text] | Gap
    downstream: Added | Gap
    retention: Added | Gap
    states: dict[str, State] | Gap


class File(Part):
    """Bytes, by their SHA-256."""

    path: Text
    role: Text
    size: int
    sha256: Digest


class ManifestFile(Part):
    """The file that names all others; its SHA-256 is the version's digest."""

    size: int
    sha256: Digest


class Inspection(Part):
    """What parsing the files found."""

    status: Text
    reasons: list[Any]
    facts: dict[str, Any] | Gap


class Artifact(Part):
    """2. Every byte the version consists of."""

    manifest: ManifestFile
    kind: Text
    files: list[File]
    inputs: list[Any] | Gap
    outputs: list[Any] | Gap
    score: Told
    inspection: Inspection
    provenance: Told


class Dataset(Part):
    """Data it was trained on."""

    id: Text
    digest: Text
    start: Text = Field(alias="from")
    to: Text
    source: Text
    version: Told
    licence: Told


class AddedOrigin(Done):
    """Where it comes from, as evidence said that came after the manifest."""

    sha256: Digest
    document: dict[str, Any] | Gap


class Origin(Part):
    """3. How it came to be."""

    said_by: Text
    run: Told
    commit: Told
    container: Told
    parameters: Told
    seed: Told
    pipeline_digest: Text
    datasets: list[Dataset] | Gap
    environment_lock: Told
    parents: Told
    added_later: list[AddedOrigin] | Gap


class Attestation(Done):
    """Evidence that came after the manifest."""

    kind: Text
    sha256: Text
    persons: list[Text] | Gap
    independent: bool | Gap
    document: dict[str, Any] | Gap


class Closure(Done):
    """How a finding was closed."""

    resolution: Text
    evidence: Told


class Finding(Done):
    """What a reviewer found wrong."""

    finding: Text
    severity: Text
    title: Text
    text: Text
    owner: Text
    due: Text
    blocks: bool | Gap
    condition_of: Text
    closed: Closure | Absent


class Validation(Part):
    """4. What was measured, reported and found."""

    metrics: dict[str, Any] | Gap
    measured_by: Text
    reports: list[Attestation]
    findings: list[Finding]


class Verdict(Part):
    """What a gate said of dark scores, frozen when it was asked."""

    request: Text
    environment: Text
    frozen_at: Time
    gate: Text
    outcome: Text
    reason: Text
    facts: dict[str, Any] | Gap


class Waiver(Part):
    """A gate that a risk officer let pass."""

    entry: Entry
    at: Time
    environment: Text
    gate: Text
    name: Text
    person: Text
    reason: Text
    until: Text
    counted_for: list[Text]


class DarkPeriod(Part):
    """From when to when it saw copies only."""

    environment: Text
    start: Time = Field(alias="from")
    began_by: Entry
    until: Time | Open
    ended_by: Entry | Absent
    then: Text
    mirrored_share: float | int | Gap
    expected: Told
    dropped: Told
    coverage: Told
    judged: list[Verdict]
    waivers: list[Waiver]


class DarkEvidence(Part):
    """5. What it showed before it might answer anybody."""

    periods: list[DarkPeriod]
    judged_otherwise: list[Verdict]
    waivers: list[Waiver]
