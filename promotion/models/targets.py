"""Where models run: a target is one tier of one environment, with its own generations."""

from typing import ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.utils import timezone

from governance.errors import Conflict, NotFound


class TargetQuerySet(models.QuerySet["Target"]):
    def locked(self, environment_id: UUID, *, even_lost: bool = False) -> "dict[str, Target]":
        """Hold all targets of one environment until the transaction ends, by tier.

        Every decision about an environment takes this lock first, so decisions
        about one environment happen one after the other.

        Raises:
            NotFound: there are none.
            Conflict: ``history_lost``, unless ``even_lost``: nothing is decided here until
                an operator has said which history is right.
        """
        rows = (
            self.select_for_update(no_key=True).filter(environment=environment_id).order_by("tier")
        )
        found = {target.tier: target for target in rows.select_related("environment")}
        if not found:
            message = "This environment has no targets."
            raise NotFound(message, environment_id=str(environment_id))
        for target in found.values():
            if not even_lost:
                target.refuse_if_lost()
        return found

    def locked_everywhere(self) -> None:
        """Hold all targets there are until the transaction ends, for what concerns them all."""
        rows = self.select_for_update(no_key=True).order_by("environment", "tier")
        list(rows.values_list("pk", flat=True))


class Target(models.Model):
    """(environment, tier). All its agents get the same desired state."""

    class Tier(models.TextChoices):
        LIVE = "live"
        DARK = "dark"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    environment = models.ForeignKey(
        "governance.Environment", models.PROTECT, related_name="targets"
    )
    tier = models.CharField(max_length=4, choices=Tier.choices)
    generation = models.BigIntegerField(default=0)
    mirror_fraction = models.FloatField(default=0.0)
    highest_seen = models.BigIntegerField(default=0, editable=False)
    """Highest generation an agent said it had applied, while history was lost."""
    history_lost_at = models.DateTimeField(null=True, editable=False)
    """Since when agents are known to have applied what was never published here."""

    objects = TargetQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["environment__position", "-tier"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["environment", "tier"], name="one_target_per_tier"),
            models.CheckConstraint(
                condition=models.Q(mirror_fraction__gte=0, mirror_fraction__lte=1),
                name="a_mirror_fraction_is_a_fraction",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.environment}/{self.tier}"

    def refuse_if_lost(self) -> None:
        """Raise ``history_lost`` while agents are ahead of what was published here."""
        if self.history_lost_at is None:
            return
        message = (
            f"Agents of {self} have applied generation {self.highest_seen}, and the newest here"
            f" is {self.generation}: adopt what they serve, or override it."
        )
        raise Conflict(
            message, code="history_lost", newest=self.generation, highest_seen=self.highest_seen
        )


class DesiredState(models.Model):
    """What a target was told to run, as the exact bytes that were signed. Never changed."""

    id = models.BigAutoField(primary_key=True)
    target = models.ForeignKey(Target, models.PROTECT, related_name="states")
    generation = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    payload = models.BinaryField()
    envelope = models.BinaryField()
    cause = models.CharField(max_length=200)
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["-generation"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["target", "generation"], name="a_generation_is_never_reused"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.target} generation {self.generation}"


class Policy(models.Model):
    """The rules of one environment, or of one risk tier in it, as a document. Never changed."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    environment = models.ForeignKey(
        "governance.Environment", models.PROTECT, related_name="policies"
    )
    tier = models.CharField(max_length=6, blank=True, default="")
    """Models of this risk tier follow it; empty for those whose tier has no document here."""
    number = models.PositiveIntegerField()
    document = models.JSONField()
    sha256 = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["-number"]
        verbose_name_plural = "policies"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["environment", "number"], name="a_policy_number_is_never_reused"
            ),
            models.CheckConstraint(
                condition=models.Q(tier__in=["", "low", "medium", "high"]),
                name="a_policy_is_for_a_known_tier",
            ),
        ]

    def __str__(self) -> str:
        return f"policy {self.number} of {self.environment}"
