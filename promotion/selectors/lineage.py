"""Reads what a lineage report is made from, in a constant number of queries.

The size of the log is settled first, and of the log only what is not younger is read:
entries commit in the order of their numbers, so this is the log as it was at that size.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from django.db.models import Q, QuerySet

from governance.audit import chain
from governance.audit.actions import Action
from governance.audit.models import Entry, Head, Payload
from governance.errors import Invalid, NotFound
from promotion.lineage.rights import ROLES, TOKENS
from promotion.lineage.serving import GONE
from promotion.lineage.sources import Asked, Attested, Card, File, Json, Record, Sources, exact
from promotion.models import Agent, AgentReport, DarkTally, Request, RolloutStep
from registry.models import Attestation, ModelVersion, RegisteredModel

INCIDENTS = frozenset({Action.INCIDENT_OPENED, Action.INCIDENT_CLOSED})
ON_HOSTS = frozenset({Action.AGENT_ROLLED_BACK, Action.AGENT_RESUMED})
EPOCH = datetime.fromtimestamp(0, UTC)
OF_PLACES = frozenset({Action.POLICY_PUBLISHED, Action.TARGET_DEFINED, *INCIDENTS})


def find(model: str, version: int) -> ModelVersion:
    """Read a version with its model, files and inspection.

    Raises:
        NotFound: ``unknown_model`` or ``unknown_version``.
    """
    rows = ModelVersion.objects.select_related("model", "inspection", "manifest_blob")
    found = rows.prefetch_related("files__blob").filter(model__name=model, number=version).first()
    if found is not None:
        return found
    known = RegisteredModel.objects.filter(name=model).exists()
    message = f"There is no version {version} of {model!r}."
    raise NotFound(message, code="unknown_version" if known else "unknown_model")


def size_at(at: datetime) -> int:
    """Return how many entries the log had at a moment: its times never go backwards."""
    last = Entry.objects.filter(at__lte=at).order_by("-at", "-seq").values_list("seq", flat=True)
    return last.first() or 0


def sources(version: ModelVersion, *, size: int | None = None) -> Sources:
    """Read the log and the sealed rows about one version.

    Args:
        size: how many entries of the log; None for all there are.

    Raises:
        Invalid: ``unknown_size``, the log has fewer entries.
        NotFound: ``unknown_version_then``, it was registered later.
    """
    end = end_of(size)
    log = Entry.objects.filter(seq__lte=end.seq).order_by("seq")
    chain_ = _leaves(log.filter(object=f"model:{version.model.name}"))
    requests = {
        str(row.pk): Asked(str(row.pk), tuple(row.persons), exact(row.evidence))
        for row in Request.objects.filter(deployment__version=version)
    }
    concerning = [record for record in chain_ if _concerns(record, version, requests)]
    since = next((r.seq for r in concerning if r.version == version.number), None)
    if since is None:
        message = f"Version {version.number} of {version.model.name!r} was not registered by then."
        raise NotFound(message, code="unknown_version_then", size=end.seq)
    others = {record.request for record in concerning if record.request} - requests.keys()
    around = [record for record in chain_ if _is_beside(record, others)]
    known = _with_payloads([*concerning, *around])
    own = tuple(known.pop(record.seq) for record in concerning)
    environments = {record.environment for record in own if record.environment}
    acting = {record.actor_id for record in own if record.actor_kind == "service"}
    return Sources(
        card=_card(version, own),
        size=end.seq,
        head=end.hash,
        as_of=written(end.at),
        chain=chain_,
        own=own,
        beside=tuple(known.values()),
        places=records(log.filter(action__in=OF_PLACES, environment__in=environments, model=None)),
        agents=records(_of_agents(log.filter(seq__gte=since), version, environments)),
        rights=records(_of_rights(log, acting)),
        requests=requests,
        attested={
            str(row.pk): Attested(str(row.pk), row.kind, row.blob_id, exact(row.document))
            for row in Attestation.objects.filter(version=version)
        },
    )


def tombstones(erased: Collection[int]) -> list[int]:
    """Return the entries that say of others that their payloads were erased."""
    subjects = [f"entry:{seq}" for seq in erased]
    found = Entry.objects.filter(subject__in=subjects, action=Action.PAYLOAD_ERASED)
    return list(found.values_list("seq", flat=True)) if subjects else []


def agree(version: ModelVersion, found: Sources, states: Json) -> bool | None:
    """Tell whether the tables say what follows from the entries. None: they are of later."""
    head = Head.objects.first()
    if head is None or head.seq != found.size:
        return None
    tables = {
        row.environment.slug: (row.state, row.role or "none")
        for row in version.deployments.select_related("environment")
    }
    return tables == {
        place: (said["state"], said["role"])
        for place, said in states.items()
        if isinstance(said, dict)
    }


def observed(version: ModelVersion) -> Json:
    """Read what agents and dark scores say now. No part of what the log proves."""
    digest = version.digest
    reports = AgentReport.objects.filter(agent__left_at=None).select_related(
        "agent__target__environment"
    )
    steps = RolloutStep.objects.filter(rollout__request__deployment__version=version)
    tallies = DarkTally.objects.filter(version=version).select_related("environment", "champion")
    return {
        "agents": [
            _holding(row, item)
            for row in reports.order_by("agent__name", "pk")
            for item in row.versions
            if item.get("digest") == digest
        ],
        "steps": [_step(row) for row in steps.select_related("agent").order_by("pk")],
        "dark": [_tally(row) for row in tallies.order_by("environment__slug", "champion__number")],
    }


def written(at: datetime) -> str:
    """Write a time as the log's entries do."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def end_of(size: int | None) -> Entry | Head:
    """Return the last entry of the log as it was at a size, or the head of it as it is."""
    head = Head.objects.first() or Head(seq=0, hash=chain.GENESIS, at=EPOCH)
    if size is None or size == head.seq:
        return head
    found = Entry.objects.filter(pk=size).first() if 0 < size < head.seq else None
    if found is None:
        message = f"The log has {head.seq} entries."
        raise Invalid(message, code="unknown_size", size=f"must be 1 to {head.seq}")
    return found


