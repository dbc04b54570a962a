"""What the registry API takes, and what it gives."""

from typing import Any

from rest_framework import serializers

from governance.api.fields import Choice, Number, Slug, Strict, Text
from registry.models import Attestation, RegisteredModel

_DIRECTIONS = [("max", "higher is better"), ("min", "lower is better")]


class ModelIn(Strict):
    """``name`` is for good."""

    name = Slug()
    owner = Text(limit=100)
    purpose = Text(limit=5_000)
    group = Slug(required=False)
    risk_tier = Choice(choices=RegisteredModel.Tier.choices, required=False)
    regimes = serializers.ListField(child=Text(limit=100), max_length=50, required=False)
    optimising_metric = Text(limit=63, blank=True, required=False)
    optimising_direction = Choice(choices=_DIRECTIONS, required=False)
    satisficing = serializers.DictField(child=Number(), required=False)
    latency_budget_ms = Number(required=False, allow_null=True)


class ModelOut(serializers.ModelSerializer[RegisteredModel]):
    """A registered model."""

    class Meta:
        model = RegisteredModel
        fields = (
            "id",
            "name",
            "group",
            "owner",
            "purpose",
            "risk_tier",
            "regimes",
            "optimising_metric",
            "optimising_direction",
            "satisficing",
            "latency_budget_ms",
            "created_at",
        )


class FileOut(serializers.Serializer[Any]):
    """A file of a version."""

    path = serializers.CharField()
    role = serializers.CharField()
    sha256 = serializers.CharField(source="blob_id")
    size = serializers.IntegerField(source="blob.size")


class ReasonOut(serializers.Serializer[Any]):
    """Why an inspection rejected a version."""

    code = serializers.CharField()
    detail = serializers.CharField()


class AttestationIn(Strict):
    """Evidence: what it is, and what it says."""

    kind = Choice(choices=Attestation.Kind.choices)
    document = serializers.DictField()


class AttestationOut(serializers.ModelSerializer[Attestation]):
    """Evidence as it was given."""

    sha256 = serializers.CharField(source="blob_id")

    class Meta:
        model = Attestation
        fields = ("id", "kind", "sha256", "document", "attested_by", "by_author", "at")


class VersionOut(serializers.Serializer[Any]):
    """A version as lists show it."""

    id = serializers.UUIDField()
    model = serializers.CharField(source="model.name")
    number = serializers.IntegerField()
    digest = serializers.CharField()
    status = serializers.CharField(source="inspection.status")
    reasons = ReasonOut(source="inspection.reasons", many=True)
    authors = serializers.ListField(child=serializers.CharField())
    registered_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    files = FileOut(source="files.all", many=True)


class VersionDetailOut(VersionOut):
    """A version with all that is known of it here."""

    inspected_at = serializers.DateTimeField(source="inspection.finished_at", allow_null=True)
    facts = serializers.DictField(source="inspection.facts")
    manifest = serializers.DictField()
    attestations = AttestationOut(source="attestations.all", many=True)


class BlobOut(serializers.Serializer[Any]):
    """Bytes that are kept."""

    sha256 = serializers.CharField()
    size = serializers.IntegerField()


class ModelPageOut(serializers.Serializer[Any]):
    """A page of models."""

    items = ModelOut(many=True)
    next = serializers.CharField(allow_null=True)


class VersionPageOut(serializers.Serializer[Any]):
    """A page of versions."""

    items = VersionOut(many=True)
    next = serializers.CharField(allow_null=True)
