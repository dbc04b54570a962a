"""What exists: registered models, their sealed versions, and bytes by digest.

Nothing here is deleted, and a version is never edited: what comes later, such
as the outcome of its inspection, lies in a row of its own.
"""

from typing import ClassVar
from uuid import uuid4

from django.db import models
from django.utils import timezone


class RegisteredModel(models.Model):
    """A model as the organisation knows it, whatever version is in use."""

    class Tier(models.TextChoices):
        LOW = "low"
        MEDIUM = "medium"
        HIGH = "high"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    name = models.SlugField(max_length=63, unique=True)
    group = models.CharField(max_length=63, blank=True, default="")
    owner = models.CharField(max_length=100)
    purpose = models.TextField()
    risk_tier = models.CharField(max_length=6, choices=Tier.choices, default=Tier.MEDIUM)
    regimes = models.JSONField(default=list, blank=True)
    optimising_metric = models.CharField(max_length=63, blank=True, default="")
    optimising_direction = models.CharField(
        max_length=3,
        choices=[("max", "higher is better"), ("min", "lower is better")],
        default="max",
    )
    satisficing = models.JSONField(default=dict, blank=True)
    latency_budget_ms = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Blob(models.Model):
    """Bytes that are in the store, by their SHA-256. Written once, never overwritten."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    size = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=100)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(size__gte=0), name="a_blob_has_a_size"),
            models.CheckConstraint(
                condition=models.Q(sha256__regex=r"^[0-9a-f]{64}$"),
                name="a_blob_is_named_by_sha256",
            ),
        ]

    def __str__(self) -> str:
        return f"sha256:{self.sha256[:12]}"


class ModelVersion(models.Model):
    """One sealed version. ``digest`` is the SHA-256 of its manifest, itself a blob."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    manifest_blob = models.ForeignKey(Blob, models.PROTECT, related_name="+")
    manifest = models.JSONField()
    authors = models.JSONField()
    registered_by = models.CharField(max_length=150)
    registered_by_person = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["model", "number"], name="a_number_is_never_reused"),
            models.UniqueConstraint(fields=["model", "digest"], name="a_digest_is_registered_once"),
            models.CheckConstraint(condition=models.Q(number__gte=1), name="numbers_start_at_one"),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.number}"


class VersionFile(models.Model):
    """A file a version's manifest names."""

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="files")
    path = models.CharField(max_length=255)
    role = models.CharField(max_length=20)
    blob = models.ForeignKey(Blob, models.PROTECT, related_name="named_by")

    class Meta:
        ordering: ClassVar = ["path"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "path"], name="a_path_once_in_a_version"),
        ]

    def __str__(self) -> str:
        return self.path


class Attestation(models.Model):
    """Evidence that came after the manifest, sealed as a blob. It overrides nothing."""

    class Kind(models.TextChoices):
        VALIDATION_REPORT = "validation_report", "validation report"
        DATA_DETAILS = "data_details", "data details"
        MODEL_CARD = "model_card", "model card"
        LINEAGE = "lineage", "lineage"
        OTHER = "other", "other"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="attestations")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    blob = models.ForeignKey(Blob, models.PROTECT, related_name="+")
    document = models.JSONField()
    attested_by = models.CharField(max_length=150)
    persons = models.JSONField(default=list)
    """Who stands behind it: the person who signed in, or the token's owner."""
    by_author = models.BooleanField()
    """One of those persons is an author of the version."""
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version", "kind", "blob"], name="attested_once_in_the_same_words"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.version}"


class DatasetUseQuerySet(models.QuerySet["DatasetUse"]):
    def current(self) -> "DatasetUseQuerySet":
        """Leave out what a later row about the same data of the same version completes."""
        later = DatasetUse.objects.filter(
            version=models.OuterRef("version"),
            name=models.OuterRef("name"),
            pk__gt=models.OuterRef("pk"),
        )
        return self.filter(~models.Exists(later))


class DatasetUse(models.Model):
    """Data a version was made of, as its manifest says, or evidence that came later.

    Evidence may fill what was left open: then it has a row of its own, with all that is
    known by then, and the row before it stays.
    """

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="dataset_uses")
    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    edition = models.CharField(max_length=200, blank=True, default="")
    begins = models.DateTimeField(null=True)
    ends = models.DateTimeField(null=True)
    """The last moment it is about; of a day, its end. None, as of ``begins``: not supplied."""
    source = models.TextField(blank=True, default="")
    licence = models.CharField(max_length=200, blank=True, default="")
    attestation = models.ForeignKey(
        Attestation, models.PROTECT, null=True, related_name="dataset_uses"
    )
    """What said so after the manifest; None for the manifest."""

    objects = DatasetUseQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version", "name"],
                condition=models.Q(attestation__isnull=True),
                name="data_named_once_by_a_manifest",
            ),
            models.UniqueConstraint(
                fields=["attestation", "name"], name="data_named_once_by_an_attestation"
            ),
            models.CheckConstraint(
                condition=models.Q(digest__regex=r"^[0-9a-f]{64}$"),
                name="data_is_named_by_sha256",
            ),
            models.CheckConstraint(
                condition=models.Q(begins__isnull=True)
                | models.Q(ends__isnull=True)
                | models.Q(begins__lte=models.F("ends")),
                name="data_begins_before_it_ends",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["digest"], name="data_by_digest"),
            models.Index(fields=["name", "digest"], name="data_by_name"),
            models.Index(fields=["begins", "ends"], name="data_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.name} in {self.version_id}"


class ParentLink(models.Model):
    """A version comes from another one. A trigger lets no version come from itself."""

    class Relation(models.TextChoices):
        DERIVED = "derived", "derived from"
        RETRAINED = "retrained", "retrained from"
        FINE_TUNED = "fine_tuned", "fine-tuned from"
        DISTILLED = "distilled", "distilled from"
        ENSEMBLE = "ensemble", "made of"
        CONVERTED = "converted", "converted from"

    child = models.ForeignKey(ModelVersion, models.PROTECT, related_name="parent_links")
    parent = models.ForeignKey(ModelVersion, models.PROTECT, related_name="child_links")
    relation = models.CharField(max_length=10, choices=Relation.choices)
    attestation = models.ForeignKey(
        Attestation, models.PROTECT, null=True, related_name="parent_links"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["child", "parent"], name="one_link_to_a_parent"),
            models.CheckConstraint(
                condition=~models.Q(child=models.F("parent")), name="nobody_is_their_own_parent"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.child_id} {self.get_relation_display()} {self.parent_id}"


class Inspection(models.Model):
    """What parsing a version's files in a limited subprocess found. Runs nothing."""

    class Status(models.TextChoices):
        INSPECTING = "inspecting"
        READY = "ready"
        REJECTED = "rejected"

    version = models.OneToOneField(
        ModelVersion, models.PROTECT, primary_key=True, related_name="inspection"
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.INSPECTING)
    reasons = models.JSONField(default=list)
    facts = models.JSONField(default=dict)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.version}: {self.status}"
