"""What became of the version: sections 6 to 10."""

from typing import Any, Literal

from pydantic import Field

from promotion.lineage.schema.parts import (
    Absent,
    Done,
    Entry,
    Gap,
    Open,
    Part,
    Text,
    Time,
    Told,
    Who,
)


class Signature(Part):
    """One person's signature, for exactly what was shown."""

    entry: Entry
    at: Time
    decision: Literal["approve", "reject"]
    account: Who
    name: Text
    person: Text
    role: Text
    meaning: Text
    comment: Text
    content_hash: Text
    method: Text


class Review(Part):
    """What a second person said afterwards."""

    entry: Entry
    at: Time
    account: Who
    name: Text
    person: Text
    role: Text
    verdict: Text
    comment: Text


class BreakGlass(Part):
    """What one person skipped alone."""

    skipped: list[Text] | Gap
    review_due_at: Text
    review: list[Review]


class Segregation(Part):
    """Who was involved in a request, and whether duties were kept apart."""

    involved: list[Text]
    authors: list[Text]
    signed: list[Text]
    executed_by: list[Text]
    holds: bool


class End(Part):
    """How a request ended; only its state while it has not."""

    state: Text
    at: Time | None = None
    by: Who | None = None
    detail: Text | None = None
    entry: Entry | None = None


class Request(Part):
    """One request: who, why, judged how, signed by whom."""

    id: Text
    entry: Entry
    environment: Text
    kind: Text
    at: Time
    by: Who
    reason: Text
    ticket: Text
    content: dict[str, Any] | Gap
    content_hash: Text
    gates: list[dict[str, Any]]
    evidence_is_sealed: bool | Gap
    approvals: list[Signature]
    segregation: Segregation
    break_glass: BreakGlass | Absent
    end: End
    entries: list[Entry]


class Cause(Done):
    """A request about another version that moved this one."""

    id: Text
    version: int
    environment: Text
    kind: Text
    reason: Text


class Refusal(Done):
    """An attempt that a rule forbade."""

    subject: Text
    rule: Text
    reason: Text


class Event(Done):
    """One entry about the version."""

    action: Text
    environment: Text
    request: Text
    state: Text
    said: Text
    role: Text | None = None


class Lifecycle(Part):
    """6. Every transition, with who decided it."""

    requests: list[Request]
    moved_by_others: list[Cause]
    refused: list[Refusal]
    timeline: list[Event]


class Interval(Part):
    """From when to before when an agent said that it answered with the version."""

    agent: Text
    agent_id: Text
    environment: Text
    role: Text
    generation: int | Gap
    start: Time = Field(alias="from")
    began_by: Entry
    until: Time | Open
    ended_by: Entry | Absent


class Unknown(Part):
    """A time of which nobody can say whether it did."""

    agent: Text
    agent_id: Text
    environment: Text
    start: Text = Field(alias="from")
    until: Time | Open
    why: Text
    entry: Entry


class Step(Part):
    """One step of a rollout."""

    step: Text
    at: Time
    generation: int | Gap
    detail: Text
    entry: Entry


class Rollout(Part):
    """One attempt to carry a request out."""

    rollout: Text
    request: Text
    environment: Text
    tier: Literal["live", "dark"]
    attempt: int | Gap
    steps: list[Step]


class RefusedState(Part):
    """A generation that an agent did not accept."""

    agent: Text
    environment: Text
    generation: int
    reason: Text
    detail: Text
    at: Time
    entry: Entry


class Deployed(Part):
    """7. What agents did with it."""

    said_by: Text
    serving: list[Interval]
    unknown: list[Unknown]
    rollouts: list[Rollout]
    refused_states: list[RefusedState]


class Closed(Done):
    """How an incident ended."""

    resolution: Text


class Incident(Done):
    """Something that went wrong."""

    incident: Text
    environment: Text
    concerns: Text = Field(alias="with")
    severity: Text
    title: Text
    detail: Text
    closed: Closed | Absent


class StepBack(Done):
    """A rollback, of whatever kind."""

    environment: Text
    way: Literal["automatic", "manual", "local", "local, ended"]
    direction: Text
    said: Text
    agent: Text | None = None
    person_on_the_host: Text | None = None
    began_at: Text | None = None
    ended_at: Text | None = None


class Reviewed(Review):
    """A review, and of which request."""

    request: Text


class LiveReview(Done):
    """What a reviewer said of the version while it answered."""

    environment: Text
    name: Text
    person: Text
    outcome: Text
    comment: Text
    trigger: Text
    next_by: Text


class Aftermath(Part):
    """8. Incidents, rollbacks and reviews."""

    incidents: list[Incident]
    rollbacks: list[StepBack]
    reviews: list[Reviewed]
    live_reviews: list[LiveReview]
    drift: Told
    next_review: Told


class Role(Part):
    """A role that reached the version."""

    binding: Text
    holder: Text
    role: Text
    environment: Text
    group: Text
    start: Time = Field(alias="from")
    granted_by: Who
    entry: Entry
    until: Time | Open
    revoked: Done | Absent


class Token(Done):
    """What became of a token that acted on it."""

    token: Text
    action: Text
    name: Text
    scope: Text
    owner: Text
    expires_at: Text


class Overlap(Part):
    """One person with several duties in one request."""

    person: Text
    duties: list[Text]
    is_breach: bool


class Duties(Part):
    """Who did what about one request."""

    request: Text
    requesters: list[Text]
    authors: list[Text]
    approvers: list[Text]
    waivers: list[Text]
    executed_by: list[Text]
    overlaps: list[Overlap]
    kept_apart: bool
    entries: list[Entry]


class Access(Part):
    """9. Who could do what, and whether duties were kept apart."""

    roles: list[Role]
    tokens: list[Token]
    duties: list[Duties]
    log_reads: Told


class Because(Done):
    """The request that retired it."""

    kind: Text
    reason: Text


class Leaving(Part):
    """Until when an agent answered with it."""

    agent: Text
    answered_until: Time | Open
    entry: Entry | Absent
    files_removed: Told


class Retired(Done):
    """How it left an environment."""

    said: Text
    request: Text
    because: Because | Absent
    signed_by: list[Text]
    replaced_by_version: int | Absent
    last_scoring: Text
    agents: list[Leaving]
    held_for_rollback: Text
    archive: Text
    retained_until: Told


class Retirement(Part):
    """10. Whether and how it left an environment."""

    environment: Text
    state: Text
    retired: Retired | Absent
