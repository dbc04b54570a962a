"""The base of every admin here: it shows rows, and the log's entries about each."""

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin

from governance import access
from governance.access import Permission
from governance.actors import Actor
from governance.audit.models import Entry
from governance.models import User
from promotion.selectors import timeline


def actor_of(request: HttpRequest) -> Actor | None:
    """The signed-in member of staff, or nobody."""
    user = request.user
    return Actor.from_user(user) if isinstance(user, User) and user.is_staff else None


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]
    """Nothing is added, changed or deleted, not even by a superuser.

    Who may look, and at which environments, follows from role bindings as anywhere.
    """

    actions = None
    environment_path: ClassVar[str] = ""
    """Where a row's environment is; empty for rows of no environment."""
    subject_kind: ClassVar[str] = ""
    """What the log calls such a row, as in ``request:<id>``."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        actor = actor_of(request)
        return actor is not None and access.allowed(actor, Permission.VIEW)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        actor = actor_of(request)
        if actor is None:
            return rows.none()
        if self.environment_path:
            visible = access.environments(actor).values("pk")
            rows = rows.filter(**{f"{self.environment_path}__in": visible})
        return rows

    def history_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the entries of the chain about this row."""
        row = self.get_object(request, object_id)
        if row is None or not self.has_view_permission(request, row):
            raise PermissionDenied
        subject = f"{self.subject_kind}:{row.pk}"
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {row}",
            "subtitle": None,
            "opts": self.opts,
            "object": row,
            "subject": subject if self.subject_kind else "",
            "events": timeline.read(Entry.objects.filter(subject=subject)),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/promotion/history.html", context)


def register(model: type[Model], **attributes: Any) -> None:
    """Register a model that is only shown."""
    name = f"{model.__name__}Admin"
    admin.site.register(model, type(name, (ReadOnlyAdmin,), attributes))
