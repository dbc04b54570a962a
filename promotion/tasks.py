"""Celery entry points. No rules here: parse, call one service, return."""

from uuid import UUID

from celery import shared_task
from django.db import OperationalError

from promotion.models import Telling
from promotion.services import sweeping, tellings, watching, webhooks


@shared_task(
    name="promotion.tell_agents_to_load",
    ignore_result=True,
    autoretry_for=(OperationalError,),
    retry_backoff=True,
    max_retries=3,
)
def tell_agents_to_load(target_id: str, version_id: str, generation: int) -> None:
    """Tell a target's agents that a version is to be loaded. Safe to repeat, and to lose."""
    _tell(Telling.Action.LOAD, target_id, version_id, generation)


@shared_task(
    name="promotion.tell_agents_to_unload",
    ignore_result=True,
    autoretry_for=(OperationalError,),
    retry_backoff=True,
    max_retries=3,
)
def tell_agents_to_unload(target_id: str, version_id: str, generation: int) -> None:
    """Tell a target's agents that a version is to go. Safe to repeat, and to lose."""
    _tell(Telling.Action.UNLOAD, target_id, version_id, generation)


@shared_task(name="promotion.sweep", ignore_result=True)
def sweep() -> None:
    """Do what is due, whether or not anybody was woken for it."""
    sweeping.sweep()


@shared_task(name="promotion.watch", ignore_result=True)
def watch() -> None:
    """Look for what was changed past the application. Two at once do no harm."""
    watching.look()


@shared_task(name="promotion.deliver_webhooks", ignore_result=True)
def deliver_webhooks() -> None:
    """Deliver what is due in the outbox. Safe to repeat: each delivery is claimed."""
    webhooks.deliver_due()


def _tell(action: str, target_id: str, version_id: str, generation: int) -> None:
    tellings.tell(
        action=action,
        target_id=UUID(target_id),
        version_id=UUID(version_id),
        generation=generation,
    )
