"""What dark agents scored and live agents answered, as files and as sums."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class PredictionBatch(models.Model):
    """One Parquet file of predictions, as an agent uploaded it."""

    class Kind(models.TextChoices):
        DECISION = "decision"
        DARK = "dark"

    id = models.BigAutoField(primary_key=True)
    agent = models.ForeignKey("promotion.Agent", models.PROTECT, related_name="batches")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    blob = models.ForeignKey("registry.Blob", models.PROTECT, related_name="+")
    rows = models.PositiveIntegerField()
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "prediction batches"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agent", "kind", "blob"], name="a_batch_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["kind", "at"], name="batches_by_time")]

    def __str__(self) -> str:
        return f"{self.rows} {self.kind} rows of {self.agent}"


class DarkSeen(models.Model):
    """The transactions of some minutes that one dark version was counted on.

    A bus delivers again, and agents send in any order: who adds a file to the sums leaves
    out what stands here.
    """

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey("governance.Environment", models.PROTECT, related_name="+")
    version = models.ForeignKey("registry.ModelVersion", models.PROTECT, related_name="+")
    since = models.DateTimeField()
    keys = models.BinaryField(default=b"")
    """``promotion.evidence.KEY`` each, in order."""

    class Meta:
        verbose_name_plural = "dark transactions seen"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["environment", "version", "since"], name="once_for_these_minutes"
            ),
        ]

    def __str__(self) -> str:
        return f"transactions of {self.version} from {self.since}"


class DarkTally(models.Model):
    """Sums over all dark rows of one version paired with one champion, in one environment."""

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey("governance.Environment", models.PROTECT, related_name="+")
    version = models.ForeignKey("registry.ModelVersion", models.PROTECT, related_name="tallies")
    champion = models.ForeignKey("registry.ModelVersion", models.PROTECT, related_name="+")
    scored = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    stricter = models.BigIntegerField(default=0)
    """Pairs where only the dark version is at or over its threshold."""
    laxer = models.BigIntegerField(default=0)
    """Pairs where only the champion is at or over its threshold."""
    sum_difference = models.FloatField(default=0.0)
    sum_absolute_difference = models.FloatField(default=0.0)
    sum_latency_ms = models.FloatField(default=0.0)
    histogram = models.JSONField(default=list)
    """Counts of the dark score in 20 bins of [0, 1]."""
    champion_histogram = models.JSONField(default=list)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["environment", "version", "champion"], name="one_tally_per_pair"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} against {self.champion} in {self.environment}"
