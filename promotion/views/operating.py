"""Pages that do something to one model in one environment: for its operators."""

from django.http import HttpRequest
from django.utils import timezone

from governance import access
from governance.access import Permission
from governance.models import Environment
from promotion.selectors import model_page
from promotion.selectors.model_page import ModelPage
from promotion.views.frame import actor_of, place_of


def operated(request: HttpRequest, environment: str, name: str) -> tuple[Environment, ModelPage]:
    """The environment and the model there, for somebody who operates it.

    Raises:
        NotFound: one of them is not there, or not for this person to see.
        Forbidden: this person may look, and no more.
    """
    places = place_of(request, environment)
    found = model_page.model_page(name, places, now=timezone.now())
    access.require(
        actor_of(request), Permission.OPERATE, environment=places[0], group=found.model.group
    )
    return places[0], found
