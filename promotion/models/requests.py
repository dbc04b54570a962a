"""A request: a recorded intent, and the approvals it has.

                   approve          start             finish
open ------------> approved -----> executing -------> done
 |  reject/withdraw/   | void/       | ^   | fail
 |  expire/void/       | expire/     | |   '--------> failed
 |  supersede          | withdraw/   | retry
 v                     v supersede   | (a rollback or a stop: superseded)
rejected, withdrawn, expired, voided, superseded  (all final)
"""

from collections.abc import Iterable
from typing import ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.utils import timezone

from governance.errors import NotFound


class RequestQuerySet(models.QuerySet["Request"]):
    def locked(self, pk: UUID) -> "Request":
        """Fetch one row and hold it until the transaction ends."""
        rows = self.select_for_update(of=("self",), no_key=True).select_related(
            "deployment__version", "deployment__model", "deployment__environment", "policy"
        )
        try:
            return rows.get(pk=pk)
        except self.model.DoesNotExist:
            message = "No such request."
            raise NotFound(message, request_id=str(pk)) from None

    def locked_together(self, pks: Iterable[UUID]) -> "list[Request]":
        """Fetch several rows, by their ids' order, and hold them until the transaction ends."""
        rows = self.select_for_update(of=("self",), no_key=True).select_related(
            "deployment__version",
            "deployment__model",
            "deployment__environment",
            "model",
            "environment",
            "policy",
            "replaces",
        )
        return list(rows.filter(pk__in=list(pks)).order_by("pk"))

    def unsettled(self) -> "RequestQuerySet":
        """Those that may be due a step: approved, or under way."""
        return self.filter(state__in=["approved", "executing"])


class Request(models.Model):
    class Kind(models.TextChoices):
        DEPLOY_DARK = "deploy_dark", "deploy dark"
        PROMOTE = "promote", "promote"
        RETIRE = "retire", "retire"
        ROLLBACK = "rollback", "rollback"
        STOP = "stop", "stop"
        BREAK_GLASS = "break_glass", "break-glass"

    class State(models.TextChoices):
        OPEN = "open"
        APPROVED = "approved"
        EXECUTING = "executing"
        DONE = "done"
        FAILED = "failed"
        REJECTED = "rejected"
        WITHDRAWN = "withdrawn"
        EXPIRED = "expired"
        VOIDED = "voided"
        SUPERSEDED = "superseded"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    deployment = models.ForeignKey("promotion.Deployment", models.PROTECT, related_name="requests")
    model = models.ForeignKey("registry.RegisteredModel", models.PROTECT, related_name="+")
    environment = models.ForeignKey("governance.Environment", models.PROTECT, related_name="+")
    policy = models.ForeignKey("promotion.Policy", models.PROTECT, related_name="+")
    replaces = models.ForeignKey(
        "registry.ModelVersion", models.PROTECT, null=True, related_name="+"
    )
    from_state = models.CharField(max_length=10)
    to_state = models.CharField(max_length=10)
    reason = models.TextField()
    ticket = models.CharField(max_length=200, blank=True)
    requester_kind = models.CharField(max_length=10)
    requester_id = models.CharField(max_length=100)
    requester_label = models.CharField(max_length=150)
    persons = models.JSONField(default=list)
    """Requester, token owner and authors: none of them may approve."""
    evidence = models.JSONField(default=dict)
    """Facts and verdicts of every gate, frozen at submit."""
    facts = models.JSONField(default=dict)
    """All that gates could have judged by then: what another policy is tried on."""
    content_hash = models.CharField(max_length=64)
    approvals_needed = models.PositiveSmallIntegerField()
    detail = models.TextField(blank=True)
    """Why it ended as it did, in words."""
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    superseded_by = models.ForeignKey("self", models.PROTECT, null=True, related_name="superseded")
    """The request this one gave way to."""
    review_due_at = models.DateTimeField(null=True, editable=False)
    """By when a second person has to review it: of those that broke the glass."""

    objects = RequestQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["deployment", "kind"],
                condition=models.Q(state__in=["open", "approved", "executing"]),
                name="one_open_request_per_deployment_and_kind",
            ),
            models.UniqueConstraint(
                fields=["model", "environment"],
                condition=models.Q(state="executing", to_state="production"),
                name="one_rollout_to_production_per_model_and_environment",
            ),
            models.CheckConstraint(
                condition=models.Q(superseded_by=None) | models.Q(state="superseded"),
                name="only_what_is_superseded_gave_way",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "created_at"], name="requests_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.deployment_id}: {self.state}"

    @property
    def subject(self) -> str:
        return f"request:{self.pk}"

    @property
    def chain(self) -> str:
        return f"model:{self.model.name}"

    def is_settled(self) -> bool:
        return self.state not in {self.State.OPEN, self.State.APPROVED, self.State.EXECUTING}


REPLACING = frozenset({Request.Kind.PROMOTE, Request.Kind.BREAK_GLASS})
"""Kinds that put a version in the champion's place."""


class Approval(models.Model):
    """One person's signature under one request, for exactly what was shown."""

    class Decision(models.TextChoices):
        APPROVE = "approve"
        REJECT = "reject"

    class Meaning(models.TextChoices):
        REVIEW = "review"
        APPROVAL = "approval"
        RESPONSIBILITY = "responsibility"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    request = models.ForeignKey(Request, models.PROTECT, related_name="approvals")
    user = models.ForeignKey("governance.User", models.PROTECT, related_name="+")
    person = models.CharField(max_length=100)
    name = models.CharField(max_length=200)
    role = models.CharField(max_length=9)
    decision = models.CharField(max_length=7, choices=Decision.choices)
    meaning = models.CharField(max_length=14, choices=Meaning.choices)
    comment = models.TextField(blank=True)
    content_hash = models.CharField(max_length=64)
    method = models.CharField(max_length=20)
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["request", "person"], name="one_vote_per_person"),
            models.CheckConstraint(
                condition=~models.Q(decision="reject") | models.Q(comment__regex=r"\S"),
                name="a_rejection_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.decision} by {self.name}"


class Review(models.Model):
    """What a second person says afterwards of a request that one person carried out alone."""

    class Verdict(models.TextChoices):
        JUSTIFIED = "justified"
        UNJUSTIFIED = "unjustified"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    request = models.OneToOneField(Request, models.PROTECT, related_name="review")
    user = models.ForeignKey("governance.User", models.PROTECT, related_name="+")
    person = models.CharField(max_length=100)
    name = models.CharField(max_length=200)
    role = models.CharField(max_length=9)
    verdict = models.CharField(max_length=11, choices=Verdict.choices)
    comment = models.TextField()
    at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return f"{self.verdict}, says {self.name}"
