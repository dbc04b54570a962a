"""Opens a request: resolves, judges, freezes the evidence, and hashes what it stands for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.audit.services import records_refusals
from governance.errors import Conflict, Invalid, NotFound, Refused
from governance.models import Environment
from governance.names import problem_with
from promotion import content, gates, rules, waiving
from promotion.gates.facts import Facts
from promotion.models import Deployment, Request, Target
from promotion.models import Policy as PolicyRow
from promotion.models.requests import REPLACING
from promotion.policies import Policy as Rules
from promotion.selectors import facts
from promotion.services import execution, publishing, waivers
from promotion.services.journal import Journal
from promotion.services.requests import superseding
from promotion.services.requests.superseding import Asked
from promotion.verdicts import GateResult
from registry.models import ModelVersion


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking: the request, or only the verdicts for a dry run."""

    request: Request | None
    gates: list[GateResult]
    content: dict[str, object]
    approvals_needed: int
    superseded: list[Request]
    """Those for older versions that give way to it."""


@records_refusals
@transaction.atomic
def open_request(
    *,
    model: str,
    version: int,
    environment: str,
    to: str,
    reason: str,
    actor: Actor,
    ticket: str = "",
    dry_run: bool = False,
) -> Outcome:
    """Ask that a version goes ``to`` dark, production or retired in an environment.

    With no approvals needed it is carried out at once. Where the policy says so, what waits
    for older versions gives way to it. A dry run changes nothing and returns the gates'
    verdicts, also when they fail.

    Raises:
        NotFound: ``unknown_model``, ``unknown_version`` or ``unknown_environment``.
        Invalid: a text that may not be stored, or an unknown ``to``.
        Forbidden: the actor may not submit here.
        Conflict: ``illegal_transition``, ``request_open``, ``no_policy``, ``rollout_in_progress``.
        Refused: ``gates_not_passed``, with every gate's reason and remedy.
    """
    asked = resolve_for(
        actor, access.Permission.SUBMIT, model=model, version=version, environment=environment
    )
    kind = _kind_of(to, reason=reason, ticket=ticket)
    targets = Target.objects.locked(asked.environment.pk)
    now, journal, pk = timezone.now(), Journal(actor), uuid4()
    # Before the gates: what gives way takes no dark place any more.
    older = superseding.supersede(asked, kind=kind, by=pk, journal=journal, now=now)
    case = weigh(asked, kind=kind, to=to, now=now, persons=actor.persons())
    if dry_run:
        transaction.set_rollback(True)
        return Outcome(None, case.results, case.shown, case.needed, older)
    _refuse_unless_passed(case)
    if case.is_new:
        journal.deployment(Action.DEPLOYMENT_OPENED, case.deployment, None)
    request = write(case, pk=pk, reason=reason, ticket=ticket, actor=actor, now=now)
    journal.request(
        Action.REQUEST_OPENED, request, reason=reason, ticket=ticket, content=case.shown
    )
    if case.needed == 0:
        execution.approve_and_execute(request, targets=targets, journal=journal, now=now)
    journal.write()
    return Outcome(request, case.results, case.shown, case.needed, older)


@transaction.atomic
def try_request(
    *, model: str, version: int, environment: str, to: str, proposed: Rules, actor: Actor
) -> Outcome:
    """Judge a request that nobody made, by rules that nobody published. Changes nothing.

    Raises:
        NotFound, Invalid, Forbidden, Conflict: as for ``open_request``; to view is enough.
    """
    asked = resolve_for(
        actor, access.Permission.VIEW, model=model, version=version, environment=environment
    )
    kind = _kind_of(to, reason="a trial", ticket="")
    Target.objects.locked(asked.environment.pk)
    now, journal = timezone.now(), Journal(actor)
    older = superseding.supersede(
        asked, kind=kind, by=uuid4(), journal=journal, now=now, proposed=proposed
    )
    case = weigh(asked, kind=kind, to=to, now=now, persons=actor.persons(), proposed=proposed)
    transaction.set_rollback(True)
    return Outcome(None, case.results, case.shown, case.needed, older)


@dataclass(frozen=True, slots=True)
class Case:
    """What was asked for, judged: all that a request is made of."""

    kind: str
    to: str
    deployment: Deployment
    is_new: bool
    policy: PolicyRow
    rules: Rules
    replaced: ModelVersion | None
    results: list[GateResult]
    facts: dict[str, object]
    evidence: dict[str, object]
    shown: dict[str, object]
    needed: int


def weigh(
    asked: Asked,
    *,
    kind: str,
    to: str,
    now: datetime,
    persons: frozenset[str] = frozenset(),
    proposed: Rules | None = None,
) -> Case:
    deployment, is_new = _deployment(asked)
    policy, found = _rules(asked.environment, asked.version.model.risk_tier)
    found = proposed or found
    _refuse_if_illegal(deployment, kind)
    if proposed is None:
        _refuse_if_open(deployment, kind)
    champion = execution.champion_of(deployment)
    gathered = facts.gather(
        asked.version, asked.environment, deployment=deployment, champion=champion, now=now
    )
    judged_as = Request.Kind.PROMOTE if kind == Request.Kind.BREAK_GLASS else kind
    results = _judge(asked, judged_as, gathered, rules=found, persons=persons, now=now)
    evidence: dict[str, object] = {"gates": [result.as_document() for result in results]}
    replaced = champion.version if champion and kind in REPLACING else None
    shown = content.document(
        kind=kind,
        model=deployment.model.name,
        version=deployment.version.number,
        digest=deployment.version.digest,
        environment=deployment.environment.slug,
        from_state=deployment.state,
        to_state=to,
        policy=policy.number,
        champion_digest=replaced.digest if replaced else None,
        evidence=evidence,
    )
    return Case(
        kind=kind,
        to=to,
        deployment=deployment,
        is_new=is_new,
        policy=policy,
        rules=found,
        replaced=replaced,
        results=results,
        facts=gathered.as_document(),
        evidence=evidence,
        shown=shown,
        needed=found.quorum(kind).count,
    )