def _concerns(record: Record, version: ModelVersion, requests: Collection[str]) -> bool:
    kind, _, key = record.subject.partition(":")
    return (
        record.version == version.number
        or (kind == "request" and key in requests)
        or record.subject in {f"model:{version.model_id}", f"version:{version.pk}"}
    )


def _is_beside(record: Record, others: Collection[str]) -> bool:
    """Tell whether an entry of the model's chain concerns a version it is not about."""
    is_cause = record.action == Action.REQUEST_OPENED and record.request in others
    return is_cause or record.action in INCIDENTS | ON_HOSTS


def _of_agents(
    log: QuerySet[Entry], version: ModelVersion, environments: Iterable[str]
) -> QuerySet[Entry]:
    """By the chains of the environments' agents: all they ever said lies there, and no more.

    ``log`` begins with the version: nobody answered with it before.
    """
    agents = Agent.objects.filter(target__environment__slug__in=environments)
    chains = [f"agent:{pk}" for pk in agents.values_list("pk", flat=True)]
    served = Q(action=Action.AGENT_CHANGED_SERVING) & (
        Q(payload__body=None) | Q(payload__body__contains=version.digest)
    )
    others = Q(action__in=[*GONE, Action.AGENT_REFUSED_STATE])
    return log.filter(served | others, object__in=chains)


def _of_rights(log: QuerySet[Entry], acting: Collection[str]) -> QuerySet[Entry]:
    """Roles of everybody, and what became of the tokens that did something here."""
    tokens = [f"principal:{pk}" for pk in acting]
    return log.filter(Q(action__in=ROLES) | Q(action__in=TOKENS, object__in=tokens))


