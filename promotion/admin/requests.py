"""Requests in the admin: signing and rolling back by forms that call the services."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from governance import access
from governance.admin import ReadOnlyAdmin
from governance.errors import GovernanceError
from governance.models import User
from promotion.models import Approval, Request
from promotion.selectors import promotion_page
from promotion.services import passwords, requests, rollbacks


class SigningForm(forms.Form):
    """What a signature needs; the service checks all of it."""

    meaning = forms.ChoiceField(
        choices=Approval.Meaning.choices,
        initial=Approval.Meaning.APPROVAL,
        widget=UnfoldAdminSelectWidget,
    )
    comment = forms.CharField(required=False, strip=False, widget=UnfoldAdminTextareaWidget)
    password = forms.CharField(
        strip=False, label="Your password, again", widget=UnfoldAdminPasswordWidget
    )
    content_hash = forms.CharField(widget=forms.HiddenInput)


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(strip=False, widget=UnfoldAdminTextareaWidget)


@admin.register(Request)
class RequestAdmin(ReadOnlyAdmin[Request]):
    """Shows requests. What changes something is a form of its own, sent by POST."""

    list_display = ("what", "state", "requester_label", "created_at", "settled_at")
    list_filter = ("state", "kind", "environment")
    list_select_related = ("deployment__version__model", "model", "environment")
    search_fields = ("model__name", "ticket", "requester_label")
    subject_kind: ClassVar[str] = "request"
    actions_detail: ClassVar[list[str]] = ["approve", "reject", "roll_back"]

    @admin.display(description="request")
    def what(self, row: Request) -> str:
        """Say which version, and where."""
        place = row.environment.slug
        return f"{row.get_kind_display()} {row.deployment.version} in {place}"

    def has_view_permission(self, request: HttpRequest, obj: Request | None = None) -> bool:
        """Staff see the requests of the environments and models they have a role for."""
        if not isinstance(request.user, User) or not request.user.is_staff:
            return False
        seen = access.reach(request.user.actor)
        if obj is None:
            return seen.covers()
        return seen.covers(environment=obj.environment_id, group=obj.model.group)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def audit_names(self, row: Request) -> tuple[str, ...]:
        """The request, and every signature under it."""
        return (row.subject, *(f"approval:{one.pk}" for one in row.approvals.all()))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Request]:
        rows: QuerySet[Request] = super().get_queryset(request)
        return rows.filter(access.reach(_user(request).actor).rows())

    @action(description="Approve ...", url_path="approve")  # type: ignore[untyped-decorator]
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Sign for it."""
        return self._sign(request, object_id, verb="Approve", service=requests.approve)

    @action(description="Reject ...", url_path="reject")  # type: ignore[untyped-decorator]
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Sign against it."""
        return self._sign(request, object_id, verb="Reject", service=requests.reject)

    @action(description="Roll back ...", url_path="roll-back")  # type: ignore[untyped-decorator]
    def roll_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the champion before answer again, where this request is."""
        row, form = self._row(request, object_id), ReasonForm(request.POST or None)
        place, model = row.environment.slug, row.model.name

        def carry_out(data: Mapping[str, Any]) -> UUID:
            done = rollbacks.rollback(
                environment=place, model=model, actor=_user(request).actor, **data
            )
            return done.pk

        return self._form(
            request,
            row,
            form,
            title=f"Roll {model} back in {place}",
            words=f"The former champion of {model} answers in {place} again, at once on every"
            " agent. To undo this, roll back again.",
            carry_out=carry_out,
        )

    def _sign(
        self, request: HttpRequest, object_id: str, *, verb: str, service: Callable[..., Request]
    ) -> HttpResponse:
        row = self._row(request, object_id)
        form = SigningForm(request.POST or None, initial={"content_hash": row.content_hash})

        def carry_out(data: Mapping[str, Any]) -> UUID:
            user, address = _user(request), request.META.get("REMOTE_ADDR")
            passwords.confirm(user=user, password=data["password"], address=address)
            return service(request_id=row.pk, user=user, actor=user.actor, **data).pk

        return self._form(
            request,
            row,
            form,
            title=f"{verb} {row.model.name} for {row.environment.slug}",
            words=f"You sign: {promotion_page.signed_sentence(row)}",
            carry_out=carry_out,
        )

    def _form(
        self,
        request: HttpRequest,
        row: Request,
        form: forms.Form,
        *,
        title: str,
        words: str,
        carry_out: Callable[[Mapping[str, Any]], UUID],
    ) -> HttpResponse:
        """Show a form; once it is sent and whole, call the service with what it says."""
        if request.method == "POST" and form.is_valid():
            try:
                done = carry_out(form.cleaned_data)
            except GovernanceError as error:
                form.add_error(None, error.message)
            else:
                messages.success(request, "Done, and in the audit log.")
                return HttpResponseRedirect(reverse("admin:promotion_request_change", args=[done]))
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "words": words,
            "form": form,
            "opts": self.opts,
            "object": row,
        }
        status = 422 if form.errors else 200
        template = "admin/promotion/form.html"
        return TemplateResponse(request, template, context, status=status)

    def _row(self, request: HttpRequest, object_id: str) -> Request:
        row = self.get_object(request, object_id)
        if not isinstance(row, Request) or not self.has_view_permission(request, row):
            raise PermissionDenied
        return promotion_page.find(row.pk)


def _user(request: HttpRequest) -> User:
    if isinstance(request.user, User):
        return request.user
    raise PermissionDenied
