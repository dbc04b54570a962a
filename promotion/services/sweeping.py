"""Finds what is due whether or not anybody was woken for it.

Everything here can be repeated and done by two workers at once: each service
locks, looks again, and does nothing when there is nothing to do.
"""

import logging
from collections.abc import Callable
from functools import partial

from django.utils import timezone

from governance.actors import Actor
from governance.errors import GovernanceError
from promotion.models import Pulse, Request, Rollout
from promotion.services import execution, requests, rollouts
from registry.services import inspections

logger = logging.getLogger(__name__)
SWEEP = Actor.from_task("promotion.sweep")


def sweep() -> int:
    """Expire, start and advance what is due; return how many rows were looked at."""
    now = timezone.now()
    over = Request.objects.filter(state__in=["open", "approved"], expires_at__lte=now)
    approved = Request.objects.filter(state=Request.State.APPROVED)
    running = Rollout.objects.filter(ended_at=None)
    seen = 0
    for pk in list(over.values_list("pk", flat=True)):
        seen += _try(partial(requests.expire, request_id=pk, actor=SWEEP))
    for pk in list(approved.order_by("created_at").values_list("pk", flat=True)):
        seen += _try(partial(execution.start, request_id=pk, actor=SWEEP))
    for pk in list(running.order_by("started_at").values_list("pk", flat=True)):
        seen += _try(partial(rollouts.advance, rollout_id=pk, actor=SWEEP))
    seen += _try(inspections.sweep_inspections)
    Pulse.objects.update_or_create(name=Pulse.SWEEP, defaults={"at": timezone.now()})
    return seen


def _try(step: Callable[[], object]) -> int:
    """One row that cannot move must not hold back the others."""
    try:
        step()
    except GovernanceError as error:
        logger.warning("the sweep left one as it is: %s", error)
    except Exception:
        logger.exception("the sweep left one as it is")
    return 1
