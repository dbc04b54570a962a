"""What people and services say about a request. Never changed, and no part of the decision."""

from typing import ClassVar
from uuid import uuid4

from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone

LONGEST = 2_000
"""Characters of one comment."""


class Comment(models.Model):
    """One remark on a promotion, or on a policy that waits: on exactly one of them."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    request = models.ForeignKey(
        "promotion.Request", models.PROTECT, null=True, related_name="comments"
    )
    policy_request = models.ForeignKey(
        "promotion.PolicyRequest", models.PROTECT, null=True, related_name="comments"
    )
    author_kind = models.CharField(max_length=10)
    author_id = models.CharField(max_length=100)
    person = models.CharField(max_length=100, blank=True)
    """The human who wrote it; empty for a service."""
    name = models.CharField(max_length=200)
    text = models.TextField()
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(request=None) ^ models.Q(policy_request=None),
                name="a_comment_is_on_one_request",
            ),
            models.CheckConstraint(
                condition=models.Q(text__regex=r"\S"), name="a_comment_says_something"
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("text"), LONGEST), name="a_comment_is_short"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} at {self.at}"
