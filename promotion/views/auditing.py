"""What the pages of the auditor's desk share: who gets in, what was asked, and that it is noted."""

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse

from governance import access
from governance.access import Permission
from governance.errors import GovernanceError
from governance.exports import Listing
from governance.services import access_log
from promotion import desk
from promotion.views.frame import actor_of, framed


def asked_of(request: HttpRequest, *names: str) -> dict[str, str]:
    """Let an auditor in, and read what is asked: each parameter at most once, none but these.

    Raises:
        Forbidden: no auditor everywhere.
        GovernanceError: ``invalid_query``; 400, as in the API: 422 is for forms.
    """
    access.require(actor_of(request), Permission.AUDIT)
    known = {*names, "as"}
    problems = {
        name: "is not known here" if name not in known else "is given more than once"
        for name, values in request.GET.lists()
        if name not in known or len(values) > 1
    }
    if problems:
        words = "; ".join(f"{name[:40]} {problem}" for name, problem in problems.items())
        message = f"The query cannot be understood: {words}."
        raise GovernanceError(message, code="invalid_query")
    asked = {name: request.GET.get(name, "").strip() for name in request.GET}
    return {name: text for name, text in asked.items() if text}


def noted(request: HttpRequest, page: str, asked: Mapping[str, str]) -> None:
    """Write down who read what; the access log is sealed by the hour."""
    detail = urlencode({"page": page, **asked})
    access_log.note_reading(request, reader=actor_of(request).label, detail=detail)


def shown(
    request: HttpRequest,
    template: str,
    *,
    asked: Mapping[str, str],
    listing: Callable[[], Listing],
    context: Mapping[str, object],
) -> HttpResponse:
    """Answer with the page, or with its list as a file; either is noted."""
    form = desk.form(asked)
    noted(request, template.partition("/")[2].removesuffix(".html"), asked)
    if form is not None:
        return listing().as_file(form)
    kept = {name: text for name, text in asked.items() if name != "as"}
    return framed(
        request, template, {"nav": "audit", "asked": kept, "query": urlencode(kept), **context}
    )
