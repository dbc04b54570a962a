"""Opens a request: resolves, judges, freezes the evidence, and hashes what it stands for."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.audit.services import records_refusals
from governance.errors import Conflict, Invalid, NotFound, Refused
from governance.models import Environment
from governance.names import problem_with
from promotion import content, gates, rules
from promotion.models import Deployment, Request, Target
from promotion.models import Policy as PolicyRow
from promotion.policies import Policy as Rules
from promotion.selectors import facts
from promotion.services import execution, publishing
from promotion.services.journal import Journal
from promotion.verdicts import GateResult
from registry.models import ModelVersion


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking: the request, or only the verdicts for a dry run."""

    request: Request | None
    gates: list[GateResult]
    content: dict[str, object]
    approvals_needed: int


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

    With no approvals needed it is carried out at once. A dry run changes nothing
    and returns the gates' verdicts, also when they fail.

    Raises:
        NotFound: ``unknown_model``, ``unknown_version`` or ``unknown_environment``.
        Invalid: a text that may not be stored, or an unknown ``to``.
        Forbidden: the actor may not submit here.
        Conflict: ``illegal_transition``, ``request_open``, ``no_policy``, ``rollout_in_progress``.
        Refused: ``gates_not_passed``, with every gate's reason and remedy.
    """
    access.require(actor, access.Permission.SUBMIT)
    asked = _resolve(model=model, version=version, environment=environment)
    access.require(
        actor,
        access.Permission.SUBMIT,
        environment=asked.environment,
        group=asked.version.model.group,
    )
    kind = _kind_of(to, reason=reason, ticket=ticket)
    targets = Target.objects.locked(asked.environment.pk)
    now = timezone.now()
    journal = Journal(actor)
    deployment, is_new = _deployment(asked)
    policy, found = _rules(asked.environment)
    _refuse_if_illegal(deployment, kind)
    champion = execution.champion_of(deployment)
    results = _judge(asked, kind, deployment=deployment, champion=champion, rules=found, now=now)
    shown = _content(
        deployment, kind=kind, to=to, policy=policy, champion=champion, results=results
    )
    needed = _approvals_needed(kind, found)
    if dry_run:
        transaction.set_rollback(True)
        return Outcome(None, results, shown, needed)
    failed = [result for result in results if not result.passes()]
    if failed:
        raise Refused(
            "Not every gate passed: " + "; ".join(result.reason for result in failed),
            rule="gates_not_passed",
            object=f"model:{model}",
            subject=f"version:{asked.version.pk}",
            gates=[result.as_document() for result in failed],
        )
    if is_new:
        journal.deployment(Action.DEPLOYMENT_OPENED, deployment, None)
    request = Request.objects.create(
        kind=kind,
        deployment=deployment,
        model=deployment.model,
        environment=asked.environment,
        policy=policy,
        replaces=champion.version if champion and kind == Request.Kind.PROMOTE else None,
        from_state=deployment.state,
        to_state=to,
        reason=reason,
        ticket=ticket,
        requester_kind=actor.kind,
        requester_id=actor.id,
        requester_label=actor.label,
        persons=sorted(actor.persons() | frozenset(asked.version.authors)),
        evidence=_evidence(results),
        content_hash=content.hash_of(shown),
        approvals_needed=needed,
        created_at=now,
        expires_at=now + timedelta(hours=found.expiry_hours),
    )
    journal.request(Action.REQUEST_OPENED, request, reason=reason, ticket=ticket, content=shown)
    if needed == 0:
        execution.approve_and_execute(request, targets=targets, journal=journal, now=now)
    journal.write()
    return Outcome(request, results, shown, needed)


@dataclass(frozen=True, slots=True)
class _Asked:
    version: ModelVersion
    environment: Environment


def _resolve(*, model: str, version: int, environment: str) -> _Asked:
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
    return _Asked(found, place)


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


def _deployment(asked: _Asked) -> tuple[Deployment, bool]:
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


def _rules(environment: Environment) -> tuple[PolicyRow, Rules]:
    found = publishing.rules_of(environment.pk)
    if found is None:
        message = "This environment has no policy yet."
        raise Conflict(message, code="no_policy")
    return found


def _refuse_if_illegal(deployment: Deployment, kind: str) -> None:
    verdict = rules.may_ask(state=deployment.state, kind=kind)
    if not verdict:
        raise Conflict(verdict.reason, code=verdict.rule, state=deployment.state)
    open_one = Request.objects.filter(
        deployment=deployment, kind=kind, state__in=["open", "approved", "executing"]
    ).first()
    if open_one is not None:
        message = "The same was asked for already and is not settled."
        raise Conflict(message, code="request_open", request=str(open_one.pk))


def _judge(
    asked: _Asked,
    kind: str,
    *,
    deployment: Deployment,
    champion: Deployment | None,
    rules: Rules,
    now: datetime,
) -> list[GateResult]:
    found = facts.gather(
        asked.version, asked.environment, deployment=deployment, champion=champion, now=now
    )
    return gates.judge(kind, found, rules)


def _content(
    deployment: Deployment,
    *,
    kind: str,
    to: str,
    policy: PolicyRow,
    champion: Deployment | None,
    results: list[GateResult],
) -> dict[str, object]:
    replaced = champion if champion and kind == Request.Kind.PROMOTE else None
    return content.document(
        kind=kind,
        model=deployment.model.name,
        version=deployment.version.number,
        digest=deployment.version.digest,
        environment=deployment.environment.slug,
        from_state=deployment.state,
        to_state=to,
        policy=policy.number,
        champion_digest=replaced.version.digest if replaced else None,
        evidence=_evidence(results),
    )


def _evidence(results: list[GateResult]) -> dict[str, object]:
    return {"gates": [result.as_document() for result in results]}


def _approvals_needed(kind: str, found: Rules) -> int:
    if kind == Request.Kind.PROMOTE:
        return found.approvals
    return found.approvals_for_dark if kind == Request.Kind.DEPLOY_DARK else 0
