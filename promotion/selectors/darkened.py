"""Dark versions whose time is over, by the policies in force, and those that may give way."""

from datetime import datetime, timedelta

from django.db.models import QuerySet

from governance.models import Environment
from promotion.models import Deployment, Policy, Request
from promotion.policies import Policy as Rules
from registry.models import ModelVersion


def idle_before(version: ModelVersion, environment: Environment) -> QuerySet[Deployment]:
    """The model's older dark versions here that nobody asks anything for, the oldest first."""
    busy = Request.objects.filter(state__in=["open", "approved", "executing"])
    rows = Deployment.objects.filter(
        model=version.model_id,
        environment=environment,
        state=Deployment.State.DARK,
        version__number__lt=version.number,
    )
    return rows.exclude(pk__in=busy.values("deployment")).order_by("version__number")


def overdue(*, now: datetime) -> list[tuple[Deployment, float]]:
    """Return dark deployments past their policy's days, with those days. Two queries.

    One that somebody asks something for is left alone.
    """
    days: dict[tuple[object, str], float | None] = {}
    newest = Policy.objects.order_by("environment_id", "tier", "-number")
    for policy in newest.distinct("environment_id", "tier"):
        rules = Rules.model_validate(policy.document)
        days[policy.environment_id, policy.tier] = rules.dark_days
    if not any(days.values()):
        return []
    busy = Request.objects.filter(state__in=["open", "approved", "executing"])
    rows = Deployment.objects.filter(state=Deployment.State.DARK).exclude(
        pk__in=busy.values("deployment")
    )
    found = []
    for row in rows.select_related("version", "model", "environment"):
        place = row.environment_id
        limit = days.get((place, row.model.risk_tier), days.get((place, "")))
        if limit is not None and row.changed_at <= now - timedelta(days=limit):
            found.append((row, limit))
    return found