def _with_payloads(records: Iterable[Record]) -> dict[int, Record]:
    """Read the payloads of entries. One query."""
    wanted = {record.seq: record for record in records}
    rows = Payload.objects.filter(pk__in=wanted).values_list("pk", "salt", "body")
    beside = {seq: (None if salt is None else bytes(salt), body) for seq, salt, body in rows}
    return {seq: record.beside(*beside.get(seq, (None, None))) for seq, record in wanted.items()}


def records(entries: QuerySet[Entry]) -> tuple[Record, ...]:
    rows = entries.values_list("leaf", "hash", "payload__salt", "payload__body")
    return tuple(
        Record.read(
            leaf=leaf, digest=hash_, salt=None if salt is None else bytes(salt), payload=payload
        )
        for leaf, hash_, salt, payload in rows
    )


def _leaves(entries: QuerySet[Entry]) -> tuple[Record, ...]:
    return tuple(
        Record.read(leaf=leaf, digest=hash_, salt=None, payload=None)
        for leaf, hash_ in entries.values_list("leaf", "hash")
    )


def _card(version: ModelVersion, own: Iterable[Record]) -> Card:
    model, inspection = version.model, getattr(version, "inspection", None)
    if not any(record.action == Action.VERSION_INSPECTED for record in own):
        inspection = None  # Not by then.
    return Card(
        model=model.name,
        model_id=str(model.pk),
        version=version.number,
        version_id=str(version.pk),
        digest=version.digest,
        manifest=exact(version.manifest),
        manifest_size=version.manifest_blob.size,
        files=tuple(
            File(file.path, file.role, file.blob.size, file.blob_id) for file in version.files.all()
        ),
        owner=model.owner,
        purpose=model.purpose,
        risk_tier=model.risk_tier,
        regimes=tuple(map(str, model.regimes)),
        group=model.group,
        limits=exact(model.satisficing),
        metric=_metric(model),
        latency_budget_ms=model.latency_budget_ms,
        authors=tuple(version.authors),
        inspection=inspection.status if inspection else "inspecting",
        inspection_reasons=tuple(map(str, inspection.reasons)) if inspection else (),
        inspection_facts=exact(inspection.facts) if inspection else {},
    )


def _metric(model: RegisteredModel) -> str:
    if not model.optimising_metric:
        return ""
    better = "higher" if model.optimising_direction == "max" else "lower"
    return f"{model.optimising_metric}, {better} is better"


def _holding(report: AgentReport, item: Json) -> Json:
    kept = (
        "role",
        "phase",
        "reason",
        "load_seconds",
        "memory_bytes",
        "golden",
        "requests",
        "errors",
        "latency",
    )
    return {
        "agent": report.agent.name,
        "environment": report.agent.target.environment.slug,
        "tier": report.agent.target.tier,
        "reported_at": written(report.at),
        **{name: item.get(name) for name in kept},
    }


def _step(row: RolloutStep) -> Json:
    return {
        "rollout": str(row.rollout_id),
        "step": row.step,
        "agent": row.agent.name,
        "generation": row.generation,
        "asked_at": written(row.asked_at),
        "done_at": written(row.done_at) if row.done_at else None,
        "failed_at": written(row.failed_at) if row.failed_at else None,
        "reason": row.reason,
        "detail": row.detail,
    }


def _tally(row: DarkTally) -> Json:
    scored = row.scored
    return {
        "environment": row.environment.slug,
        "champion": {"version": row.champion.number, "digest": row.champion.digest},
        "scored": scored,
        "errors": row.errors,
        "stricter": row.stricter,
        "laxer": row.laxer,
        "flips": row.stricter + row.laxer,
        "mean_difference": row.sum_difference / scored if scored else None,
        "mean_absolute_difference": row.sum_absolute_difference / scored if scored else None,
        "mean_latency_ms": row.sum_latency_ms / scored if scored else None,
        "first_at": written(row.first_at) if row.first_at else None,
        "last_at": written(row.last_at) if row.last_at else None,
    }
