"""A rollout carries out an approved request, driven by what agents report.

            all ready        all switched         time is up            all gone
   load --------------> commit ----------> bake ----------> retire ---------------> done
    |  NACK, deadline      |                 |                 | deadline: done, stragglers named
    v                      v guard           v guard
   failed              (a rollback takes over: superseded)

A dark deployment has only ``load`` and then is done; a retirement begins at
``retire``; a rollback begins at ``commit`` and bakes nothing.
"""

from typing import ClassVar
from uuid import uuid4

from django.db import models
from django.utils import timezone


class Rollout(models.Model):
    class Step(models.TextChoices):
        LOAD = "load"
        COMMIT = "commit"
        BAKE = "bake"
        RETIRE = "retire"
        DONE = "done"
        FAILED = "failed"
        SUPERSEDED = "superseded"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    request = models.ForeignKey("promotion.Request", models.PROTECT, related_name="rollouts")
    target = models.ForeignKey("promotion.Target", models.PROTECT, related_name="rollouts")
    attempt = models.PositiveSmallIntegerField(default=1)
    step = models.CharField(max_length=10, choices=Step.choices)
    outgoing = models.ForeignKey(
        "promotion.Deployment", models.PROTECT, null=True, related_name="+"
    )
    """The deployment that stops answering, if any."""
    generation = models.BigIntegerField()
    """Generation agents must have reached for the present step to count."""
    step_at = models.DateTimeField(default=timezone.now)
    deadline = models.DateTimeField()
    started_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True)
    detail = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["-started_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["request"],
                condition=models.Q(ended_at__isnull=True),
                name="one_running_rollout_per_request",
            ),
            models.UniqueConstraint(fields=["request", "attempt"], name="an_attempt_once"),
        ]

    def __str__(self) -> str:
        return f"rollout {self.pk}: {self.step}"


class RolloutStep(models.Model):
    """One agent at one step: asked when, done when, or refused and why."""

    id = models.BigAutoField(primary_key=True)
    rollout = models.ForeignKey(Rollout, models.PROTECT, related_name="steps")
    step = models.CharField(max_length=10)
    agent = models.ForeignKey("promotion.Agent", models.PROTECT, related_name="+")
    required = models.BooleanField()
    generation = models.BigIntegerField()
    asked_at = models.DateTimeField(default=timezone.now, editable=False)
    done_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["rollout", "step", "agent"], name="an_agent_once_a_step"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.step} on {self.agent}"
