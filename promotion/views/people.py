"""The page of who may do what. It shows; the API gives and takes."""

from django.http import HttpRequest, HttpResponse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from governance import access, names, selectors
from governance.access import Permission
from governance.errors import GovernanceError
from governance.services import access_log
from promotion.selectors.people import MOST
from promotion.selectors.people import people as selector
from promotion.views.frame import actor_of, framed, page

LARGEST = 2**63 - 1
DIGITS = 19
"""Of the largest entry there can be."""
PARAMETERS = ("person", "environment", "before")
COMMAND = """curl -X POST "$LOCKGATE_URL/api/v1/people/NAME/roles" \\
  -H "Authorization: Bearer $LOCKGATE_TOKEN" -H "Content-Type: application/json" \\
  -d '{"role": "viewer", "environment": "prod-eu", "group": ""}'"""
"""Gives a role; no environment is all of them, a blank group is all of them."""


@require_GET
@page
def people(request: HttpRequest) -> HttpResponse:
    """Show roles and tokens, and what was given and taken; of a person or a place, if asked."""
    actor = actor_of(request)
    access.require(actor, Permission.SEE_PEOPLE)
    asked = _asked(request)
    slug, person, before = asked["environment"], asked["person"], asked["before"]
    place = selectors.environment(slug) if slug else None
    found = selector(person=person, place=place, before=int(before) if before else None)
    kept = {name: asked[name] for name in ("person", "environment") if asked[name]}
    address, detail = request.META.get("REMOTE_ADDR"), urlencode({"page": "people", **kept})
    access_log.note(kind=access_log.LOG_READ, principal=actor.label, address=address, detail=detail)
    context = {
        "nav": "people",
        "people": found,
        "place": place,
        "person": person,
        "newest": not before,
        "query": urlencode(kept),
        "most": MOST,
        "command": COMMAND,
    }
    return framed(request, "people.html", context)


def _asked(request: HttpRequest) -> dict[str, str]:
    """Read the query: each parameter at most once, none but these. A blank one is none.

    Raises:
        GovernanceError: ``invalid_query``; 400, as in the API: 422 is for forms.
    """
    problems = {
        name: "is not known here" if name not in PARAMETERS else "is given more than once"
        for name, values in request.GET.lists()
        if name not in PARAMETERS or len(values) > 1
    }
    asked = {name: request.GET.get(name, "").strip() for name in PARAMETERS}
    if problem := names.problem_with(asked["person"], limit=150, blank=True):
        problems["person"] = problem
    if asked["environment"] and not names.is_slug(asked["environment"]):
        problems["environment"] = "is no name of one"
    if asked["before"] and not _is_entry(asked["before"]):
        problems["before"] = "is no number of an entry"
    if problems:
        words = "; ".join(f"{name[:40]} {problem}" for name, problem in problems.items())
        message = f"The query cannot be understood: {words}."
        raise GovernanceError(message, code="invalid_query")
    return asked


def _is_entry(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= DIGITS and int(text) <= LARGEST
