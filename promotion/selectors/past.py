"""What was decided and confirmed in an environment at some moment, from the log alone.

The number of queries does not depend on how long the log is: of each thing and action
only the last entry up to the moment is read, and then what is known of the requests by
which it was so decided.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from governance.access import Reach
from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.errors import Invalid, NotFound
from governance.models import Environment
from promotion.placement import Placement
from promotion.replay import UNKNOWN, Agent, Approval, Deployment, Event, Past, Request, replay
from registry.models import RegisteredModel

SLOTS = ("champion", "candidate", "bake", "spare")
_FOLLOWED = ("deployment.", "agent.", "target.", "placement.", "state.published")


@dataclass(frozen=True, slots=True)
class Voice:
    """What one agent had said last of one model."""

    agent: Agent
    digest: str
    version: int | None
    role: str
    agrees: bool


@dataclass(frozen=True, slots=True)
class ModelThen:
    """One model: which versions were decided for what, and which answered."""

    model: str
    slots: dict[str, Deployment]
    darks: list[Deployment]
    unknown: list[Deployment]
    """Whose entry was erased: nobody can tell any more what was decided."""
    voices: list[Voice]

    @property
    def champion(self) -> Deployment | None:
        return self.slots.get("champion")

    @property
    def others(self) -> list[Deployment]:
        return [row for slot, row in self.slots.items() if slot != "champion"]

    @property
    def confirmed(self) -> list[Voice]:
        """Agents that count and answered with the decided champion."""
        return [voice for voice in self.voices if voice.agrees and not voice.agent.cordoned]


@dataclass(frozen=True, slots=True)
class Line:
    """One decision about a model, who made it, and the agents that speak of it."""

    model: ModelThen
    row: Deployment | None
    request: Request | None
    voices: list[Voice]
    first: bool
    span: int

    @property
    def is_champion(self) -> bool:
        return self.row is not None and self.row is self.model.champion

    @property
    def words(self) -> str:
        """What was decided, in a word."""
        return (self.row.role or self.row.state) if self.row else ""

    @property
    def shape(self) -> str:
        return self.words if self.words in {*SLOTS, "dark"} else UNKNOWN

    @property
    def signatures(self) -> list[Approval]:
        given = self.request.approvals.values() if self.request else ()
        return sorted(given, key=lambda one: one.entry)


@dataclass(frozen=True, slots=True)
class AsOf:
    """An environment at a moment. A function of the question and ``entries``."""

    environment: str
    at: datetime
    entries: int
    head: str
    past: Past
    models: list[ModelThen]
    agents: list[Agent]
    requests: dict[str, Request]

    def asked_of(self, model: str) -> list[Agent]:
        """The live agents that counted for a model: those it was placed on."""
        labels = [row.labels for row in self.past.placements.values() if row.model == model]
        rule = Placement(labels[0] if labels else {})
        counted = [one for one in self.agents if one.tier == "live" and not one.cordoned]
        return [one for one in counted if rule.covers(one.labels)]

    @property
    def title(self) -> str:
        """The answer, in a sentence."""
        champions = [model for model in self.models if model.champion]
        confirmed = sum(bool(model.confirmed) for model in champions)
        when = f"{self.environment} on {self.at:%Y-%m-%d} at {self.at:%H:%M:%S} UTC"
        if not champions:
            return f"{when}: no model answered callers"
        noun = "champion" if len(champions) == 1 else "champions"
        return f"{when}: {len(champions)} {noun} decided, {confirmed} confirmed by an agent"

    @property
    def lines(self) -> list[Line]:
        """Each decision of each model; what contradicts them stands at the first."""
        return [line for model in self.models for line in _lines(model, self.requests)]


def as_of(environment: Environment, *, at: datetime, seen: Reach) -> AsOf:
    """Read an environment as it was at ``at``, which is not after now, and what of it is seen.

    Raises:
        Invalid: ``before_the_log``.
        NotFound: ``unknown_environment_then``, it was defined later.
    """
    last = _last_entry(at)
    _refuse_if_undefined(environment, last)
    told = Entry.objects.filter(environment=environment.slug, seq__lte=last.seq)
    past = replay(_events(_last_words(told)))
    _leave_out(past, seen, environment)
    running = [row for row in past.deployments.values() if row.runs()]
    asked = {row.request for row in running if row.request}
    about = Entry.objects.filter(request__in=asked, seq__lte=last.seq)
    decided = replay(_events(about.filter(action__startswith="request.")))
    past.erased = sorted({*past.erased, *decided.erased})
    agents = sorted((a for a in past.agents.values() if a.present), key=lambda a: (a.tier, a.name))
    return AsOf(
        environment=environment.slug,
        at=at,
        entries=last.seq,
        head=last.hash,
        past=past,
        models=_models(running, past=past, agents=agents),
        agents=agents,
        requests=decided.requests,
    )


def events_of(entries: QuerySet[Entry]) -> list[Event]:
    """Read entries with their payloads as replay wants them, in order. One query."""
    return _events(entries.order_by("seq"))


def _leave_out(past: Past, seen: Reach, environment: Environment) -> None:
    """Take out the models that are not seen here now. A log that says more is for auditors."""
    models = RegisteredModel.objects.values_list("name", "group")
    hidden = {
        name for name, group in models if not seen.covers(environment=environment.pk, group=group)
    }
    past.deployments = {k: row for k, row in past.deployments.items() if row.model not in hidden}
    for agent in past.agents.values():
        if agent.answers is not None:
            agent.answers = tuple(one for one in agent.answers if one.model not in hidden)


def _last_entry(at: datetime) -> Entry:
    """Return the entry the log ended with at a moment: its times never go backwards."""
    last = Entry.objects.filter(at__lte=at).order_by("-at", "-seq").first()
    if last is not None:
        return last
    first = Entry.objects.order_by("seq").first()
    begins = f"{first.at:%Y-%m-%dT%H:%M:%SZ}" if first else "with the first change"
    message = f"The log does not reach back that far: it begins {begins}."
    raise Invalid(message, code="before_the_log", at="is before the log begins")


def _refuse_if_undefined(environment: Environment, last: Entry) -> None:
    first = Entry.objects.filter(environment=environment.slug).order_by("seq").first()
    if first is None or first.seq > last.seq:
        since = f"{first.at:%Y-%m-%dT%H:%M:%SZ}" if first else "later"
        message = f"There was no environment {environment.slug} then: it was defined {since}."
        raise NotFound(message, code="unknown_environment_then")


def _last_words(entries: QuerySet[Entry]) -> QuerySet[Entry]:
    """Of each subject and action, the last entry."""
    actions = [a for a in Action if a.value.startswith(_FOLLOWED)]
    return (
        entries.filter(action__in=actions)
        .order_by("subject", "action", "-seq")
        .distinct("subject", "action")
    )


def _events(entries: QuerySet[Entry]) -> list[Event]:
    rows = entries.values(
        "seq", "at", "action", "subject", "model", "model_version", "environment", "request",
        "actor_kind", "actor_id", "payload__body",
    )  # fmt: skip
    return sorted((_event(row) for row in rows), key=lambda event: event.seq)


def _event(row: Mapping[str, Any]) -> Event:
    body = row["payload__body"]
    details = json.loads(body) if body is not None else None
    actor = details.get("actor") if details else None
    return Event(
        seq=row["seq"],
        at=row["at"],
        action=row["action"],
        subject=row["subject"],
        model=row["model"],
        version=row["model_version"],
        environment=row["environment"],
        request=str(row["request"]) if row["request"] else None,
        actor=str(actor) if actor else f"{row['actor_kind']} {row['actor_id']}",
        details=details,
    )


def _lines(model: ModelThen, requests: dict[str, Request]) -> list[Line]:
    decided = [*model.slots.values(), *model.darks, *model.unknown]
    rows: list[Deployment | None] = [*decided] if decided else [None]
    spoken = {row.digest for row in decided}
    return [
        Line(
            model=model,
            row=row,
            request=requests.get((row.request if row else None) or ""),
            voices=[
                voice
                for voice in model.voices
                if (row and voice.digest == row.digest)
                or (number == 0 and voice.digest not in spoken)
            ],
            first=number == 0,
            span=len(rows),
        )
        for number, row in enumerate(rows)
    ]


def _models(running: Iterable[Deployment], *, past: Past, agents: list[Agent]) -> list[ModelThen]:
    numbers = {row.digest: row.version for row in past.deployments.values()}
    found: dict[str, ModelThen] = {}
    for row in sorted(running, key=lambda row: (row.model, -row.version)):
        model = found.setdefault(row.model, ModelThen(row.model, {}, [], [], []))
        if row.state == "dark":
            model.darks.append(row)
        elif row.state == UNKNOWN or row.role not in SLOTS:
            model.unknown.append(row)
        else:
            model.slots[row.role] = row
    for agent in agents:
        for answer in agent.answers or ():
            model = found.setdefault(answer.model, ModelThen(answer.model, {}, [], [], []))
            champion = model.champion
            model.voices.append(
                Voice(
                    agent=agent,
                    digest=answer.digest,
                    version=numbers.get(answer.digest),
                    role=answer.role,
                    agrees=bool(
                        champion and champion.digest == answer.digest and answer.role == "champion"
                    ),
                )
            )
    return [found[name] for name in sorted(found)]
