"""The desired state of a target, as a document: pure facts in, exact bytes out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import rfc8785

from promotion.stages import feature

SCHEMA = "lockgate.desired-state/1"
PAYLOAD_TYPE = "application/vnd.lockgate.desired-state+json"
LOADED_SLOTS = ("champion", "candidate", "bake", "spare", "dark", "load")
HELD_CHAMPIONS = 3
"""Former champions whose files stay on agents' disks."""


@dataclass(frozen=True, slots=True)
class Ref:
    """One version of a model."""

    version: int
    digest: str

    def as_document(self) -> dict[str, object]:
        return {"version": self.version, "digest": self.digest}


@dataclass(slots=True)
class ModelState:
    """What one target should do with one model."""

    model: str
    latency_budget_ms: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """What an agent must have to take it: its placement."""
    minimum_agents: int = 1
    champion: Ref | None = None
    candidate: Ref | None = None
    bake: Ref | None = None
    spare: Ref | None = None
    dark: list[Ref] = field(default_factory=list)
    load: list[Ref] = field(default_factory=list)
    hold: list[Ref] = field(default_factory=list)
    switch: Mapping[str, object] | None = None
    """Who gets the candidate's answers; None while there is no stage."""

    def is_empty(self) -> bool:
        single = (self.champion, self.candidate, self.bake, self.spare)
        return not any((*single, self.dark, self.load, self.hold))

    def as_document(self) -> dict[str, object]:
        def one(ref: Ref | None) -> dict[str, object] | None:
            return ref.as_document() if ref else None

        def several(refs: list[Ref]) -> list[dict[str, object]]:
            return [ref.as_document() for ref in sorted(refs, key=lambda r: r.version)]

        return {
            "model": self.model,
            "champion": one(self.champion),
            "candidate": one(self.candidate),
            "bake": one(self.bake),
            "spare": one(self.spare),
            "dark": several(self.dark),
            "load": several(self.load),
            "hold": several(self.hold),
            "switch": dict(self.switch or {"to": "all"}),
            "placement": {"labels": dict(self.labels), "minimum": self.minimum_agents},
            "latency_budget_ms": self.latency_budget_ms,
        }


@dataclass(frozen=True, slots=True)
class TargetState:
    """Everything a target's document says."""

    environment: str
    tier: str
    generation: int
    issued_at: str
    keys: Sequence[Mapping[str, str]]
    models: Sequence[ModelState]
    mirror_fraction: float = 0.0
    may_remove: Iterable[str] = ()

    def payload(self) -> bytes:
        """Return the canonical bytes (RFC 8785) that are signed and sent."""
        mirror = {"stream": f"mirror:{self.environment}", "fraction": self.mirror_fraction}
        kept = [m for m in sorted(self.models, key=lambda m: m.model) if not m.is_empty()]
        document = {
            "schema": SCHEMA,
            "requires": sorted({feature(m.switch) for m in kept if m.switch}),
            "environment": self.environment,
            "tier": self.tier,
            "generation": self.generation,
            "issued_at": self.issued_at,
            "keys": [dict(key) for key in self.keys],
            "models": [m.as_document() for m in kept],
            "mirror": mirror if self.mirror_fraction > 0 else None,
            "may_remove": sorted(set(self.may_remove)),
        }
        return rfc8785.dumps(document)  # type: ignore[arg-type]


def loaded(document: Mapping[str, object]) -> dict[str, str]:
    """Return what a document wants in memory: digest -> the slot it is in."""
    found: dict[str, str] = {}
    for model in _models(document):
        for slot in LOADED_SLOTS:
            for ref in _refs(model.get(slot)):
                found[str(ref["digest"])] = slot
    return found


def named(document: Mapping[str, object]) -> frozenset[str]:
    """Return every digest a document names, held ones too."""
    held = {str(ref["digest"]) for model in _models(document) for ref in _refs(model.get("hold"))}
    return frozenset(loaded(document)) | held


def _models(document: Mapping[str, object]) -> list[Mapping[str, object]]:
    models = document.get("models", [])
    return models if isinstance(models, list) else []


def _refs(value: object) -> list[Mapping[str, object]]:
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, Mapping) else []
