"""Agents: what each was told, has applied and holds, and taking one out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from governance import access
from governance.access import Permission
from governance.errors import GovernanceError
from promotion.models import Agent
from promotion.selectors import fleet as selector
from promotion.services import agents
from promotion.views.frame import (
    actor_of,
    framed,
    live,
    page,
    text_of,
    visible,
)


@require_GET
@page
def fleet(request: HttpRequest) -> HttpResponse:
    """Every agent by target; the live part asks for itself again."""
    places = visible(request)
    operable = {
        place.pk for place in access.environments(actor_of(request), Permission.OPERATE, group="")
    }
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
    wanted = not agent.cordoned
    if request.method == "POST":
        wanted = request.POST.get("cordon") == "yes"
    act = CORDON if wanted else UNCORDON
    return _changed(request, agent, act, hidden={"cordon": "yes" if wanted else "no"})


@require_http_methods(["GET", "POST"])
@page
def evict(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take an agent out at once."""
    return _changed(request, selector.agent(pk), EVICT)


@require_http_methods(["GET", "POST"])
@page
def decommission(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Strike an agent off for good."""
    return _changed(request, selector.agent(pk), DECOMMISSION)


@dataclass(frozen=True, slots=True)
class _Act:
    """One way to change how an agent stands: the service, and its words."""

    change: Callable[..., Agent]
    title: str
    consequence: str
    button: str
    done: str


CORDON = _Act(
    agents.cordon,
    title="Cordon agent {name} in {place}?",
    consequence="It keeps serving what it serves and still follows its desired state,"
    " but rollouts no longer wait for it and it confirms nothing."
    " Uncordon it to undo this.",
    button="Cordon {name}",
    done="Agent {name} is cordoned. Rollouts no longer wait for it.",
)
UNCORDON = _Act(
    agents.uncordon,
    title="Count agent {name} in {place} again?",
    consequence="Rollouts wait for it again, and champions need its confirmation.",
    button="Uncordon {name}",
    done="Agent {name} is counted again.",
)
EVICT = _Act(
    agents.evict,
    title="Evict agent {name} from {place}?",
    consequence="Its token ends at once: it is told nothing more and nothing it says counts, so no"
    " rollout waits for it. What it serves goes on answering whoever calls it, unseen from here;"
    " take callers away from it and end its process. To undo this, decommission it and let it"
    " enrol again.",
    button="Evict {name}",
    done="Agent {name} is evicted. End its process, then decommission it.",
)
DECOMMISSION = _Act(
    agents.decommission,
    title="Decommission agent {name} in {place}?",
    consequence="It is struck off for good, and its name may be taken by another agent."
    " What it did stays in the audit log. This cannot be undone.",
    button="Decommission {name}",
    done="Agent {name} is decommissioned. Its name is free.",
)


def _changed(
    request: HttpRequest, agent: Agent, act: _Act, *, hidden: Mapping[str, str] | None = None
) -> HttpResponse:
    """Say what will happen and how to undo it; then do it."""
    place = agent.target.environment
    access.require(actor_of(request), Permission.OPERATE, environment=place)
    words = {"name": agent.name, "place": place.slug}
    reason = text_of(request.POST, "reason")
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            act.change(agent_id=agent.pk, reason=reason, actor=actor_of(request))
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, act.done.format(**words))
            return HttpResponseRedirect(f"{reverse('fleet')}#agent-{agent.pk}")
    context = {
        "nav": "fleet",
        "title": act.title.format(**words),
        "consequence": act.consequence,
        "button": act.button.format(**words),
        "hidden": hidden or {},
        "back": f"{reverse('fleet')}#agent-{agent.pk}",
        "reason": reason,
    }
    return framed(request, "confirm.html", context, error=error)
