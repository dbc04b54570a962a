"""A review of a version that answers: whether it may go on, by somebody who is no author."""

from typing import ClassVar
from uuid import uuid4

from django.db import models
from django.utils import timezone


class LiveReview(models.Model):
    """Never changed. Days and happenings count from the latest one on."""

    class Outcome(models.TextChoices):
        CONTINUE = "continue", "may go on"
        RESTRICT = "restrict", "may go on, with findings"
        REPLACE = "replace", "has to be replaced"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    deployment = models.ForeignKey(
        "promotion.Deployment", models.PROTECT, related_name="live_reviews"
    )
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    comment = models.TextField()
    trigger = models.CharField(max_length=20, blank=True)
    """What had made it due; empty when nothing had yet."""
    next_by = models.DateField(null=True)
    """By when the reviewer asks for the next one, whatever the policy says."""
    person = models.CharField(max_length=100)
    name = models.CharField(max_length=200)
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["-at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(outcome__in=("continue", "restrict", "replace")),
                name="a_known_outcome_of_a_review",
            ),
            models.CheckConstraint(
                condition=~models.Q(person="") & ~models.Q(comment=""),
                name="a_review_is_a_persons_and_says_why",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["deployment", "-at"], name="reviews_of_a_deployment"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome}, says {self.name}"