def _judge(
    asked: Asked,
    kind: str,
    gathered: Facts,
    *,
    rules: Rules,
    persons: frozenset[str],
    now: datetime,
) -> list[GateResult]:
    """Run the gates, and let pass what a risk officer has waived."""
    results = gates.judge(kind, gathered, rules)
    if not rules.waivers:
        return results
    held = waivers.in_force(asked.version, asked.environment, now=now)
    return waiving.applied(results, held, policy=rules, persons=persons, now=now)


def _refuse_unless_passed(case: Case) -> None:
    refuse(case, [result for result in case.results if not result.passes()])


def refuse(case: Case, failed: list[GateResult]) -> None:
    """Raise ``gates_not_passed`` where there is any."""
    if failed:
        version = case.deployment.version
        raise Refused(
            "Not every gate passed: " + "; ".join(result.reason for result in failed),
            rule="gates_not_passed",
            object=f"model:{case.deployment.model.name}",
            subject=f"version:{version.pk}",
            gates=[result.as_document() for result in failed],
        )


def write(
    case: Case,
    *,
    reason: str,
    ticket: str,
    actor: Actor,
    now: datetime,
    pk: UUID | None = None,
) -> Request:
    deployment = case.deployment
    return Request.objects.create(
        pk=pk or uuid4(),
        kind=case.kind,
        deployment=deployment,
        model=deployment.model,
        environment=deployment.environment,
        policy=case.policy,
        replaces=case.replaced,
        from_state=deployment.state,
        to_state=case.to,
        reason=reason,
        ticket=ticket,
        requester_kind=actor.kind,
        requester_id=actor.id,
        requester_label=actor.label,
        persons=sorted(actor.persons() | frozenset(deployment.version.authors)),
        evidence=case.evidence,
        facts=case.facts,
        content_hash=content.hash_of(case.shown),
        approvals_needed=case.needed,
        created_at=now,
        expires_at=now + timedelta(hours=case.rules.expiry_hours),
    )


def resolve_for(
    actor: Actor, permission: access.Permission, *, model: str, version: int, environment: str
) -> Asked:
    """Resolve for somebody who must hold the permission anywhere first, and then there."""
    access.require(actor, permission)
    asked = resolve(model=model, version=version, environment=environment)
    group = asked.version.model.group
    access.require(actor, permission, environment=asked.environment, group=group)
    return asked


def resolve(*, model: str, version: int, environment: str) -> Asked:
    place = Environment.objects.filter(slug=environment).first()
    if place is None:
        message = f"There is no environment {environment!r}."
        raise NotFound(message, code="unknown_environment")
    rows = ModelVersion.objects.select_related("model", "inspection")
    found = rows.filter(model__name=model, number=version).first()
    if found is None:
        known = ModelVersion.objects.filter(model__name=model).exists()
        message = f"There is no version {version} of {model!r}."
        raise NotFound(message, code="unknown_version" if known else "unknown_model")
    return Asked(found, place)


def _kind_of(to: str, *, reason: str, ticket: str) -> str:
    problems = {
        "reason": problem_with(reason),
        "ticket": problem_with(ticket, limit=200, blank=True),
        "to": "" if to in rules.KIND_BY_TARGET_STATE else "must be dark, production or retired",
    }
    found = {name: problem for name, problem in problems.items() if problem}
    if found:
        message = "The request cannot be taken as it is."
        raise Invalid(message, **found)
    return rules.KIND_BY_TARGET_STATE[to]


def _deployment(asked: Asked) -> tuple[Deployment, bool]:
    rows = Deployment.objects.select_for_update(of=("self",), no_key=True)
    deployment = rows.filter(version=asked.version, environment=asked.environment).first()
    if deployment is None:
        deployment = Deployment.objects.create(
            version=asked.version, model=asked.version.model, environment=asked.environment
        )
        return deployment, True
    deployment.version, deployment.model = asked.version, asked.version.model
    deployment.environment = asked.environment
    return deployment, False


def _rules(environment: Environment, tier: str) -> tuple[PolicyRow, Rules]:
    found = publishing.rules_of(environment.pk, tier)
    if found is None:
        message = "This environment has no policy yet."
        raise Conflict(message, code="no_policy")
    return found


def _refuse_if_illegal(deployment: Deployment, kind: str) -> None:
    verdict = rules.may_ask(
        state=deployment.state,
        kind=kind,
        is_spare=deployment.role == Deployment.Role.SPARE,
    )
    if not verdict:
        raise Conflict(verdict.reason, code=verdict.rule, state=deployment.state)


def _refuse_if_open(deployment: Deployment, kind: str) -> None:
    open_one = Request.objects.filter(
        deployment=deployment, kind=kind, state__in=["open", "approved", "executing"]
    ).first()
    if open_one is not None:
        message = "The same was asked for already and is not settled."
        raise Conflict(message, code="request_open", request=str(open_one.pk))
