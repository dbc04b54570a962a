"""Turns an approved request into a rollout, or says why it cannot be one."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from governance.actors import Actor
from governance.audit.actions import Action
from governance.errors import Conflict
from promotion import gates, rules
from promotion.models import Approval, Deployment, Request, Rollout, Target
from promotion.models.requests import REPLACING
from promotion.policies import Policy as Rules
from promotion.selectors import approvers, facts, fleet_facts, placements, standing
from promotion.services import publishing, rollouts
from promotion.services.journal import Journal
from promotion.services.rollouts.beginning import TIER


@transaction.atomic
def start(*, request_id: UUID, actor: Actor, now: datetime | None = None) -> bool:
    """Start an approved request, if it still stands and there are agents for it.

    Safe to repeat. Returns whether a rollout began. One whose time is over waits for
    the sweep to say so.
    """
    now = now or timezone.now()
    found = Request.objects.filter(pk=request_id, state=Request.State.APPROVED).first()
    if found is None:
        return False
    targets = Target.objects.locked(found.environment_id, even_lost=True)
    request = Request.objects.locked(request_id)
    if request.state != Request.State.APPROVED or request.expires_at <= now:
        return False
    if any(target.history_lost_at for target in targets.values()):
        return False
    journal = Journal(actor)
    try:
        begun = execute(request, targets=targets, journal=journal, now=now)
    except Conflict:
        return False  # Another rollout of this model runs here; the sweep asks again.
    journal.write()
    return begun


def execute(
    request: Request, *, targets: dict[str, Target], journal: Journal, now: datetime
) -> bool:
    """Carry out an approved request, with the targets and the request locked.

    Returns False when it has to wait for agents, or no longer stands and was voided.

    Raises:
        Conflict: another rollout to production of this model runs here.
    """
    deployment = Deployment.objects.locked(request.deployment_id)
    deployment.environment = request.deployment.environment
    request.deployment = deployment
    champion = champion_of(deployment)
    if void_if_lapsed(request, champion=champion, journal=journal, now=now):
        return False
    if _is_moving(request):
        return _wait(request, "waiting for another rollout of this version to end", journal)
    if request.kind == Request.Kind.RETIRE:
        return _retire(request, targets=targets, journal=journal, now=now)
    target = targets.get(TIER[request.kind])
    found = Rules.model_validate(request.policy.document)
    # The minimum is of those who answer: one dark agent is enough to score copies.
    placement = placements.of(request.model_id, request.environment_id)
    is_dark = request.kind == Request.Kind.DEPLOY_DARK
    minimum = 1 if is_dark else placement.needed(found.minimum_agents)
    if target is None or len(fleet_facts.required(target, placement, now=now)) < minimum:
        which = f" ({placement.words()})" if placement.labels else ""
        return _wait(request, f"waiting for {minimum} agent(s){which}", journal)
    if blocked := _blocked(request, champion=champion, rules=found, now=now):
        return _wait(request, blocked, journal)
    refuse_if_in_progress(request)
    request.state, request.detail = Request.State.EXECUTING, ""
    request.save(update_fields=["state", "detail"])
    journal.request(Action.REQUEST_STARTED, request)
    rollouts.begin(
        request,
        target=target,
        outgoing=champion if request.kind in REPLACING else None,
        rules=found,
        journal=journal,
        now=now,
    )
    return True


def approve_and_execute(
    request: Request, *, targets: dict[str, Target], journal: Journal, now: datetime
) -> None:
    """Note that a request has what it needs, and carry it out if that can be done now."""
    request.state = Request.State.APPROVED
    request.save(update_fields=["state"])
    execute(request, targets=targets, journal=journal, now=now)


def champion_of(deployment: Deployment) -> Deployment | None:
    """Return who answers now where this deployment is, locked."""
    rows = Deployment.objects.select_for_update(of=("self",), no_key=True).select_related(
        "version", "model", "environment"
    )
    return rows.filter(
        model=deployment.model_id,
        environment=deployment.environment_id,
        role=Deployment.Role.CHAMPION,
    ).first()


def refuse_if_in_progress(request: Request) -> None:
    """Raise ``rollout_in_progress`` while this model has another rollout to production here."""
    if request.to_state != Deployment.State.PRODUCTION:
        return
    running = Request.objects.filter(
        model=request.model_id,
        environment=request.environment_id,
        state=Request.State.EXECUTING,
        to_state=Deployment.State.PRODUCTION,
    ).exclude(pk=request.pk)
    if other := running.first():
        message = "Another version of this model is being rolled out here."
        raise Conflict(message, code="rollout_in_progress", request=str(other.pk))


def void_if_lapsed(
    request: Request, *, champion: Deployment | None, journal: Journal, now: datetime
) -> bool:
    """Void the request if its approvals no longer carry it; tell whether that was so."""
    newest = publishing.rules_of(request.environment_id, request.model.risk_tier)
    quorum = Rules.model_validate(request.policy.document).quorum(request.kind)
    approved = Approval.objects.filter(request=request, decision=Approval.Decision.APPROVE)
    valid = approvers.valid_approvers(request, roles=quorum.roles)
    replaces_one = request.kind in REPLACING
    verdict = rules.still_stands(
        approvers=frozenset(approved.values_list("person", flat=True)),
        valid_approvers=frozenset(valid),
        needed=request.approvals_needed,
        risk_officers=frozenset(person for person, held in valid.items() if "risk" in held),
        risk_needed=quorum.risk,
        champion_asked=request.replaces.digest if request.replaces else None,
        champion_now=champion.version.digest if champion and replaces_one else None,
        policy_asked=request.policy.number,
        policy_now=newest[0].number if newest else 0,
        state_asked=request.from_state,
        state_now=request.deployment.state,
        waiver_ended=standing.waiver_ended(request, now=now),
    )
    if verdict:
        return False
    request.state, request.settled_at = Request.State.VOIDED, now
    request.detail = verdict.reason
    request.save(update_fields=["state", "settled_at", "detail"])
    journal.request(Action.REQUEST_VOIDED, request, rule=verdict.rule, detail=verdict.reason)
    return True


def _blocked(request: Request, *, champion: Deployment | None, rules: Rules, now: datetime) -> str:
    """Say what keeps a request from being carried out now, or ``""``. It stays approved."""
    if not gates.count_at_execution(rules):
        return ""
    asked = request.deployment
    gathered = facts.gather(
        asked.version, request.environment, deployment=asked, champion=champion, now=now
    )
    results = gates.judge_again(request.kind, gathered, rules)
    return " ".join(result.reason for result in results if not result.passes())


def _is_moving(request: Request) -> bool:
    """Tell whether this version is on its way elsewhere here: from where, is not known yet."""
    running = Request.objects.filter(
        deployment=request.deployment_id, state=Request.State.EXECUTING
    )
    return running.exclude(pk=request.pk).exists()


def _wait(request: Request, detail: str, journal: Journal) -> bool:
    if request.detail != detail:
        request.detail = detail
        request.save(update_fields=["detail"])
        journal.request(Action.REQUEST_APPROVED, request, detail=detail)
    return False


def _retire(
    request: Request, *, targets: dict[str, Target], journal: Journal, now: datetime
) -> bool:
    """Take a version that answers nobody out of the environment."""
    deployment = request.deployment
    was_dark = deployment.state == Deployment.State.DARK
    if was_dark:
        deployment.reject()
    else:
        deployment.discard()
    deployment.changed_at = now
    deployment.save()
    journal.deployment(Action.DEPLOYMENT_RETIRED, deployment, request)
    dark = targets.get(Target.Tier.DARK)
    if was_dark and dark is not None:
        request.state = Request.State.EXECUTING
        request.save(update_fields=["state"])
        journal.request(Action.REQUEST_STARTED, request)
        rollouts.begin_switched(
            request,
            step=Rollout.Step.RETIRE,
            target=dark,
            outgoing=None,
            rules=Rules.model_validate(request.policy.document),
            journal=journal,
            now=now,
        )
        return True
    request.state, request.settled_at = Request.State.DONE, now
    request.save(update_fields=["state", "settled_at"])
    journal.request(Action.REQUEST_EXECUTED, request)
    return True
