"""The audit log replayed, held against the tables."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise

from django.utils import timezone

from governance.audit.models import Entry
from promotion.models import (
    Agent,
    Deployment,
    Placement,
    Request,
    Rollout,
    ServingInterval,
    Target,
)
from promotion.replay import Past, replay
from promotion.selectors.past import events_of
from promotion.services import agents
from registry.models import ModelVersion


def from_the_log() -> Past:
    return replay(events_of(Entry.objects.all()))


def the_log_tells_the_tables() -> None:
    """Every state a table holds follows from the entries, and no entry tells of one more."""
    for agent in list(agents.waiting()):  # What was held back is told in time.
        agents.catch_up(agent_id=agent, now=timezone.now() + timedelta(days=1))
    past = from_the_log()
    assert past.erased == []
    assert _told(past.deployments, "state", "role", "hold") == {
        str(row.pk): (row.state, row.role, row.hold) for row in Deployment.objects.all()
    }
    assert _told(past.requests, "state", "kind", "content_hash") == {
        str(row.pk): (row.state, row.kind, row.content_hash) for row in Request.objects.all()
    }
    assert {key: set(row.approvals) for key, row in past.requests.items()} == {
        str(row.pk): {str(one.pk) for one in row.approvals.all()}
        for row in Request.objects.prefetch_related("approvals")
    }
    assert _told(past.rollouts, "step", "generation", "attempt") == {
        str(row.pk): (row.step, row.generation, row.attempt) for row in Rollout.objects.all()
    }
    assert _told(past.targets, "generation") == {
        str(row.pk): (row.generation,) for row in Target.objects.all()
    }
    assert _told(past.placements, "model", "environment", "labels") == {
        str(row.pk): (row.model.name, row.environment.slug, row.labels)
        for row in Placement.objects.select_related("model", "environment")
    }
    for target in Target.objects.prefetch_related("states"):
        numbers = sorted(state.generation for state in target.states.all())
        # Without a gap, but where an operator said what holds after a history was lost.
        jumps = [after for before, after in pairwise(numbers) if after != before + 1]
        assert numbers[:1] == [1]
        assert numbers[-1] == target.generation
        assert all(after > 1_000 for after in jumps)
    _agents_are_as_told(past)


def _agents_are_as_told(past: Past) -> None:
    assert _told(past.agents, "present", "cordoned", "labels") == {
        str(row.pk): (row.left_at is None, row.cordoned, row.labels) for row in Agent.objects.all()
    }
    running: dict[str, set[tuple[str, str, str]]] = {key: set() for key in past.agents}
    for one in ServingInterval.objects.filter(ended_at=None).select_related("version__model"):
        running[str(one.agent_id)].add((one.version.model.name, one.version.digest, one.role))
    known = set(ModelVersion.objects.values_list("digest", flat=True))
    assert running == {
        key: {(a.model, a.digest, a.role) for a in agent.answers or () if a.digest in known}
        for key, agent in past.agents.items()
    }


def _told(rows: Mapping[str, object], *names: str) -> dict[str, tuple[object, ...]]:
    return {key: tuple(getattr(row, name) for name in names) for key, row in rows.items()}
