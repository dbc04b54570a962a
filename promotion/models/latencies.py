"""How long answers took, kept for a while."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models


class LatencySlot(models.Model):
    """Ten minutes of one version on one target, over all of its agents. No part of any decision."""

    id = models.BigAutoField(primary_key=True)
    target = models.ForeignKey("promotion.Target", models.PROTECT, related_name="+")
    version = models.ForeignKey("registry.ModelVersion", models.PROTECT, related_name="+")
    at = models.DateTimeField(db_index=True)
    """When the ten minutes begin."""
    counts = ArrayField(models.BigIntegerField())
    """Answers by bucket of ``promotion.latencies``."""
    sum_ms = models.FloatField()
    squares = models.FloatField()
    over_budget = models.BigIntegerField()
    """Answers that the agents found slower than the model's budget."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version", "target", "at"], name="one_latency_slot_for_ten_minutes"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} on {self.target} at {self.at:%F %H:%M}"
