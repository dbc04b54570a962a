"""The whole body of a scope's report."""

from collections import Counter
from typing import cast

from governance.audit.actions import Action
from promotion.lineage import serving
from promotion.lineage.sources import NOT_SUPPLIED, Json, filled
from promotion.lineage_scope import answered, asked, upkeep
from promotion.lineage_scope.sources import ScopeSources

SCHEMA = "lockgate.lineage-scope/1"
CITES = ("entry", "began_by", "ended_by", "known_by")
"""Members that name an entry; the verifier holds what stands beside them against it."""
SAYS = [
    "every change that the log holds of this place and period, by kind and one by one",
    "which version answered when, as it was decided and as agents said it",
    "who asked for each promotion, who signed for exactly which content, who carried it out",
    "what rules refused, what was waived, and what one person did alone",
    "that no entry of the objects it names is missing up to the size of the log",
]
SAYS_NOT = [
    "what an agent did while it was silent: an interval ends when an agent says so, or leaves",
    "anything after the last entry, or before the first",
    "that the log was not replaced as a whole: compare its checkpoint with a copy kept elsewhere",
    "who read what: reading is in the access log, which entries seal by digest",
]


def build(sources: ScopeSources) -> Json:
    """Make the body. The same sources give the same document, and nothing in it is blank."""
    promotions = asked.promotions(sources)
    agents = [record for record in sources.records if record.subject.startswith("agent:")]
    body: Json = {
        "schema": SCHEMA,
        "header": _header(sources),
        "population": _population(sources),
        "serving": {
            "said_by": "agents, as the log recorded it",
            "confirmed": answered.confirmed(sources),
            "unknown": serving.gaps(agents, agents),
            "decided": answered.decided(sources),
        },
        "promotions": promotions,
        "refusals": asked.refusals(sources),
        "exceptions": asked.exceptions(sources, promotions),
        "incidents": upkeep.incidents(sources),
        "findings": upkeep.findings(sources),
        "policies": upkeep.policies(sources),
        "access": upkeep.access(sources),
        "fleet": upkeep.fleet(sources),
        "changes": upkeep.changes(sources.records),
    }
    return cast("Json", filled(body))


def cited(value: object) -> frozenset[int]:
    """Return the numbers of the entries that a report says something from."""
    found: set[int] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, dict):
            found |= {one[name] for name in CITES if isinstance(one.get(name), int)}
            waiting.extend(inner for inner in one.values() if isinstance(inner, dict | list))
    return frozenset(found)


def _header(sources: ScopeSources) -> Json:
    scope = sources.scope
    return {
        "system": "Lockgate",
        "scope": {
            "kind": "environment" if scope.environment else "period",
            "environment": scope.environment or "every environment",
            "from": scope.since or "the first entry",
            "until": scope.until or "the last entry",
            "as_of": sources.as_of,
        },
        "log": {"size": sources.size, "head": sources.head},
        "time_source": "the database server's clock, never backwards within the log",
        "verify": "python3 -I -S verify.py --keys keys.txt BUNDLE.zip",
        "says": SAYS,
        "says_not": SAYS_NOT,
    }


def _population(sources: ScopeSources) -> Json:
    """Count what there is. A chain's numbers run without a gap, or it is said that they do not."""
    records = sources.records
    here = Counter(record.object for record in records)
    return {
        "entries": len(records),
        "first": records[0].seq if records else NOT_SUPPLIED,
        "last": records[-1].seq if records else NOT_SUPPLIED,
        "by_action": dict(sorted(Counter(record.action for record in records).items())),
        "objects": [
            {
                "object": one.object,
                "entries_here": here[one.object],
                "entries": one.entries,
                "first": one.first,
                "last": one.last,
                "is_gapless": one.is_gapless(),
            }
            for one in sources.chains
        ],
        "is_gapless": all(one.is_gapless() for one in sources.chains),
        "erased_payloads": [record.seq for record in records if record.payload is None],
        "histories_adopted": [
            record.seq for record in records if record.action == Action.LOG_HISTORY_ADOPTED
        ],
    }
