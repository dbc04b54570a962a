"""A table of the admin that shows and never changes.

What changes something goes through a service and leaves an audit entry, so it has a
page or a call of its own. The history of an object is what the audit log says of it,
not what Django's admin remembers.
"""

from typing import Any, ClassVar, Generic, TypeVar

from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import PAGE_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin

from governance import access
from governance.access import Permission
from governance.audit import selectors as audit
from governance.models import User

M = TypeVar("M", bound=Model)
PAGE = 100


class ReadOnlyAdmin(ModelAdmin, Generic[M]):  # type: ignore[misc]  # unfold has no types
    """Derive, and name what the audit log calls a row: ``subject_kind``."""

    subject_kind: ClassVar[str] = ""
    """``deployment`` for subjects like ``deployment:<id>``; empty where there is no history."""

    list_per_page = 50
    show_full_result_count = False
    actions = None
    object_history_template = "admin/audit_history.html"

    def audit_names(self, row: M) -> tuple[str, ...]:
        """Return the subjects and objects whose entries are this row's history."""
        return (f"{self.subject_kind}:{row.pk}",) if self.subject_kind else ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_look(request)

    def has_view_permission(self, request: HttpRequest, obj: M | None = None) -> bool:  # noqa: ARG002
        return may_look(request)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:  # noqa: ARG002
        return False

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Show the chained audit entries about a row, newest first."""
        if not may_look(request):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            message = "There is no such row."
            raise Http404(message)
        names = self.audit_names(row)
        entries = audit.entries().filter(Q(subject__in=names) | Q(object__in=names))
        page = self.get_paginator(request, entries.order_by("-seq"), PAGE).get_page(
            request.GET.get(PAGE_VAR, 1)
        )
        context = {
            **self.admin_site.each_context(request),
            "title": f"What the audit log says of {row}",
            "page": page,
            "rows": [(entry, audit.details(entry)) for entry in page],
            "page_var": PAGE_VAR,
            "object": row,
            "opts": self.opts,
            "module_name": str(self.opts.verbose_name_plural),
            **(extra_context or {}),
        }
        return TemplateResponse(request, self.object_history_template, context)


def may_look(request: HttpRequest) -> bool:
    """Tell whether this is staff who audits or administers. A superuser as such may not."""
    user = request.user
    if not isinstance(user, User) or not (user.is_active and user.is_staff):
        return False
    roles = access.roles_of(user.actor)
    needed = access.ROLES[Permission.AUDIT] | access.ROLES[Permission.ADMINISTER]
    return bool(roles & needed)
