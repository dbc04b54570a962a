"""Lets agents learn the keys this process signs with, and tells who has learnt them.

Agents take the keys that the document they apply names, so a successor becomes known by
publishing while the present key still signs, and the old key ends by publishing after.
"""

from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from governance import signing
from governance.actors import Actor
from governance.models import Environment
from promotion.models import Target
from promotion.selectors import observed, states
from promotion.services import publishing
from promotion.services.journal import Journal

CAUSE = "keys changed"


@dataclass(slots=True)
class Standing:
    """Which targets name other keys, and which agents have not applied the newest state."""

    other_keys: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)

    @property
    def is_known(self) -> bool:
        """Every agent that has not left knows the keys."""
        return not (self.other_keys or self.behind)


def announce(*, actor: Actor) -> list[str]:
    """Publish every target whose newest document names other keys; return which.

    Raises:
        Conflict: ``history_lost`` on one of them: that is decided first.
    """
    published: list[str] = []
    for environment in Environment.objects.order_by("position", "slug"):
        if Target.objects.filter(environment=environment).exists():
            published += _announce_in(environment, actor=actor)
    return published


def standing() -> Standing:
    """Tell whether the keys of this process may be relied on by now."""
    found = Standing()
    for target in Target.objects.select_related("environment"):
        if not _names_our_keys(target):
            found.other_keys.append(str(target))
    for agent in observed.present_agents(Environment.objects.values_list("pk", flat=True)):
        report = observed.report_of(agent)
        if report is None or report.observed_generation < agent.target.generation:
            found.behind.append(f"{agent.name} of {agent.target}")
    return found


@transaction.atomic
def _announce_in(environment: Environment, *, actor: Actor) -> list[str]:
    targets = Target.objects.locked(environment.pk)
    due = [target for target in targets.values() if not _names_our_keys(target)]
    journal = Journal(actor)
    for target in due:
        publishing.publish(target, cause=CAUSE, journal=journal, now=timezone.now())
    journal.write()
    return [str(target) for target in due]


def _names_our_keys(target: Target) -> bool:
    """Tell whether a target's newest document names the keys of this process, in order."""
    keys = states.document(states.current(target)).get("keys")
    named = [key.get("keyid") for key in keys] if isinstance(keys, list) else []
    return named == [signing.keyid(raw) for raw in signing.public_keys()]
