"""A version that is dark now takes the place of the oldest ones, where the policy says so."""

from governance.audit.actions import Action
from promotion.models import Deployment
from promotion.selectors import darkened
from promotion.services.rollouts.context import Context


def displace(context: Context) -> list[Deployment]:
    """Retire the oldest dark versions that leave no room; the dark tier is published next.

    Only older ones give way, and none that somebody asks something for. Make before break:
    it happens once the newer one is loaded, so one that agents refuse displaces nothing.
    """
    rules, deployment = context.rules, context.deployment
    if not rules.supersede.dark:
        return []
    dark = Deployment.objects.filter(
        model=deployment.model_id,
        environment=deployment.environment_id,
        state=Deployment.State.DARK,
    )
    excess = dark.count() - (rules.dark_limit or 1)
    idle = darkened.idle_before(deployment.version, deployment.environment)
    leaving = list(
        idle.select_for_update(of=("self",), no_key=True).select_related(
            "version", "model", "environment"
        )[: max(0, excess)]
    )
    for old in leaving:
        old.reject()
        old.changed_at = context.now
        old.save()
        why = f"version {deployment.version.number} took its place in the dark"
        context.journal.deployment(Action.DEPLOYMENT_RETIRED, old, context.request, why=why)
    return leaving
