"""Tells agents to load and unload, and notes what came of it."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from django.utils import timezone

from promotion.adapters import hints
from promotion.models import Agent, Telling
from promotion.placement import EVERYWHERE
from promotion.selectors import fleet_facts, placements
from registry.models import ModelVersion

AT_ONCE = 16


def tell(*, action: str, target_id: UUID, version_id: UUID, generation: int) -> int:
    """Send a hint to every agent that is heard of and placed; return how many took it.

    The hints go out side by side, so that one agent which does not answer holds
    up no other, and outside any transaction.
    """
    now = timezone.now()
    version = ModelVersion.objects.select_related("model").get(pk=version_id)
    # What is unloaded may be so because its agent is no longer among the placed.
    placed = placements.on(version.model_id, target_id) if action == "load" else EVERYWHERE
    agents = list(
        Agent.objects.filter(
            target=target_id,
            labels__contains=dict(placed.labels),
            left_at=None,
            evicted_at=None,
            report__at__gt=now - fleet_facts.lease(),
        )
        .exclude(report__control_url="")
        .select_related("report")
    )
    tellings = [
        Telling.objects.get_or_create(
            agent=agent, action=action, version=version, generation=generation
        )[0]
        for agent in agents
    ]
    if not agents:
        return 0
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(agents))) as pool:
        answers = pool.map(
            lambda agent: hints.post(
                agent.report.control_url,
                action=action,
                model=version.model.name,
                digest=version.digest,
                generation=generation,
            ),
            agents,
        )
        return sum(
            _note(telling, answer) for telling, answer in zip(tellings, answers, strict=True)
        )


def _note(telling: Telling, answer: hints.Answer) -> bool:
    changes: dict[str, object] = {"error": answer.error[:200]}
    if not answer.error:
        changes["acknowledged_at"] = timezone.now()
    Telling.objects.filter(pk=telling.pk).update(**changes)
    return not answer.error
