"""A policy that waits for approval: what somebody wants in force next, and who signed for it.

open ---> published
 '------> rejected, withdrawn, expired, voided  (all final)
"""

from typing import ClassVar
from uuid import uuid4

from django.db import models
from django.utils import timezone


class PolicyRequest(models.Model):
    """A document that becomes the next policy once enough persons have approved it."""

    class State(models.TextChoices):
        OPEN = "open"
        PUBLISHED = "published"
        REJECTED = "rejected"
        WITHDRAWN = "withdrawn"
        EXPIRED = "expired"
        VOIDED = "voided"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    environment = models.ForeignKey("governance.Environment", models.PROTECT, related_name="+")
    tier = models.CharField(max_length=6, blank=True, default="")
    document = models.JSONField()
    sha256 = models.CharField(max_length=64)
    follows = models.ForeignKey("promotion.Policy", models.PROTECT, related_name="+")
    """The policy in force for this tier when it was asked; another one voids the request."""
    state = models.CharField(max_length=9, choices=State.choices, default=State.OPEN)
    approvals_needed = models.PositiveSmallIntegerField()
    reason = models.TextField()
    requester_kind = models.CharField(max_length=10)
    requester_id = models.CharField(max_length=100)
    requester_label = models.CharField(max_length=150)
    persons = models.JSONField(default=list)
    """Requester and token owner: none of them may approve."""
    content_hash = models.CharField(max_length=64)
    detail = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["environment", "tier"],
                condition=models.Q(state="open"),
                name="one_policy_waits_per_environment_and_tier",
            ),
        ]

    def __str__(self) -> str:
        return f"next policy of {self.environment}: {self.state}"

    @property
    def subject(self) -> str:
        return f"policy_request:{self.pk}"


class PolicyApproval(models.Model):
    """One person's signature under a policy request, for exactly what was shown."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    request = models.ForeignKey(PolicyRequest, models.PROTECT, related_name="approvals")
    user = models.ForeignKey("governance.User", models.PROTECT, related_name="+")
    person = models.CharField(max_length=100)
    name = models.CharField(max_length=200)
    role = models.CharField(max_length=9)
    decision = models.CharField(max_length=7)
    comment = models.TextField(blank=True)
    content_hash = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["request", "person"], name="one_vote_per_person_for_a_policy"
            ),
            models.CheckConstraint(
                condition=~models.Q(decision="reject") | models.Q(comment__regex=r"\S"),
                name="a_rejection_of_a_policy_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.decision} by {self.name}"
