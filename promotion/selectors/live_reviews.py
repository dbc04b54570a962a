"""What answers, and when somebody has to look at it again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from uuid import UUID

from django.db.models import QuerySet

from governance.access import Reach
from promotion.models import Deployment, Incident, LiveReview, Policy
from promotion.policies import Policy as Rules
from promotion.policy_parts import Reviews
from promotion.reviewing import Answering, Due, Happening, next_review


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """A version that answers somewhere, its last review there, and what makes the next due."""

    deployment: Deployment
    last: LiveReview | None
    due: Due | None

    def is_overdue(self, now: datetime) -> bool:
        return self.due is not None and self.due.at <= now


@dataclass(frozen=True, slots=True)
class Calendar:
    """All that answers, by when it has to be looked at again."""

    overdue: list[LiveVersion]
    ahead: list[LiveVersion]
    never: list[LiveVersion]
    """Those for which the policy names nothing."""

    @property
    def title(self) -> str:
        """The answer this page gives."""
        several = len(self.overdue)
        if not several:
            return "No review is overdue"
        return f"{several} review{'s are' if several > 1 else ' is'} overdue"


def calendar(seen: Reach, *, now: datetime) -> Calendar:
    """Read what answers where it is seen, what is due the longest first. Four queries."""
    found = answering(Deployment.objects.filter(seen.rows()))
    dated = sorted(((one.due.at, one) for one in found if one.due), key=lambda pair: pair[0])
    return Calendar(
        overdue=[one for _, one in dated if one.is_overdue(now)],
        ahead=[one for _, one in dated if not one.is_overdue(now)],
        never=[one for one in found if one.due is None],
    )


def reviewable(rows: Iterable[LiveVersion], reviewed: Reach) -> set[UUID]:
    """Return the deployments that may be reviewed, by who reviews where ``reviewed`` says."""
    return {
        row.pk
        for row in (one.deployment for one in rows)
        if reviewed.covers(environment=row.environment_id, group=row.model.group)
    }


def answering(rows: QuerySet[Deployment]) -> list[LiveVersion]:
    """Return those of these deployments that answer, each with what makes a review due."""
    champions = list(
        rows.filter(role=Deployment.Role.CHAMPION)
        .select_related("version", "model", "environment")
        .order_by("model__name", "environment__position", "environment__slug")
    )
    last = _last_reviews(champions)
    policies = _policies(champions)
    incidents = _incidents(champions)
    return [
        LiveVersion(
            row,
            last.get(row.pk),
            _due(row, last=last.get(row.pk), policy=_rules(row, policies), incidents=incidents),
        )
        for row in champions
    ]


def _due(
    row: Deployment,
    *,
    last: LiveReview | None,
    policy: Policy | None,
    incidents: Iterable[Incident],
) -> Due | None:
    asked: Reviews | None = Rules.model_validate(policy.document).reviews if policy else None
    since = row.champion_at
    if since is None:
        return None
    known = Answering(
        since=since,
        reviewed_at=last.at if last else None,
        review_by=datetime.combine(last.next_by, time(), UTC) if last and last.next_by else None,
        regimes=frozenset(map(str, row.model.regimes)),
        incidents=tuple(
            Happening(one.opened_at, one.title, one.severity)
            for one in incidents
            if one.environment_id == row.environment_id and one.model_id in {None, row.model_id}
        ),
        policies=(Happening(policy.at, f"policy {policy.number}"),) if policy else (),
    )
    return next_review(known, asked)


def _last_reviews(rows: list[Deployment]) -> Mapping[UUID, LiveReview]:
    """The latest review of each, if it was while it answered as it does now. One query."""
    found = (
        LiveReview.objects.filter(deployment__in=rows)
        .order_by("deployment_id", "-at")
        .distinct("deployment_id")
    )
    since = {row.pk: row.champion_at for row in rows}
    return {
        one.deployment_id: one
        for one in found
        if (begun := since[one.deployment_id]) is not None and one.at >= begun
    }


def _policies(rows: list[Deployment]) -> Mapping[tuple[UUID, str], Policy]:
    """The newest document of each environment and tier. One query."""
    found = (
        Policy.objects.filter(environment__in={row.environment_id for row in rows})
        .order_by("environment_id", "tier", "-number")
        .distinct("environment_id", "tier")
    )
    return {(one.environment_id, one.tier): one for one in found}


def _rules(row: Deployment, policies: Mapping[tuple[UUID, str], Policy]) -> Policy | None:
    """The policy a model follows there: its tier's, or else the environment's."""
    own = policies.get((row.environment_id, row.model.risk_tier))
    return own or policies.get((row.environment_id, ""))


def _incidents(rows: list[Deployment]) -> list[Incident]:
    """What was opened since the first of them began to answer. One query."""
    begun = [row.champion_at for row in rows if row.champion_at is not None]
    if not begun:
        return []
    places = {row.environment_id for row in rows}
    return list(
        Incident.objects.filter(environment__in=places, opened_at__gt=min(begun)).order_by(
            "opened_at"
        )
    )
