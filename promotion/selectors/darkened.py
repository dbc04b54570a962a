"""Dark versions whose time is over, by the policies in force."""

from datetime import datetime, timedelta

from promotion.models import Deployment, Policy, Request
from promotion.policies import Policy as Rules


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
