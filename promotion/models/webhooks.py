"""Addresses that are told of events, and every telling of one: the outbox and its log."""

from typing import ClassVar
from uuid import uuid4

from django.db import models
from django.utils import timezone


class Webhook(models.Model):
    """An address outside. Its secret is derived, not stored; see ``promotion.events``."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    url = models.CharField(max_length=500)
    environment = models.ForeignKey(
        "governance.Environment", models.PROTECT, null=True, blank=True, related_name="+"
    )
    """Only events of this one; all of them when empty."""
    secret_version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    removed_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return self.url


class Delivery(models.Model):
    """One event for one address. Written with the change it tells of, sent after."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, models.PROTECT, related_name="deliveries")
    action = models.CharField(max_length=60)
    body = models.TextField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, default=timezone.now)
    """When to try (again); empty once it is delivered or has failed."""
    delivered_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        verbose_name_plural = "deliveries"
        indexes: ClassVar = [
            models.Index(
                fields=["next_at"],
                name="deliveries_due",
                condition=models.Q(next_at__isnull=False),
            ),
            models.Index(fields=["webhook", "created_at"], name="deliveries_by_webhook"),
        ]

    def __str__(self) -> str:
        return f"{self.action} to {self.webhook}"
