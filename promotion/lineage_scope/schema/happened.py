"""What happened in the place and period: all sections but the population."""

from typing import Literal

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
    Who,
)

Before = Literal["before this period"]
Number = int | Gap


class Interval(Part):
    """From when to before when; what was so before is known by the last word on it."""

    environment: Text
    model: Text
    version: Number
    since: Time | Before = Field(alias="from")
    began_by: Entry | Before
    known_by: Entry
    until: Time | Open
    ended_by: Entry | Absent


class Confirmed(Interval):
    """As an agent said."""

    digest: Text
    role: Text
    agent: Text
    agent_id: Text


class Decided(Interval):
    """As it was decided: the champion."""

    request: Text


class Unknown(Part):
    """Where nobody can say what an agent answered with."""

    agent: Text
    agent_id: Text
    environment: Text
    since: Time | Text = Field(alias="from")
    until: Time | Open
    why: Text
    entry: Entry


class Serving(Part):
    """Which version answered when."""

    said_by: Text
    confirmed: list[Confirmed]
    unknown: list[Unknown]
    decided: list[Decided]


class Asked(Done):
    """Who asked, and why."""

    reason: Text
    ticket: Text


class Signature(Part):
    """One person's signature, for exactly what was shown."""

    entry: Entry
    at: Time
    decision: Literal["approve", "reject"]
    name: Text
    person: Text
    role: Text
    meaning: Text
    comment: Text
    content_hash: Text
    method: Text


class Settled(Done):
    """How a request ended."""

    state: Text
    detail: Text


class NotSettled(Part):
    """It had not ended by the log's size."""

    state: Literal["not settled by then"]


class Promotion(Part):
    """A request with an entry in the period, all of it up to the log's size."""

    id: Text
    environment: Text
    model: Text
    version: Number
    kind: Text
    asked: Asked
    content_hash: Text
    signed: list[Signature]
    executed: list[Done]
    end: Settled | NotSettled
    entries: list[Entry]


class Refusal(Done):
    """What a rule forbade."""

    object: Text
    subject: Text
    rule: Text
    reason: Text


class Refusals(Part):
    """Those of the place, and how many more of the period name none."""

    listed: list[Refusal]
    of_no_place: int


class Waiver(Part):
    """A gate that was let pass."""

    entry: Entry
    at: Time
    environment: Text
    model: Text
    version: Number
    gate: Text
    name: Text
    person: Text
    reason: Text
    until: Text
    by_then: Literal["expired", "in force"] | Gap


class Review(Part):
    """What a second person said afterwards."""

    entry: Entry
    at: Time
    name: Text
    person: Text
    role: Text
    verdict: Text
    comment: Text


class Alone(Part):
    """What one person carried out, and its review."""

    request: Text
    entry: Entry
    skipped: list[Text] | Gap
    review_due_at: Text
    reviews: list[Review]
    review: Literal["given", "owed", "overdue"] | Gap


class Exceptions(Part):
    """What passed otherwise than by the rules."""

    waivers: list[Waiver]
    break_glass: list[Alone]


class Closing(Done):
    """How an incident ended."""

    resolution: Text


class Incident(Done):
    """Open at some time in the period."""

    incident: Text
    environment: Text
    about: Text = Field(alias="with")
    severity: Text
    title: Text
    detail: Text
    closed: Closing | Absent


class Finding(Done):
    """A reviewer's finding, recorded or closed."""

    action: Text
    model: Text
    version: Number
    finding: Text
    severity: Text
    title: Text
    owner: Text
    due: Text
    resolution: Text


class Revoked(Done):
    """Who took a role away."""


class Role(Part):
    """Held at some time in the period."""

    binding: Text
    holder: Text
    role: Text
    environment: Text
    group: Text
    since: Time | Before = Field(alias="from")
    granted_by: Who
    entry: Entry
    until: Time | Open
    revoked: Revoked | Absent


class RightsChange(Done):
    """What changed of a person, a role or a token."""

    action: Text
    subject: Text
    holder: Text
    name: Text
    role: Text
    scope: Text


class Access(Part):
    """Who held which role, and what changed."""

    roles: list[Role]
    changes: list[RightsChange]


class AgentChange(Done):
    """What became of an agent, or what it refused."""

    action: Text
    environment: Text
    name: Text
    tier: Text
    reason: Text
    detail: Text


class Change(Done):
    """One entry."""

    action: Text
    object: Text
    object_seq: int
    subject: Text
    version: Number
    environment: Text
    request: Text
    said: Text
    hash: Digest
