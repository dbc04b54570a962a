"""Celery entry points. No rules here: parse, call one service, return."""

from uuid import UUID

from celery import shared_task
from django.db import OperationalError

from governance.actors import Actor
from governance.errors import Unavailable
from registry.services import inspections


@shared_task(
    name=inspections.TASK,
    ignore_result=True,
    autoretry_for=(OperationalError, Unavailable),
    retry_backoff=True,
    max_retries=5,
)
def inspect_version(version_id: str) -> None:
    """Inspect one version. Safe to repeat, and safe to lose."""
    inspections.inspect_version(
        version_id=UUID(version_id), actor=Actor.from_task(inspections.TASK)
    )
