"""What agents did with a version, as they reported it and as it was recorded then."""

from collections.abc import Iterable, Mapping

from governance.audit.actions import Action
from promotion.lineage.sources import GOES_ON, NONE, Json, Record

GONE = frozenset({Action.AGENT_LEFT, Action.AGENT_EVICTED, Action.AGENT_DECOMMISSIONED})
"""After these an agent answers nobody, as far as anybody knows."""
SAYS = frozenset({Action.AGENT_CHANGED_SERVING})
TIER_OF_KIND = {"deploy_dark": "dark", "retire": "dark"}
"""The tier a request's rollout works on; everything else works on the live one."""


def intervals(agents: Iterable[Record], *, digest: str) -> list[Json]:
    """Tell from when to before when each agent said that the version answered its callers.

    Times are the log's.
    """
    found: list[Json] = []
    running: dict[tuple[str, str], Json] = {}
    for record in agents:
        if record.action in GONE or (record.action in SAYS and record.payload is None):
            now = frozenset[str]()
        elif record.action in SAYS:
            now = _roles(record.facts.get("after"), digest)
        else:
            continue
        for key in [key for key in running if key[0] == record.subject and key[1] not in now]:
            running.pop(key).update({"until": record.at, "ended_by": record.seq})
        for role in sorted(now):
            if (record.subject, role) not in running:
                running[record.subject, role] = _began(record, role)
                found.append(running[record.subject, role])
    return found


def gaps(agents: Iterable[Record], own: Iterable[Record]) -> list[Json]:
    """Tell where nobody can say whether an agent answered with the version.

    An agent that was evicted answers whoever calls it, unseen; an entry whose payload was
    erased tells nothing; changes that came too fast have one entry; and what a person took
    back on a host that was cut off is heard of later.
    """
    found: list[Json] = []
    running: dict[str, Json] = {}
    spoken: dict[str, str] = {}
    for record in agents:
        if record.action not in SAYS | GONE:
            continue
        if record.subject in running:
            running.pop(record.subject)["until"] = record.at
        why = _why_unknown(record, held=record.subject in spoken)
        if why:
            gap = _gap(record, why, since=record.at, until=GOES_ON)
            running[record.subject] = gap
            found.append(gap)
        elif record.facts.get("changes"):
            since = spoken.get(record.subject, record.at)
            count = record.facts["changes"]
            found.append(
                _gap(record, f"one entry stands for {count} changes", since=since, until=record.at)
            )
        if record.action in SAYS:
            spoken[record.subject] = record.at
    for record in own:
        if record.action == Action.AGENT_ROLLED_BACK and record.facts.get("began_at"):
            since = record.text("began_at")
            found.append(
                _gap(record, "rolled back on its host while unheard", since=since, until=record.at)
            )
    return sorted(found, key=lambda row: int(str(row["entry"])))


def _why_unknown(record: Record, *, held: bool) -> str:
    if record.payload is None:
        return "what it said was erased"
    if record.action == Action.AGENT_EVICTED and held:
        return "it was evicted, and answers unseen whoever still calls it"
    return ""


def _gap(record: Record, why: str, *, since: str, until: str) -> Json:
    return {
        "agent": record.text("name"),
        "agent_id": record.subject.partition(":")[2],
        "environment": record.environment,
        "from": since,
        "until": until,
        "why": why,
        "entry": record.seq,
    }


def _began(record: Record, role: str) -> Json:
    return {
        "agent": record.text("name"),
        "agent_id": record.subject.partition(":")[2],
        "environment": record.environment,
        "role": role,
        "generation": record.facts.get("generation"),
        "from": record.at,
        "began_by": record.seq,
        "until": GOES_ON,
        "ended_by": NONE,
    }


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
                    "detail": record.text("detail") or NONE,
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
