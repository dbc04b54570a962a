"""Agents: what each was told, has applied and holds, and taking one out of the count."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from governance import access
from governance.access import Permission
from governance.errors import GovernanceError
from promotion.selectors import fleet as selector
from promotion.services import agents
from promotion.views.frame import STATUS, actor_of, framed, live, page, problems_of, visible


@require_GET
@page
def fleet(request: HttpRequest) -> HttpResponse:
    """Every agent by target; the live part asks for itself again."""
    places = visible(request)
    operable = {place.pk for place in access.environments(actor_of(request), Permission.OPERATE)}
    context = {
        "fleet": selector.fleet(places, now=timezone.now()),
        "operable": operable,
        "nav": "fleet",
    }
    if request.headers.get("HX-Request"):
        return live(request, "parts/fleet.html", context)
    return framed(request, "fleet.html", context, environments=places)


@require_http_methods(["GET", "POST"])
@page
def cordon(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take an agent out of what rollouts wait for, or back in: the other of the two."""
    agent = selector.agent(pk)
    place = agent.target.environment
    access.require(actor_of(request), Permission.OPERATE, environment=place)
    error: GovernanceError | None = None
    wanted = not agent.cordoned
    if request.method == "POST":
        wanted = request.POST.get("cordon") == "yes"
        change = agents.cordon if wanted else agents.uncordon
        try:
            change(agent_id=pk, reason=request.POST.get("reason", ""), actor=actor_of(request))
        except GovernanceError as refusal:
            error = refusal
        else:
            done = "cordoned. Rollouts no longer wait for it" if wanted else "counted again"
            messages.success(request, f"Agent {agent.name} is {done}.")
            return HttpResponseRedirect(f"{reverse('fleet')}#agent-{pk}")
    context = {
        "nav": "fleet",
        **_words(agent.name, place.slug, wanted=wanted),
        "hidden": {"cordon": "yes" if wanted else "no"},
        "back": f"{reverse('fleet')}#agent-{pk}",
        "reason": request.POST.get("reason", ""),
        "error": error,
        "problems": problems_of(error) if error else {},
    }
    status = STATUS.get(type(error), 400) if error else 200
    return framed(request, "confirm.html", context, status=status)


def _words(name: str, place: str, *, wanted: bool) -> dict[str, str]:
    if wanted:
        return {
            "title": f"Cordon agent {name} in {place}?",
            "consequence": "It keeps serving what it serves and still follows its desired state,"
            " but rollouts no longer wait for it and it confirms nothing."
            " Uncordon it to undo this.",
            "button": f"Cordon {name}",
        }
    return {
        "title": f"Count agent {name} in {place} again?",
        "consequence": "Rollouts wait for it again, and champions need its confirmation.",
        "button": f"Uncordon {name}",
    }
