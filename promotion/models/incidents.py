"""An incident: something is wrong in an environment, with one model or as a whole."""

from typing import ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.utils import timezone

from governance.errors import NotFound
from promotion.policy_parts import SEVERITIES


class IncidentQuerySet(models.QuerySet["Incident"]):
    def locked(self, pk: UUID) -> "Incident":
        """Fetch one row and hold it until the transaction ends."""
        rows = self.select_for_update(of=("self",), no_key=True)
        try:
            return rows.select_related("environment", "model").get(pk=pk)
        except self.model.DoesNotExist:
            message = "No such incident."
            raise NotFound(message, code="unknown_incident") from None

    def open_at(self, environment_id: UUID, *, model_id: UUID | None = None) -> "IncidentQuerySet":
        """Those that are open here, of everything or of this model."""
        about = models.Q(model=None) | models.Q(model=model_id)
        return self.filter(about, environment=environment_id, closed_at=None)


class Incident(models.Model):
    """Opened once and closed once. In between nothing of it changes; a trigger sees to it."""

    class Severity(models.TextChoices):
        MINOR = "minor"
        MAJOR = "major"
        CRITICAL = "critical"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    environment = models.ForeignKey(
        "governance.Environment", models.PROTECT, related_name="incidents"
    )
    model = models.ForeignKey(
        "registry.RegisteredModel", models.PROTECT, null=True, related_name="+"
    )
    """Which model it is about; None for all of the environment."""
    severity = models.CharField(max_length=8, choices=Severity.choices)
    title = models.CharField(max_length=200)
    detail = models.TextField(blank=True)
    opened_kind = models.CharField(max_length=10)
    opened_id = models.CharField(max_length=100)
    opened_by = models.CharField(max_length=150)
    opened_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_kind = models.CharField(max_length=10, blank=True)
    closed_id = models.CharField(max_length=100, blank=True)
    closed_by = models.CharField(max_length=150, blank=True)
    closed_at = models.DateTimeField(null=True, editable=False)
    resolution = models.TextField(blank=True)

    objects = IncidentQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-opened_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(severity__in=SEVERITIES), name="a_known_severity"
            ),
            models.CheckConstraint(
                condition=models.Q(closed_at__isnull=True, resolution="", closed_by="")
                | (models.Q(closed_at__isnull=False) & ~models.Q(resolution="")),
                name="an_incident_is_closed_with_a_resolution",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["environment"],
                condition=models.Q(closed_at__isnull=True),
                name="open_incidents",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.severity} incident in {self.environment}: {self.title}"

    @property
    def about(self) -> str:
        """What it is about: a model's name, or everything in the environment."""
        return self.model.name if self.model else "everything"

    def is_open(self) -> bool:
        return self.closed_at is None
