"""What a version is: its inventory card, its files, where it comes from, and its evidence."""

from collections.abc import Mapping, Sequence

from promotion.lineage.sources import NOT_SUPPLIED, Card, Json


def inventory(card: Card) -> Json:
    """Say what the organisation knows of the model."""
    return {
        "model": card.model,
        "model_id": card.model_id,
        "version": card.version,
        "digest": card.digest,
        "owner": _or_gap(card.owner),
        "developers": list(card.authors) or NOT_SUPPLIED,
        "validator": NOT_SUPPLIED,
        "purpose": _or_gap(card.purpose),
        "risk_tier": _or_gap(card.risk_tier),
        "regimes": list(card.regimes) or NOT_SUPPLIED,
        "group": _or_gap(card.group),
        "optimised_for": _or_gap(card.metric),
        "limits": dict(card.limits) or NOT_SUPPLIED,
        "latency_budget_ms": _or_gap(card.latency_budget_ms),
        "limitations": _or_gap(card.manifest.get("limitations")),
        "retention": NOT_SUPPLIED,
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
            "status": card.inspection,
            "reasons": list(card.inspection_reasons),
            "facts": dict(card.inspection_facts) or NOT_SUPPLIED,
        },
        "provenance": NOT_SUPPLIED,
    }


def origin(card: Card) -> Json:
    """Say how it came to be, as its manifest says."""
    manifest = card.manifest
    training = _mapping(manifest.get("training"))
    return {
        "said_by": "the manifest, sealed when the version was registered",
        "run": _or_gap(training.get("run")),
        "commit": _or_gap(training.get("commit")),
        "parameters": _or_gap(training.get("parameters")),
        "seed": _or_gap(training.get("seed")),
        "pipeline_digest": _or_gap(manifest.get("pipeline_digest")),
        "datasets": [_dataset(row) for row in _rows(manifest.get("datasets"))] or NOT_SUPPLIED,
        "environment_lock": _or_gap(manifest.get("environment_lock")),
        "parents": _or_gap(manifest.get("parents")),
    }


def validation(card: Card) -> Json:
    """Say what training measured. Reports of a validator are not kept yet."""
    return {
        "metrics": _or_gap(card.manifest.get("metrics")),
        "measured_by": "the training run, as the manifest says",
        "reports": NOT_SUPPLIED,
        "findings": NOT_SUPPLIED,
    }


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


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _rows(value: object) -> list[Mapping[str, object]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
