"""The tables of ``registry``."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from governance.admin import ReadOnlyAdmin
from registry.models import Blob, Inspection, ModelVersion, RegisteredModel, VersionFile


@admin.register(RegisteredModel)
class RegisteredModelAdmin(ReadOnlyAdmin[RegisteredModel]):
    list_display = ("name", "group", "owner", "risk_tier", "latency_budget_ms", "created_at")
    list_filter = ("risk_tier", "group")
    search_fields = ("name", "owner", "purpose")
    ordering = ("name",)

    def audit_names(self, row: RegisteredModel) -> tuple[str, ...]:
        return (f"model:{row.name}",)


class FilesInline(admin.TabularInline):  # type: ignore[type-arg]  # a class only to type checkers
    """The files of a version."""

    model = VersionFile
    fields = readonly_fields = ("path", "role", "blob")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return False

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return True  # Whoever sees the version sees its files; the version's page asks.


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin[ModelVersion]):
    subject_kind = "version"
    list_display = ("model", "number", "status", "digest", "registered_by", "created_at")
    list_filter = ("inspection__status",)
    search_fields = ("model__name", "digest", "registered_by")
    ordering = ("-created_at",)
    inlines: ClassVar = [FilesInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        rows: QuerySet[ModelVersion] = super().get_queryset(request)
        return rows.select_related("model", "inspection")

    @admin.display(ordering="inspection__status")
    def status(self, row: ModelVersion) -> str:
        """Say how the inspection stands."""
        return row.inspection.get_status_display()


@admin.register(Inspection)
class InspectionAdmin(ReadOnlyAdmin[Inspection]):
    list_display = ("version", "status", "finished_at")
    list_filter = ("status",)
    search_fields = ("version__model__name",)
    ordering = ("-version__created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Inspection]:
        rows: QuerySet[Inspection] = super().get_queryset(request)
        return rows.select_related("version__model")

    def audit_names(self, row: Inspection) -> tuple[str, ...]:
        return (f"version:{row.pk}",)


@admin.register(Blob)
class BlobAdmin(ReadOnlyAdmin[Blob]):
    list_display = ("sha256", "size", "created_at", "created_by")
    search_fields = ("sha256", "created_by")
    ordering = ("-created_at",)
