"""Which versions answered when: as agents said, and as it was decided."""

from collections.abc import Mapping

from promotion.lineage.serving import GONE, SAYS
from promotion.lineage.sources import GOES_ON, NONE, UNKNOWN, Json, Record, mapping, rows
from promotion.lineage_scope.sources import BEFORE, ScopeSources

Key = tuple[str, str, str]


def confirmed(sources: ScopeSources) -> list[Json]:
    """Tell from when to before when each agent said which version answered its callers."""
    found: list[Json] = []
    running: dict[str, dict[Key, Json]] = {}
    for record in _in_turn(sources, "agent"):
        if record.action not in SAYS | GONE:
            continue
        now = _said(record) if record.action in SAYS else frozenset[Key]()
        held = running.setdefault(record.subject, {})
        for key in [key for key in held if key not in now]:
            held.pop(key).update({"until": record.at, "ended_by": record.seq})
        for key in sorted(now - held.keys()):
            held[key] = _row(record, key, sources)
            found.append(held[key])
    return found


def decided(sources: ScopeSources) -> list[Json]:
    """Tell from when to before when each version was decided to be champion."""
    found: list[Json] = []
    running: dict[str, Json] = {}
    for record in _in_turn(sources, "deployment"):
        is_champion = record.payload is not None and record.text("role") == "champion"
        if record.subject in running and not is_champion:
            running.pop(record.subject).update({"until": record.at, "ended_by": record.seq})
        elif is_champion and record.subject not in running:
            running[record.subject] = {
                "environment": record.environment,
                "model": _model(record),
                "version": record.version,
                **_since(record, sources),
                "request": record.request or NONE,
            }
            found.append(running[record.subject])
    return found


def _in_turn(sources: ScopeSources, kind: str) -> list[Record]:
    both = (*sources.before, *sources.records)
    told = (one for one in both if one.subject.startswith(f"{kind}:"))
    return sorted(told, key=lambda one: one.seq)


def _said(record: Record) -> frozenset[Key]:
    """Model, digest and role of all an agent answers with; nothing once that was erased."""
    return frozenset(
        (str(row.get("model")), str(row.get("digest")), str(row.get("role")))
        for row in rows(record.facts.get("after"))
    )


def _row(record: Record, key: Key, sources: ScopeSources) -> Json:
    model, digest, role = key
    named: Mapping[str, tuple[str, int]] = sources.versions
    return {
        "environment": record.environment,
        "model": model,
        "version": named[digest][1] if digest in named else UNKNOWN,
        "digest": digest,
        "role": role,
        "agent": record.text("name"),
        "agent_id": record.subject.partition(":")[2],
        **_since(record, sources),
    }


def _since(record: Record, sources: ScopeSources) -> Json:
    """When it began, and by which entry; what was so before is known by the last word on it."""
    until: Json = {"until": GOES_ON, "ended_by": NONE}
    if record.seq <= sources.starts_after:
        return {"from": BEFORE, "began_by": BEFORE, "known_by": record.seq, **until}
    return {"from": record.at, "began_by": record.seq, "known_by": record.seq, **until}


def _model(record: Record) -> str:
    return record.object.partition(":")[2] or str(mapping(record.facts).get("model", UNKNOWN))
