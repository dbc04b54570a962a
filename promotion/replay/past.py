"""What was so once the given entries had been written, and not one more.

Of each subject and action only the last entry counts, so a reader may leave out the
others: the whole log and its last words give the same picture.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from promotion.replay.log import UNKNOWN, Event

REFUSED = "attempt.refused"
"""What was tried and refused changed nothing."""
GONE = frozenset({"agent.left", "agent.decommissioned"})
"""What agents are not part of the fleet after."""
BACK = frozenset({"agent.enrolled"})


@dataclass(slots=True)
class Deployment:
    """One version in one environment, as it was decided."""

    id: str
    environment: str
    model: str
    version: int
    state: str = UNKNOWN
    role: str = UNKNOWN
    hold: str = UNKNOWN
    digest: str = UNKNOWN
    since: datetime | None = None
    entry: int = 0
    request: str | None = None
    why: str = ""

    def runs(self) -> bool:
        """Tell whether agents should hold it, or nobody can tell any more."""
        return self.state in {"dark", "production", UNKNOWN}


@dataclass(slots=True)
class Approval:
    """One signature, for or against."""

    name: str
    person: str
    role: str
    meaning: str
    comment: str
    decision: str
    content_hash: str
    at: datetime
    entry: int

    @property
    def shape(self) -> str:
        return "approved" if self.decision == "approve" else "rejected"


@dataclass(slots=True)
class Request:
    """Who asked for what and why, and who signed it."""

    id: str
    kind: str = UNKNOWN
    state: str = UNKNOWN
    content_hash: str = UNKNOWN
    by: str = UNKNOWN
    reason: str = UNKNOWN
    ticket: str = ""
    opened_at: datetime | None = None
    entry: int = 0
    approvals: dict[str, Approval] = field(default_factory=dict)


@dataclass(slots=True)
class Rollout:
    """How far the carrying out of a request had come."""

    id: str
    step: str = UNKNOWN
    generation: int | None = None
    attempt: int | None = None
    request: str | None = None


@dataclass(slots=True)
class Target:
    """What a tier had been told last."""

    id: str
    environment: str
    tier: str = UNKNOWN
    generation: int | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One version that an agent said it answers callers with."""

    model: str
    digest: str
    role: str


@dataclass(slots=True)
class Agent:
    """What an agent had said last. The log does not tell who was silent."""

    id: str
    environment: str
    name: str = UNKNOWN
    tier: str = UNKNOWN
    present: bool = True
    cordoned: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    answers: tuple[Answer, ...] | None = ()
    """None once what it said was erased."""
    generation: int | None = None
    since: datetime | None = None


@dataclass(slots=True)
class Placement:
    """The labels an agent had to have to take a model."""

    id: str
    environment: str
    model: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Past:
    """Everything that entries tell, by the id of what they are about."""

    deployments: dict[str, Deployment] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    rollouts: dict[str, Rollout] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    placements: dict[str, Placement] = field(default_factory=dict)
    erased: list[int] = field(default_factory=list)
    """Entries whose payload is gone."""


def replay(events: Iterable[Event]) -> Past:
    """Read entries in the order of their numbers."""
    past = Past()
    for event in events:
        read = _READERS.get(event.kind)
        if read is None or event.action == REFUSED:
            continue
        if event.is_erased():
            past.erased.append(event.seq)
        read(past, event)
    return past


def _deployment(past: Past, event: Event) -> None:
    found = past.deployments.setdefault(
        event.key,
        Deployment(event.key, event.environment or "", event.model or "", event.version or 0),
    )
    found.state, found.role, found.hold = (
        event.text("state"),
        event.text("role"),
        event.text("hold"),
    )
    if not event.is_erased():
        found.digest = event.text("digest")
    found.since, found.entry, found.request = event.at, event.seq, event.request
    found.why = "" if event.text("why") == UNKNOWN else event.text("why")


def _request(past: Past, event: Event) -> None:
    found = past.requests.setdefault(event.key, Request(event.key))
    found.state = event.text("state")
    if event.action == "request.opened":
        found.opened_at, found.entry, found.by = event.at, event.seq, event.actor
        found.reason = event.text("reason")
        found.ticket = "" if event.text("ticket") == UNKNOWN else event.text("ticket")
    if not event.is_erased():
        found.kind, found.content_hash = event.text("kind"), event.text("content_hash")


def _approval(past: Past, event: Event) -> None:
    request = past.requests.setdefault(event.request or "", Request(event.request or ""))
    request.approvals[event.key] = Approval(
        name=event.text("name"),
        person=event.text("person"),
        role=event.text("role"),
        meaning=event.text("meaning"),
        comment=event.text("comment"),
        decision="reject" if event.action == "request.rejected" else "approve",
        content_hash=event.text("content_hash"),
        at=event.at,
        entry=event.seq,
    )


def _rollout(past: Past, event: Event) -> None:
    past.rollouts[event.key] = Rollout(
        id=event.key,
        step=event.text("step"),
        generation=event.number("generation"),
        attempt=event.number("attempt"),
        request=event.request,
    )


def _target(past: Past, event: Event) -> None:
    found = past.targets.setdefault(event.key, Target(event.key, event.environment or ""))
    found.generation = event.number("generation")
    if not event.is_erased():
        found.tier = event.text("tier")
    if event.action == "state.published":
        found.sha256 = event.text("sha256")


def _agent(past: Past, event: Event) -> None:
    found = past.agents.setdefault(event.key, Agent(event.key, event.environment or ""))
    if not event.is_erased():
        found.name, found.tier = event.text("name"), event.text("tier")
    if event.action in GONE:
        found.present, found.answers, found.since = False, (), event.at
    elif event.action in BACK:
        found.present, found.labels = True, _labels(event)
    elif event.action == "agent.evicted":
        found.cordoned, found.answers, found.since = True, (), event.at
    elif event.action in {"agent.cordoned", "agent.uncordoned"}:
        found.cordoned = event.action == "agent.cordoned"
    elif event.action == "agent.changed_serving":
        found.answers, found.since = _answers(event), event.at
        found.generation = event.number("generation")


def _placement(past: Past, event: Event) -> None:
    past.placements[event.key] = Placement(
        event.key, event.environment or "", event.model or "", _labels(event)
    )


def _labels(event: Event) -> dict[str, str]:
    told = (event.details or {}).get("labels")
    return {str(k): str(v) for k, v in told.items()} if isinstance(told, Mapping) else {}


def _answers(event: Event) -> tuple[Answer, ...] | None:
    listed = (event.details or {}).get("after")
    if not isinstance(listed, list):
        return None
    return tuple(
        Answer(str(item.get("model")), str(item.get("digest")), str(item.get("role")))
        for item in listed
        if isinstance(item, Mapping)
    )


_READERS: Mapping[str, Callable[[Past, Event], None]] = {
    "deployment": _deployment,
    "request": _request,
    "approval": _approval,
    "rollout": _rollout,
    "target": _target,
    "agent": _agent,
    "placement": _placement,
}
