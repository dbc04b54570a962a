"""What was taken away stays away: an operator decides that a version is retired for good."""

from django.db import transaction
from django.utils import timezone

from governance.actors import Actor
from governance.audit.actions import Action
from governance.errors import Conflict, NotFound
from promotion.models import Deployment, Target
from promotion.services import at_once, publishing
from promotion.services.journal import Journal


@transaction.atomic
def dismiss(*, environment: str, model: str, version: int, reason: str, actor: Actor) -> Deployment:
    """Retire a version for good that a rollback, a guard, a refusal or an incident took away.

    Its files leave the agents, and no rollback brings it back. It can still be tested again,
    in the dark, and be approved anew.

    Raises:
        NotFound: ``unknown_environment``, ``unknown_model`` or ``unknown_version``.
        Forbidden: the actor does not operate here.
        Invalid: no reason.
        Conflict: ``nothing_to_decide``, it does not wait for a decision.
    """
    place, found = at_once.resolve(environment, model, reason=reason, actor=actor)
    targets, now, journal = Target.objects.locked(place.pk), timezone.now(), Journal(actor)
    rows = at_once.locked(place, found)
    deployment = next((row for row in rows if row.version.number == version), None)
    if deployment is None:
        message = f"There is no version {version} of {model} in {environment}."
        raise NotFound(message, code="unknown_version")
    if deployment.undecided_since is None:
        message = "This version does not wait for a decision."
        raise Conflict(message, code="nothing_to_decide", state=deployment.state)
    was_held = deployment.hold == Deployment.Hold.PREVIOUS
    deployment.undecided_since, deployment.hold = None, Deployment.Hold.NONE
    deployment.barred, deployment.changed_at = True, now
    deployment.save()
    journal.deployment(Action.DEPLOYMENT_DISMISSED, deployment, None, reason=reason)
    if was_held:
        cause = f"{model} version {version} retired for good"
        publishing.publish(targets[Target.Tier.LIVE], cause=cause, journal=journal, now=now)
    journal.write()
    return deployment
