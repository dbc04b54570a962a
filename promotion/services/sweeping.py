"""Finds what is due whether or not anybody was woken for it.

Everything here can be repeated and done by two workers at once: each service
locks, looks again, and does nothing when there is nothing to do.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from uuid import UUID

from django.utils import timezone

from governance.actors import Actor
from governance.errors import GovernanceError
from governance.services import access_digests
from promotion.models import Approval, Deployment, PolicyRequest, Pulse, Request, Rollout
from promotion.selectors import darkened, standing
from promotion.services import agents, execution, latencies, policy_requests, requests, rollouts
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
    for pk in list(_policies_over(now)):
        seen += _try(partial(policy_requests.expire, request_id=pk, actor=SWEEP))
    for pk in list(_approved_by_the_disabled()):
        seen += _try(partial(requests.void_disabled, request_id=pk, actor=SWEEP))
    for pk in standing.overtaken(now=now):
        seen += _try(partial(requests.void_overtaken, request_id=pk, actor=SWEEP, now=now))
    for pk in list(approved.order_by("created_at").values_list("pk", flat=True)):
        seen += _try(partial(execution.start, request_id=pk, actor=SWEEP))
    for pk in list(running.order_by("started_at").values_list("pk", flat=True)):
        seen += _try(partial(rollouts.advance, rollout_id=pk, actor=SWEEP))
    for deployment, days in darkened.overdue(now=now):
        seen += _try(partial(_retire, deployment, days))
    for pk in list(agents.waiting()):
        seen += _try(partial(agents.catch_up, agent_id=pk, now=now))
    seen += _try(inspections.sweep_inspections)
    seen += _try(partial(latencies.forget, now=now))
    seen += _try(partial(access_digests.seal, now=now))
    Pulse.objects.update_or_create(name=Pulse.SWEEP, defaults={"at": timezone.now()})
    return seen


def _policies_over(now: datetime) -> Iterable[UUID]:
    """Requests for a policy that nobody settled in time."""
    rows = PolicyRequest.objects.filter(state=PolicyRequest.State.OPEN, expires_at__lte=now)
    return rows.values_list("pk", flat=True)


def _approved_by_the_disabled() -> Iterable[UUID]:
    """Open requests with the approval of somebody who is disabled by now."""
    given = Approval.objects.filter(
        decision=Approval.Decision.APPROVE,
        user__is_active=False,
        request__state=Request.State.OPEN,
    )
    return given.values_list("request", flat=True).distinct()


def _retire(deployment: Deployment, days: float) -> None:
    requests.open_request(
        model=deployment.model.name,
        version=deployment.version.number,
        environment=deployment.environment.slug,
        to="retired",
        reason=f"Dark for more than {days:g} days, and nobody asked to promote it.",
        actor=SWEEP,
    )


def _try(step: Callable[[], object]) -> int:
    """One row that cannot move must not hold back the others."""
    try:
        step()
    except GovernanceError as error:
        logger.warning("the sweep left one as it is: %s", error)
    except Exception:
        logger.exception("the sweep left one as it is")
    return 1
