"""Agents, what they last reported, and what they were told."""

from typing import ClassVar
from uuid import uuid4

from django.db import models
from django.utils import timezone


class JoinToken(models.Model):
    """Lets agents enrol at one target. Only its SHA-256 is stored."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    target = models.ForeignKey("promotion.Target", models.PROTECT, related_name="join_tokens")
    sha256 = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=12)
    uses_left = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return f"join token {self.prefix}... for {self.target}"


class Agent(models.Model):
    """A serving agent. What changes every few seconds lies in its report."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    target = models.ForeignKey("promotion.Target", models.PROTECT, related_name="agents")
    name = models.CharField(max_length=63)
    labels = models.JSONField(default=dict)
    token = models.OneToOneField("governance.ServiceToken", models.PROTECT, related_name="agent")
    cordoned = models.BooleanField(default=False)
    """No rollout waits for it, and it confirms nothing."""
    enrolled_at = models.DateTimeField(default=timezone.now, editable=False)
    left_at = models.DateTimeField(null=True, editable=False)
    evicted_at = models.DateTimeField(null=True, editable=False)
    """Its token was taken away: it is told nothing more, and what it serves goes on unseen."""
    decommissioned_at = models.DateTimeField(null=True, editable=False)
    """Gone for good; its name may be taken again."""

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["target", "name"],
                condition=models.Q(decommissioned_at__isnull=True),
                name="a_name_once_in_a_target",
            ),
            models.CheckConstraint(
                condition=models.Q(evicted_at__isnull=True) | models.Q(cordoned=True),
                name="the_evicted_do_not_count",
            ),
            models.CheckConstraint(
                condition=models.Q(decommissioned_at__isnull=True)
                | models.Q(left_at__isnull=False),
                name="the_decommissioned_have_left",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AgentReport(models.Model):
    """The latest report of one agent; upserted. History is in intervals and the audit log."""

    agent = models.OneToOneField(Agent, models.PROTECT, primary_key=True, related_name="report")
    at = models.DateTimeField()
    boot_id = models.CharField(max_length=64)
    seq = models.BigIntegerField()
    observed_generation = models.BigIntegerField()
    software = models.CharField(max_length=40, blank=True)
    control_url = models.CharField(max_length=200, blank=True)
    inference_url = models.CharField(max_length=200, blank=True)
    draining = models.BooleanField(default=False)
    refused = models.JSONField(null=True)
    versions = models.JSONField(default=list)
    """What it holds now, one item a version, as the wire contract has it."""
    counters = models.JSONField(default=dict)
    boots = models.JSONField(default=list)
    """Its runs and the last number each reported by, the one that spoke last at the end."""
    cloned_since = models.DateTimeField(null=True)
    cloned_at = models.DateTimeField(null=True)
    """When two runs were last seen to take turns: two processes share its name."""
    told = models.JSONField(default=list)
    """What it answers callers with, as the audit log was told last."""
    untold = models.PositiveIntegerField(default=0)
    """Changes of that which the log has not been told of yet."""
    told_refusal = models.BigIntegerField(null=True)
    """Generation of the last refusal that the log was told of."""
    is_refusal_untold = models.BooleanField(default=False)
    paced_until = models.DateTimeField(null=True)
    """Until when what the log was told is spread out, see ``promotion.pacing``."""
    overrides = models.JSONField(default=list)
    """What somebody on its host took back, against what is decided."""
    told_overrides = models.JSONField(default=list)
    """Of those it still speaks of, the ones the log knows: id and whether also their end."""
    still = models.JSONField(default=dict)
    """digest -> since when that version makes no headway."""

    def __str__(self) -> str:
        return f"report of {self.agent} at {self.at:%T}"


class ServingInterval(models.Model):
    """From when to when one agent said that a version answered its callers."""

    id = models.BigAutoField(primary_key=True)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="intervals")
    version = models.ForeignKey("registry.ModelVersion", models.PROTECT, related_name="intervals")
    role = models.CharField(max_length=9)
    generation = models.BigIntegerField()
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["began_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["agent", "version", "role"],
                condition=models.Q(ended_at__isnull=True),
                name="one_running_interval",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} as {self.role} on {self.agent}"


class Telling(models.Model):
    """One hint to one agent: told, acknowledged, done."""

    class Action(models.TextChoices):
        LOAD = "load"
        UNLOAD = "unload"

    id = models.BigAutoField(primary_key=True)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="tellings")
    action = models.CharField(max_length=6, choices=Action.choices)
    version = models.ForeignKey("registry.ModelVersion", models.PROTECT, related_name="+")
    generation = models.BigIntegerField()
    told_at = models.DateTimeField(default=timezone.now, editable=False)
    acknowledged_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["-told_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["agent", "action", "version", "generation"], name="told_once_a_generation"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.version} on {self.agent}"
