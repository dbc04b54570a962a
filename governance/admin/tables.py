"""The tables of ``governance`` and of the audit log."""

from typing import ClassVar

from django.contrib import admin
from django.contrib.auth import admin as _registered_before  # noqa: F401 - what it registered goes
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest

from governance.admin.read_only import ReadOnlyAdmin
from governance.audit import selectors as audit
from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.models import (
    AccessLog,
    Environment,
    Erasure,
    RoleBinding,
    ServiceToken,
    User,
)

# Roles are bindings; Django's groups mean nothing here, and its form would change them.
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(ReadOnlyAdmin[User]):
    subject_kind = "principal"
    list_display = ("username", "person", "display", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("username", "person", "first_name", "last_name")
    ordering = ("username",)
    fields = (
        "username",
        "person",
        "first_name",
        "last_name",
        "email",
        "is_active",
        "is_staff",
        "is_superuser",
        "date_joined",
        "last_login",
    )


@admin.register(ServiceToken)
class ServiceTokenAdmin(ReadOnlyAdmin[ServiceToken]):
    subject_kind = "token"
    list_display = ("name", "scope", "prefix", "owner", "created_at", "expires_at", "revoked_at")
    list_filter = ("scope",)
    list_select_related = ("owner",)
    search_fields = ("name", "prefix", "owner__username")
    ordering = ("-created_at",)
    fields = ("name", "scope", "prefix", "owner", "created_at", "expires_at", "revoked_at")

    def audit_names(self, row: ServiceToken) -> tuple[str, ...]:
        return f"token:{row.pk}", f"principal:{row.pk}"


@admin.register(RoleBinding)
class RoleBindingAdmin(ReadOnlyAdmin[RoleBinding]):
    subject_kind = "role"
    list_display = ("role", "user", "token", "environment", "group", "created_at", "revoked_at")
    list_filter = ("role", "environment")
    list_select_related = ("user", "token", "environment")
    search_fields = ("user__username", "token__name", "group")
    ordering = ("-created_at",)


@admin.register(Environment)
class EnvironmentAdmin(ReadOnlyAdmin[Environment]):
    subject_kind = "environment"
    list_display = ("slug", "kind", "position", "created_at")
    list_filter = ("kind",)
    search_fields = ("slug",)

    def audit_names(self, row: Environment) -> tuple[str, ...]:
        return f"environment:{row.pk}", f"environment:{row.slug}"


@admin.register(AccessLog)
class AccessLogAdmin(ReadOnlyAdmin[AccessLog]):
    list_display = ("at", "kind", "principal", "address", "detail")
    search_fields = ("=principal", "=kind")
    ordering = ("-at",)


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin[Erasure]):
    subject_kind = "entry"
    list_display = ("id", "state", "basis", "asked_by", "asked_at", "decided_by", "decided_at")
    list_filter = ("state",)
    ordering = ("-asked_at",)


class ActionFilter(admin.SimpleListFilter):
    """The closed vocabulary; asking the table for what it holds would read all of it."""

    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        return [(action.value, action.value) for action in Action]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:  # noqa: ARG002
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin[Entry]):
    list_display = ("seq", "moment", "action", "object", "subject", "actor_kind", "environment")
    list_filter = (ActionFilter,)
    search_fields = ("=object", "=subject", "=actor_id", "=model")
    ordering = ("-seq",)
    fields: ClassVar = (
        "seq",
        "moment",
        "action",
        "object",
        "object_seq",
        "subject",
        "actor_kind",
        "actor_id",
        "model",
        "model_version",
        "environment",
        "request",
        "details",
        "leaf",
        "hash",
        "prev_hash",
    )
    readonly_fields = ("details", "moment")

    def audit_names(self, row: Entry) -> tuple[str, ...]:
        return (row.object,)

    @admin.display(description="at (UTC)", ordering="at")
    def moment(self, row: Entry) -> str:
        return f"{row.at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="details")
    def details(self, row: Entry) -> str:
        found = audit.details(row)
        return "erased" if found is None else ", ".join(f"{k}: {v}" for k, v in found.items())
