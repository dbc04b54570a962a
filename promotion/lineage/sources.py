"""What a lineage report is made from, as plain values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar, cast

Json: TypeAlias = dict[str, object]

NOT_SUPPLIED = "not supplied"
"""Stands where nothing is known: a gap is shown, never left blank."""

ERASED = "erased"
"""Stands for a name or a text whose payload was erased from the log."""


T = TypeVar("T")
LARGEST = 2**53 - 1


def exact(value: T) -> T:
    """Give a document as it was before PostgreSQL's ``jsonb`` wrote its large numbers out.

    It keeps 1e22 as an integer of 23 digits, which canonical JSON does not hold; as a
    float it is the very number that was stored.
    """
    return cast("T", _exact(value))


def _exact(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _exact(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_exact(inner) for inner in value]
    if isinstance(value, int) and abs(value) > LARGEST:
        return float(value)
    return value


@dataclass(frozen=True, slots=True)
class Record:
    """One audit entry. Everything but the payload is read from the bytes that are hashed."""

    seq: int
    object_seq: int
    at: str
    action: str
    actor_kind: str
    actor_id: str
    object: str
    subject: str
    version: int | None
    environment: str
    request: str
    leaf: str
    hash: str
    salt: str = ""
    payload: str | None = None

    @classmethod
    def read(cls, *, leaf: str, digest: str, salt: bytes | None, payload: str | None) -> "Record":
        """Read an entry from its leaf; ``salt`` and ``payload`` are None once erased."""
        fields = json.loads(leaf)
        return cls(
            seq=fields["seq"],
            object_seq=fields["object_seq"],
            at=fields["at"],
            action=fields["action"],
            actor_kind=fields["actor_kind"],
            actor_id=fields["actor_id"],
            object=fields["object"],
            subject=fields["subject"],
            version=fields["model_version"],
            environment=fields["environment"] or "",
            request=fields["request"] or "",
            leaf=leaf,
            hash=digest,
            salt=salt.hex() if salt is not None else "",
            payload=payload,
        )

    @property
    def facts(self) -> Json:
        """The payload as a document; empty once it is erased."""
        found = json.loads(self.payload) if self.payload is not None else {}
        return found if isinstance(found, dict) else {}

    def text(self, name: str) -> str:
        """One text of the payload."""
        if self.payload is None:
            return ERASED
        value = self.facts.get(name)
        return str(value) if value is not None else ""

    def who(self) -> Json:
        """Whoever did it; the name as it was then."""
        return {"kind": self.actor_kind, "id": self.actor_id, "name": self.text("actor")}


@dataclass(frozen=True, slots=True)
class File:
    """One file of a version."""

    path: str
    role: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Card:
    """What the registry knows of a model and one of its versions."""

    model: str
    model_id: str
    version: int
    version_id: str
    digest: str
    manifest: Mapping[str, object]
    manifest_size: int
    files: tuple[File, ...]
    owner: str
    purpose: str
    risk_tier: str
    regimes: tuple[str, ...]
    group: str
    limits: Mapping[str, object]
    metric: str
    latency_budget_ms: float | None
    authors: tuple[str, ...]
    inspection: str
    inspection_reasons: tuple[str, ...] = ()
    inspection_facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request's row keeps beside its entries: frozen when it was opened."""

    id: str
    persons: tuple[str, ...]
    evidence: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything one report is made from.

    Attributes:
        chain: the model's whole chain up to the log's size, oldest first, without payloads.
        own: entries about this version, with payloads.
        causes: entries by which requests about other versions were opened that moved this one.
        policies: entries by which the policies of its environments were published.
        agents: entries of its environments' agents that concern this version.
        decided: environment -> state and role as the tables have it now.
    """

    card: Card
    size: int
    head: str
    as_of: str
    chain: tuple[Record, ...]
    own: tuple[Record, ...]
    causes: tuple[Record, ...]
    policies: tuple[Record, ...]
    agents: tuple[Record, ...]
    requests: Mapping[str, Asked]
    decided: Mapping[str, tuple[str, str]]
