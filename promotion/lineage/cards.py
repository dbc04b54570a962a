"""What a version is: its inventory card, its files, and where it comes from.

What the manifest leaves out, a model card that came later may fill in; it never
overrides, and is shown with the entry by which it was added.
"""

from collections.abc import Iterable, Mapping, Sequence

from promotion.lineage.sources import NONE, NOT_SUPPLIED, Card, Json, mapping, rows

MODEL_CARD = "model_card"
BY_MANIFEST = "the manifest, sealed when the version was registered"


def inventory(card: Card, *, evidence: Iterable[Json]) -> Json:
    """Say what the organisation knows of the model.

    Args:
        evidence: what was attested later, as ``validation.attested`` tells it.
    """
    given = list(evidence)
    later = [row for row in given if row["kind"] == MODEL_CARD]
    return {
        "model": card.model,
        "model_id": card.model_id,
        "version": card.version,
        "digest": card.digest,
        "owner": _or_gap(card.owner),
        "developers": list(card.authors) or NOT_SUPPLIED,
        "validator": _validators(given),
        "purpose": _or_gap(card.purpose),
        "risk_tier": _or_gap(card.risk_tier),
        "regimes": list(card.regimes) or NOT_SUPPLIED,
        "group": card.group or NONE,
        "optimised_for": _or_gap(card.metric),
        "limits": dict(card.limits) or NOT_SUPPLIED,
        "latency_budget_ms": _or_gap(card.latency_budget_ms),
        "exposure": _added("exposure", later),
        "limitations": _added("limitations", later),
        "vendor": _added("vendor", later),
        "upstream": [str(row.get("id")) for row in rows(card.manifest.get("datasets"))]
        or NOT_SUPPLIED,
        "downstream": _added("downstream", later),
        "retention": _added("retention", later),
    }


def artifact(card: Card) -> Json:
    """Name every byte the version consists of, and what goes in and out."""
    manifest = card.manifest
    return {
        "manifest": {"size": card.manifest_size, "sha256": card.digest},
        "kind": _or_gap(manifest.get("kind")),
        "files": [
            {"path": file.path, "role": file.role, "size": file.size, "sha256": file.sha256}
            for file in card.files
        ],
        "inputs": _or_gap(manifest.get("inputs")),
        "outputs": _or_gap(manifest.get("outputs")),
        "score": _or_gap(manifest.get("score")),
        "inspection": {
            "status": card.inspection or NOT_SUPPLIED,
            "reasons": list(card.inspection_reasons),
            "facts": dict(card.inspection_facts) or NOT_SUPPLIED,
        },
        "provenance": NOT_SUPPLIED,
    }


def origin(card: Card, *, evidence: Iterable[Json]) -> Json:
    """Say how it came to be, as its manifest says; and what was added to that later."""
    manifest = card.manifest
    training = mapping(manifest.get("training"))
    return {
        "said_by": BY_MANIFEST,
        "run": _or_gap(training.get("run")),
        "commit": _or_gap(training.get("commit")),
        "container": _or_gap(training.get("container")),
        "parameters": _or_gap(training.get("parameters")),
        "seed": _or_gap(training.get("seed")),
        "pipeline_digest": _or_gap(manifest.get("pipeline_digest")),
        "datasets": [_dataset(row) for row in rows(manifest.get("datasets"))] or NOT_SUPPLIED,
        "environment_lock": _or_gap(manifest.get("environment_lock")),
        "parents": _or_gap(manifest.get("parents")),
        "added_later": [
            {name: row[name] for name in ("entry", "at", "by", "sha256", "document")}
            for row in evidence
            if row["kind"] == "lineage"
        ]
        or NOT_SUPPLIED,
    }


def _validators(given: Iterable[Json]) -> object:
    """Who reported on it without having made it."""
    found = {
        str(person)
        for row in given
        if row["kind"] == "validation_report" and row["independent"] is True
        for person in _listed(row["persons"])
    }
    return sorted(found) or NOT_SUPPLIED


def _added(name: str, later: Iterable[Json]) -> object:
    """What the newest model card says of something the registry does not ask for."""
    for row in reversed(list(later)):
        value = mapping(row["document"]).get(name)
        if value not in (None, "", [], {}):
            return {"said": value, "added_by_entry": row["entry"]}
    return NOT_SUPPLIED


def _dataset(row: Mapping[str, object]) -> Json:
    return {
        name: _or_gap(row.get(name))
        for name in ("id", "digest", "from", "to", "source", "version", "licence")
    }


def _or_gap(value: object) -> object:
    """Give the value, or say that it was not supplied; zero and False are values."""
    if value is None or (isinstance(value, str | Mapping | Sequence) and not value):
        return NOT_SUPPLIED
    return value


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
