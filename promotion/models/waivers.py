"""A waiver: a risk officer lets one gate pass, for one version in one place, until some time."""

from typing import ClassVar
from uuid import uuid4

from django.db import models
from django.utils import timezone


class Waiver(models.Model):
    """Never changed. It counts for what is asked while it holds."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    version = models.ForeignKey("registry.ModelVersion", models.PROTECT, related_name="waivers")
    environment = models.ForeignKey("governance.Environment", models.PROTECT, related_name="+")
    gate = models.CharField(max_length=40)
    reason = models.TextField()
    user = models.ForeignKey("governance.User", models.PROTECT, related_name="+")
    person = models.CharField(max_length=100)
    name = models.CharField(max_length=200)
    at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("at")), name="a_waiver_ends_later"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gate} waived for {self.version} in {self.environment}"
