"""Who did what, when, in words: the audit log read as a column, newest first."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from governance.audit.actions import Action
from governance.audit.models import Entry

LIMIT = 200
"""Entries one column shows; the audit page has all."""

WORDS: Mapping[str, tuple[str, str]] = {
    Action.SYSTEM_STARTED: ("started the system", "done"),
    Action.LOG_HISTORY_ADOPTED: ("let the log go on after it went back", "failed"),
    Action.ERASURE_REQUESTED: ("asked that a payload is erased", "open"),
    Action.ERASURE_DECLINED: ("declined to erase a payload", "rejected"),
    Action.PAYLOAD_ERASED: ("erased the payload of an entry", "retired"),
    Action.ACCESS_LOG_SEALED: ("sealed the access log", "done"),
    Action.PERSON_ADDED: ("added a person", "done"),
    Action.PERSON_CHANGED: ("changed a person", "done"),
    Action.PERSON_DISABLED: ("disabled a person", "retired"),
    Action.ROLE_GRANTED: ("granted a role", "done"),
    Action.ROLE_REVOKED: ("revoked a role", "retired"),
    Action.TOKEN_ISSUED: ("issued a token", "done"),
    Action.TOKEN_REVOKED: ("revoked a token", "retired"),
    Action.ENVIRONMENT_DEFINED: ("defined the environment", "done"),
    Action.TARGET_DEFINED: ("defined a target", "done"),
    Action.PLACEMENT_CHANGED: ("placed the model on agents", "done"),
    Action.POLICY_REQUESTED: ("asked for the next policy", "open"),
    Action.POLICY_APPROVED: ("approved the next policy", "approved"),
    Action.POLICY_REJECTED: ("rejected the next policy", "rejected"),
    Action.POLICY_REQUEST_COMMENTED: ("commented", "comment"),
    Action.POLICY_REQUEST_SETTLED: ("settled the request for a policy", "done"),
    Action.POLICY_PUBLISHED: ("published a policy", "done"),
    Action.JOIN_TOKEN_ISSUED: ("issued a join token", "done"),
    Action.MODEL_REGISTERED: ("registered the model", "trained"),
    Action.VERSION_REGISTERED: ("registered the version", "trained"),
    Action.WAIVER_GIVEN: ("waived a gate", "waiting"),
    Action.VERSION_ATTESTED: ("attested the version", "done"),
    Action.VERSION_INSPECTED: ("inspected the version's files", "done"),
    Action.VERSION_REVIEWED: ("reviewed what answers", "approved"),
    Action.FINDING_RECORDED: ("recorded a finding", "waiting"),
    Action.FINDING_CLOSED: ("closed a finding", "done"),
    Action.REQUEST_OPENED: ("asked for it", "open"),
    Action.REQUEST_COMMENTED: ("commented", "comment"),
    Action.REQUEST_APPROVED: ("approved", "approved"),
    Action.REQUEST_REJECTED: ("rejected", "rejected"),
    Action.REQUEST_WITHDRAWN: ("withdrew the request", "withdrawn"),
    Action.REQUEST_VOIDED: ("voided the request", "voided"),
    Action.REQUEST_EXPIRED: ("let the request expire", "expired"),
    Action.REQUEST_STARTED: ("began to carry it out", "executing"),
    Action.REQUEST_EXECUTED: ("carried out the request", "done"),
    Action.REQUEST_FAILED: ("gave the request up", "failed"),
    Action.REQUEST_REVIEWED: ("reviewed the broken glass", "approved"),
    Action.REQUEST_SUPERSEDED: ("superseded the request", "superseded"),
    Action.INCIDENT_OPENED: ("opened an incident", "failed"),
    Action.INCIDENT_CLOSED: ("closed an incident", "done"),
    Action.DEPLOYMENT_OPENED: ("opened the deployment", "trained"),
    Action.DEPLOYMENT_DARKENED: ("decided: dark", "dark"),
    Action.DEPLOYMENT_ADMITTED: ("decided: answers some callers", "candidate"),
    Action.DEPLOYMENT_RECALLED: ("decided: back where it was", "waiting"),
    Action.DEPLOYMENT_PROMOTED: ("decided: answers callers", "champion"),
    Action.DEPLOYMENT_BAKED: ("decided: stepped back, stays loaded", "bake"),
    Action.DEPLOYMENT_RESTORED: ("decided: restored, answers callers again", "champion"),
    Action.DEPLOYMENT_NAMED_SPARE: ("decided: answers when the champion fails", "spare"),
    Action.DEPLOYMENT_DROPPED_SPARE: ("decided: no longer spare, retired", "retired"),
    Action.DEPLOYMENT_RETIRED: ("decided: retired", "retired"),
    Action.DEPLOYMENT_DISMISSED: ("decided: stays retired", "retired"),
    Action.DEPLOYMENT_RELEASED: ("released the retired files", "retired"),
    Action.ROLLOUT_STARTED: ("started the rollout", "executing"),
    Action.ROLLOUT_ADVANCED: ("advanced the rollout", "executing"),
    Action.ROLLOUT_FINISHED: ("finished the rollout", "done"),
    Action.ROLLOUT_PAUSED: ("paused the rollout", "waiting"),
    Action.ROLLOUT_RESUMED: ("let the rollout go on", "executing"),
    Action.ROLLOUT_HALTED: ("halted the rollout", "waiting"),
    Action.ROLLOUT_ABORTED: ("aborted the rollout", "failed"),
    Action.ROLLOUT_FAILED: ("ended the rollout", "failed"),
    Action.STATE_PUBLISHED: ("published a desired state", "done"),
    Action.AGENT_ENROLLED: ("enrolled", "done"),
    Action.AGENT_LEFT: ("left", "retired"),
    Action.AGENT_CORDONED: ("cordoned the agent", "waiting"),
    Action.AGENT_UNCORDONED: ("uncordoned the agent", "done"),
    Action.AGENT_EVICTED: ("evicted the agent", "failed"),
    Action.AGENT_DECOMMISSIONED: ("decommissioned the agent", "retired"),
    Action.AGENT_CLONED: ("reports as two processes under one name", "failed"),
    Action.AGENT_CHANGED_SERVING: ("changed what it serves", "done"),
    Action.AGENT_ROLLED_BACK: ("broke the glass: was rolled back on its host", "failed"),
    Action.AGENT_RESUMED: ("follows what is decided again", "done"),
    Action.AGENT_REFUSED_STATE: ("refused a desired state", "failed"),
    Action.ATTEMPT_REFUSED: ("tried, and was refused", "refused"),
}
ASKED: Mapping[str, str] = {
    "deploy_dark": "asked that it goes dark",
    "promote": "asked for its promotion",
    "retire": "asked for its retirement",
    "rollback": "rolled back to it",
    "stop": "stopped it",
    "break_glass": "broke the glass: promoted it alone",
}
"""What was asked for, by the kind of request."""
SPOKEN = ("reason", "comment", "resolution")
"""Parts of a payload that people wrote: shown as they are."""
NOTED = ("detail", "why", "title")
"""Parts of a payload that say what it is about, or in which the system says why."""


@dataclass(frozen=True, slots=True)
class Event:
    """One entry, as a person reads it."""

    seq: int
    at: datetime
    action: str
    words: str
    shape: str
    actor: str
    actor_kind: str
    subject: str
    model: str
    version: int | None
    environment: str
    request: UUID | None
    said: str
    note: str
    facts: Mapping[str, object]
    erased: bool
    hash: str

    @property
    def payload(self) -> str:
        """The facts for reading, one a line."""
        return json.dumps(self.facts, indent=2, ensure_ascii=False, sort_keys=True)


def of_request(pk: UUID) -> list[Event]:
    """Everything that happened to one request, refused attempts too."""
    return read(Entry.objects.filter(Q(request=pk) | Q(subject=f"request:{pk}")))


def of_policy_request(
    pk: UUID, *, signatures: Iterable[UUID], comments: Iterable[UUID]
) -> list[Event]:
    """Everything that happened to one policy request, refused attempts too."""
    about = {f"policy_request:{pk}"}
    about |= {f"policy_approval:{one}" for one in signatures}
    about |= {f"comment:{one}" for one in comments}
    return read(Entry.objects.filter(subject__in=about))


def of_version(*, model: str, number: int, pk: UUID, places: Iterable[str]) -> list[Event]:
    """Everything that happened to one version, in these environments and in none."""
    about = Q(model=model, model_version=number) | Q(subject=f"version:{pk}")
    here = Q(environment=None) | Q(environment__in=list(places))
    return read(Entry.objects.filter(about, here))


def read(entries: QuerySet[Entry], *, limit: int = LIMIT) -> list[Event]:
    """Put entries into words, newest first. One query."""
    return in_words(entries.select_related("payload").order_by("-seq")[:limit])


def in_words(entries: Iterable[Entry]) -> list[Event]:
    """Put entries into words, in the order they come; their payloads are loaded."""
    return [_event(entry) for entry in entries]


def _event(entry: Entry) -> Event:
    words, shape = WORDS.get(entry.action, (entry.action, "done"))
    body = _body(entry)
    return Event(
        seq=entry.seq,
        at=entry.at,
        action=entry.action,
        words=_words(entry.action, words, body),
        shape=shape,
        actor=str(body.get("actor") or f"{entry.actor_kind} {entry.actor_id}"),
        actor_kind=entry.actor_kind,
        subject=entry.subject,
        model=entry.model or "",
        version=entry.model_version,
        environment=entry.environment or "",
        request=entry.request,
        said=_first(body, SPOKEN),
        note=_first(body, NOTED),
        facts={key: value for key, value in body.items() if key != "actor"},
        erased=not body,
        hash=entry.hash,
    )


def _words(action: str, words: str, body: Mapping[str, object]) -> str:
    if action == Action.REQUEST_OPENED:
        return ASKED.get(str(body.get("kind")), words)
    if action == Action.ROLLOUT_ADVANCED and body.get("step"):
        number = f" {body['stage']}" if body["step"] == "stage" else ""
        return f"{words} to {body['step']}{number}"
    return words


def _first(body: Mapping[str, object], keys: Iterable[str]) -> str:
    return next((str(body[key]) for key in keys if body.get(key)), "")


def _body(entry: Entry) -> Mapping[str, object]:
    """The entry's payload, or nothing once it is erased."""
    payload = getattr(entry, "payload", None)
    if payload is None or payload.body is None:
        return {}
    body = json.loads(payload.body)
    return body if isinstance(body, dict) else {}
