"""A rollout carries out an approved request, driven by what agents report.

            all ready  time and answers enough  all switched    time is up        all gone
   load ---------> stage 1, 2 ... ---------> commit -------> bake --------> retire ---------> done
    |  NACK, deadline   | NACK, guard           | NACK, guard   | guard        | deadline: done,
    v                   v                       v               v              v stragglers named
   failed           (a rollback takes over: superseded)

A dark deployment has only ``load`` and then is done; a retirement begins at
``retire``; a rollback begins at ``commit`` and bakes nothing. Stages are as the policy
says: in them the new version is a candidate and answers some beside the champion.

``paused_at``: an operator holds it, and it takes no step. ``halted_at``: it lacks
something and asks for a person. Guards watch on in both.
"""

from typing import ClassVar
from uuid import uuid4

from django.db import models
from django.utils import timezone


class Rollout(models.Model):
    class Step(models.TextChoices):
        LOAD = "load"
        STAGE = "stage"
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
    stage = models.PositiveSmallIntegerField(default=0)
    """Number of the stage it is at, or was at last; 0 before the first."""
    switch = models.JSONField(null=True)
    """Who gets the candidate's answers, as the desired state has it."""
    step_at = models.DateTimeField(default=timezone.now)
    deadline = models.DateTimeField()
    started_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(null=True)
    halted_at = models.DateTimeField(null=True)
    extended = models.BooleanField(default=False)
    """The present step lacked answers and lasts once more."""
    unwatched = models.BooleanField(default=False)
    """A person lets the present step end without the answers it lacks."""
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
        return f"rollout {self.pk}: {self.step_name}"

    @property
    def step_name(self) -> str:
        """The present step, each stage by its number: ``stage-2``."""
        return f"{self.step}-{self.stage}" if self.step == self.Step.STAGE else self.step


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
    requests_before = models.BigIntegerField(default=0)
    """Answers by the new version that the agent had counted when the step began."""
    errors_before = models.BigIntegerField(default=0)
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
