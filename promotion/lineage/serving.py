"""What agents did with a version, as they reported it and as it was recorded then."""

from collections.abc import Iterable, Mapping

from governance.audit.actions import Action
from promotion.lineage.sources import Json, Record

GONE = frozenset({Action.AGENT_LEFT, Action.AGENT_EVICTED, Action.AGENT_DECOMMISSIONED})
"""After these an agent answers nobody, as far as anybody knows."""
TIER_OF_KIND = {"deploy_dark": "dark", "retire": "dark"}
"""The tier a request's rollout works on; everything else works on the live one."""


def intervals(agents: Iterable[Record], *, digest: str) -> list[Json]:
    """Tell from when to when each agent said that the version answered its callers.

    ``until`` is None while it goes on. Times are the log's.
    """
    found: list[Json] = []
    running: dict[tuple[str, str], Json] = {}
    for record in agents:
        if record.action in GONE:
            now = frozenset[str]()
        elif record.action == Action.AGENT_CHANGED_SERVING:
            now = _roles(record.facts.get("after"), digest)
        else:
            continue
        for key in [key for key in running if key[0] == record.subject and key[1] not in now]:
            running.pop(key).update({"until": record.at, "ended_by": record.seq})
        for role in sorted(now):
            if (record.subject, role) not in running:
                began: Json = {
                    "agent": record.text("name"),
                    "agent_id": record.subject.partition(":")[2],
                    "environment": record.environment,
                    "role": role,
                    "generation": record.facts.get("generation"),
                    "from": record.at,
                    "began_by": record.seq,
                    "until": None,
                    "ended_by": None,
                }
                running[record.subject, role] = began
                found.append(began)
    return found


def rollouts(own: Iterable[Record], *, kinds: Mapping[str, str]) -> list[Json]:
    """List each attempt to carry a request out, step by step.

    Args:
        kinds: request -> its kind.
    """
    found: dict[str, Json] = {}
    for record in own:
        if not record.action.startswith("rollout."):
            continue
        steps: list[Json] = []
        entry = found.setdefault(
            record.subject,
            {
                "rollout": record.subject.partition(":")[2],
                "request": record.request,
                "environment": record.environment,
                "tier": TIER_OF_KIND.get(kinds.get(record.request, ""), "live"),
                "attempt": record.facts.get("attempt"),
                "steps": steps,
            },
        )
        listed = entry["steps"]
        if isinstance(listed, list):
            listed.append(
                {
                    "step": record.text("step"),
                    "at": record.at,
                    "generation": record.facts.get("generation"),
                    "detail": record.text("detail"),
                    "entry": record.seq,
                }
            )
    return list(found.values())


def refused_states(agents: Iterable[Record], attempts: Iterable[Json]) -> list[Json]:
    """List generations published for this version's rollouts that an agent did not accept."""
    spans = [span for attempt in attempts if (span := _span(attempt))]
    found: list[Json] = []
    for record in agents:
        generation = record.facts.get("generation")
        if record.action != Action.AGENT_REFUSED_STATE or not isinstance(generation, int):
            continue
        place = (record.environment, record.text("tier"))
        if any(place == where and low <= generation <= high for where, low, high in spans):
            found.append(
                {
                    "agent": record.text("name"),
                    "environment": record.environment,
                    "generation": generation,
                    "reason": record.text("reason"),
                    "detail": record.text("detail"),
                    "at": record.at,
                    "entry": record.seq,
                }
            )
    return found


def _roles(listed: object, digest: str) -> frozenset[str]:
    rows = listed if isinstance(listed, list) else []
    return frozenset(
        str(row.get("role"))
        for row in rows
        if isinstance(row, Mapping) and row.get("digest") == digest
    )


def _span(attempt: Json) -> tuple[tuple[str, str], int, int] | None:
    steps = attempt["steps"]
    numbers = [
        step["generation"]
        for step in (steps if isinstance(steps, list) else [])
        if isinstance(step["generation"], int)
    ]
    if not numbers:
        return None
    place = (str(attempt["environment"]), str(attempt["tier"]))
    return place, min(numbers), max(numbers)
