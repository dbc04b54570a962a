"""Adding, removing and re-keying the addresses that are told."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.errors import Invalid, NotFound
from governance.models import Environment
from governance.names import problem_with
from promotion import events
from promotion.adapters import outbound
from promotion.models import Webhook


@dataclass(frozen=True, slots=True)
class Keyed:
    """A webhook with its secret, which is shown this once."""

    webhook: Webhook
    secret: str


def add(*, url: str, environment: str | None, actor: Actor) -> Keyed:
    """Tell an address of what happens, in one environment or in all.

    Raises:
        Forbidden: the actor does not administer there.
        NotFound: ``unknown_environment``.
        Invalid: the address is wrong, or leads where nothing may be sent.
    """
    place = _place(environment)
    access.require(actor, access.Permission.ADMINISTER, environment=place)
    problem = problem_with(url, limit=500) or events.problem_with_url(url)
    if not problem:
        try:
            outbound.check(url)
        except outbound.Unreachable as error:
            problem = str(error)
    if problem:
        message = "This address cannot be told."
        raise Invalid(message, code="bad_address", url=problem)
    return _added(url, place, actor=actor)


@transaction.atomic
def remove(*, webhook_id: UUID, actor: Actor) -> Webhook:
    """Stop telling an address; what waits for it is not sent any more.

    Raises:
        NotFound: ``unknown_webhook``.
        Forbidden: the actor does not administer there.
    """
    webhook = _locked(webhook_id, actor=actor)
    webhook.removed_at = timezone.now()
    webhook.save(update_fields=["removed_at"])
    webhook.deliveries.filter(next_at__isnull=False).update(next_at=None, error="removed")
    _record(Action.WEBHOOK_REMOVED, webhook, actor=actor)
    return webhook


@transaction.atomic
def rotate(*, webhook_id: UUID, actor: Actor) -> Keyed:
    """Give an address a new secret; the old one ends at once. Raises as ``remove`` does."""
    webhook = _locked(webhook_id, actor=actor)
    webhook.secret_version += 1
    webhook.save(update_fields=["secret_version"])
    _record(Action.WEBHOOK_REKEYED, webhook, actor=actor)
    return Keyed(webhook, secret_of(webhook))


def secret_of(webhook: Webhook) -> str:
    """Derive a webhook's present secret."""
    key = str(settings.SECRET_KEY).encode()
    return events.secret(key, webhook=str(webhook.pk), version=webhook.secret_version)


@transaction.atomic
def _added(url: str, place: Environment | None, *, actor: Actor) -> Keyed:
    webhook = Webhook(url=url, environment=place)
    webhook.save(force_insert=True)
    _record(Action.WEBHOOK_ADDED, webhook, actor=actor)
    return Keyed(webhook, secret_of(webhook))


def _place(slug: str | None) -> Environment | None:
    if slug is None:
        return None
    found = Environment.objects.filter(slug=slug).first()
    if found is None:
        message = "There is no such environment."
        raise NotFound(message, code="unknown_environment")
    return found


def _locked(webhook_id: UUID, *, actor: Actor) -> Webhook:
    rows = Webhook.objects.select_for_update(of=("self",), no_key=True)
    webhook = rows.select_related("environment").filter(pk=webhook_id, removed_at=None).first()
    if webhook is None:
        message = "No such webhook."
        raise NotFound(message, code="unknown_webhook")
    access.require(actor, access.Permission.ADMINISTER, environment=webhook.environment)
    return webhook


def _record(action: Action, webhook: Webhook, *, actor: Actor) -> None:
    slug = webhook.environment.slug if webhook.environment else None
    audit.record(
        action,
        actor=actor,
        object=f"environment:{slug}" if slug else "system",
        subject=f"webhook:{webhook.pk}",
        environment=slug,
        details={"url": webhook.url, "secret_version": webhook.secret_version},
    )
