"""Where a model runs in an environment, where somebody has said so."""

from typing import ClassVar
from uuid import uuid4

from django.db import models
from django.utils import timezone

from promotion import placement


class Placement(models.Model):
    """A model's label selector and minimum in one environment. What it was is in the log."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    environment = models.ForeignKey(
        "governance.Environment", models.PROTECT, related_name="placements"
    )
    model = models.ForeignKey("registry.RegisteredModel", models.PROTECT, related_name="placements")
    labels = models.JSONField(default=dict)
    minimum = models.PositiveIntegerField(null=True)
    """Agents a rollout needs; None for as many as the policy asks for."""
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["model", "environment"], name="one_placement_per_model_and_environment"
            ),
            models.CheckConstraint(
                condition=models.Q(minimum__isnull=True) | models.Q(minimum__gte=1),
                name="a_placement_needs_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} in {self.environment}: {self.rule.words()}"

    @property
    def rule(self) -> placement.Placement:
        """The same as a value that decides."""
        return placement.Placement(self.labels, self.minimum)
