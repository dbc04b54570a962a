"""A finding: what a reviewer holds against a version, until somebody else finds it resolved."""

from datetime import date
from typing import ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.utils import timezone

from governance.errors import NotFound
from promotion.policy_parts import FINDING_SEVERITIES


class FindingQuerySet(models.QuerySet["Finding"]):
    def locked(self, pk: UUID) -> "Finding":
        """Fetch one row and hold it until the transaction ends."""
        rows = self.select_for_update(of=("self",), no_key=True)
        try:
            return rows.select_related("version__model").get(pk=pk)
        except self.model.DoesNotExist:
            message = "No such finding."
            raise NotFound(message, code="unknown_finding") from None

    def open(self) -> "FindingQuerySet":
        """Those nobody has closed, the first due first."""
        return self.filter(closed_at=None).order_by("due", "recorded_at")


class Finding(models.Model):
    """Recorded once and closed once. In between nothing of it changes; a trigger sees to it."""

    class Severity(models.TextChoices):
        LOW = "low"
        MEDIUM = "medium"
        HIGH = "high"
        CRITICAL = "critical"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    version = models.ForeignKey("registry.ModelVersion", models.PROTECT, related_name="findings")
    severity = models.CharField(max_length=8, choices=Severity.choices)
    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    owner = models.CharField(max_length=100)
    """The person who has to see to it."""
    owner_name = models.CharField(max_length=200)
    due = models.DateField()
    blocks = models.BooleanField(default=False)
    """Whether it stops promotions whatever its severity, where the policy asks for findings."""
    condition_of = models.ForeignKey(
        "promotion.Request", models.PROTECT, null=True, related_name="conditions"
    )
    """The request that may be approved on the condition that this is resolved."""
    recorded_person = models.CharField(max_length=100)
    recorded_by = models.CharField(max_length=200)
    recorded_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_person = models.CharField(max_length=100, blank=True)
    closed_by = models.CharField(max_length=200, blank=True)
    closed_at = models.DateTimeField(null=True, editable=False)
    resolution = models.TextField(blank=True)
    evidence = models.CharField(max_length=500, blank=True)
    """Where it can be read that it is resolved."""

    objects = FindingQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-recorded_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(severity__in=FINDING_SEVERITIES),
                name="a_known_severity_of_a_finding",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    closed_at__isnull=True,
                    closed_person="",
                    closed_by="",
                    resolution="",
                    evidence="",
                )
                | (
                    models.Q(closed_at__isnull=False)
                    & ~models.Q(closed_person="")
                    & ~models.Q(resolution="")
                ),
                name="a_finding_is_closed_by_a_person_with_a_resolution",
            ),
            models.CheckConstraint(
                condition=~models.Q(recorded_person="") & ~models.Q(owner=""),
                name="a_finding_has_a_recorder_and_an_owner",
            ),
            models.CheckConstraint(
                condition=models.Q(closed_person="")
                | (
                    ~models.Q(closed_person=models.F("recorded_person"))
                    & ~models.Q(closed_person=models.F("owner"))
                ),
                name="a_finding_is_closed_by_another_person",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due"],
                condition=models.Q(closed_at__isnull=True),
                name="open_findings",
            ),
            models.Index(
                fields=["owner"],
                condition=models.Q(closed_at__isnull=True),
                name="open_findings_of_owner",
            ),
            models.Index(fields=["recorded_at"], name="findings_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.severity} finding on {self.version}: {self.title}"

    def is_open(self) -> bool:
        return self.closed_at is None

    def is_overdue(self, today: date | None = None) -> bool:
        """Whether it is open past its due day; the day itself still counts."""
        return self.is_open() and self.due < (today or timezone.now().date())
