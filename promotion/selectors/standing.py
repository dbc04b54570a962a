"""Whether what was asked still stands: read, so that nobody signs what is void by then.

A request binds to the champion it replaces, to a policy, to where its version was and to
waivers. Once one of them is another, no signature can carry it any more.
"""

from datetime import datetime
from uuid import UUID

from promotion import rules, waiving
from promotion.models import Deployment, Policy, Request
from promotion.models.requests import REPLACING
from promotion.verdicts import Verdict


def of(request: Request, *, now: datetime) -> Verdict:
    """Whether one request still stands for what was asked. Two queries."""
    champions = Deployment.objects.filter(
        model=request.model_id, environment=request.environment_id, role=Deployment.Role.CHAMPION
    )
    policies = Policy.objects.filter(
        environment=request.environment_id, tier__in={request.model.risk_tier, ""}
    ).order_by("-tier", "-number")
    return _verdict(
        request,
        champion=champions.values_list("version__digest", flat=True).first(),
        policy=policies.values_list("number", flat=True).first() or 0,
        now=now,
    )


def overtaken(*, now: datetime) -> list[UUID]:
    """Return the open requests that no longer stand for what was asked. Three queries."""
    rows = Request.objects.filter(state=Request.State.OPEN).only(
        "kind",
        "from_state",
        "evidence",
        "environment",
        "model__risk_tier",
        "deployment__state",
        "policy__number",
        "replaces__digest",
    )
    asked = list(rows.select_related("model", "deployment", "policy", "replaces"))
    champions = {
        (model, environment): digest
        for model, environment, digest in Deployment.objects.filter(
            role=Deployment.Role.CHAMPION, model__in={one.model_id for one in asked}
        ).values_list("model", "environment", "version__digest")
    }
    newest = Policy.objects.order_by("environment", "tier", "-number")
    numbers = {
        (environment, tier): number
        for environment, tier, number in newest.distinct("environment", "tier").values_list(
            "environment", "tier", "number"
        )
    }
    found = []
    for one in asked:
        place = one.environment_id
        verdict = _verdict(
            one,
            champion=champions.get((one.model_id, place)),
            policy=numbers.get((place, one.model.risk_tier)) or numbers.get((place, ""), 0),
            now=now,
        )
        if not verdict:
            found.append(one.pk)
    return found


def waiver_ended(request: Request, *, now: datetime) -> str:
    """Say which waiver under it has ended. Who breaks the glass needs none for any gate."""
    if request.kind == Request.Kind.BREAK_GLASS:
        return ""
    return waiving.ended(request.evidence, now=now)


def _verdict(request: Request, *, champion: str | None, policy: int, now: datetime) -> Verdict:
    return rules.still_stands(
        approvers=frozenset(),
        valid_approvers=frozenset(),
        needed=0,  # Signatures are counted when it has enough of them.
        champion_asked=request.replaces.digest if request.replaces else None,
        champion_now=champion if request.kind in REPLACING else None,
        policy_asked=request.policy.number,
        policy_now=policy,
        state_asked=request.from_state,
        state_now=request.deployment.state,
        waiver_ended=waiver_ended(request, now=now),
    )
