"""What a lineage report is made from, as plain values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self, TypeAlias, TypeVar, cast

Value: TypeAlias = object
Json: TypeAlias = dict[str, Value]

NOT_SUPPLIED = "not supplied"
"""Stands where nothing is known: a gap is shown, never left blank."""

UNKNOWN = "unknown"
"""Stands where something was so, and nobody can tell any more what."""

NONE = "none"
"""Stands where it is known that there is none."""

GOES_ON = "goes on"
"""Stands for the end of what has not ended by then."""

ERASED = "erased"
"""Stands for a name or a text whose payload was erased from the log."""


T = TypeVar("T")
LARGEST = 2**53 - 1


def filled(value: object) -> object:
    """Say of every blank in a document that it was not supplied. A list may be empty."""
    if isinstance(value, Mapping):
        return {key: filled(inner) for key, inner in value.items()} or NOT_SUPPLIED
    if isinstance(value, list):
        return [filled(inner) for inner in value]
    return NOT_SUPPLIED if value is None or value == "" else value


def mapping(value: object) -> Mapping[str, object]:
    """Return a mapping as it is, and anything else as an empty one."""
    return value if isinstance(value, Mapping) else {}


def rows(value: object) -> list[Mapping[str, object]]:
    """Return the mappings in a list; anything else holds none."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


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
    def read(cls, *, leaf: str, digest: str, salt: bytes | None, payload: str | None) -> Self:
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

    def beside(self, salt: bytes | None, payload: str | None) -> Self:
        """The same entry with what lies beside it."""
        salted = salt.hex() if salt is not None else ""
        return replace(self, salt=salted, payload=payload)

    @property
    def facts(self) -> Json:
        """The payload as a document; empty once it is erased."""
        found = json.loads(self.payload) if self.payload is not None else {}
        return found if isinstance(found, dict) else {}

    def text(self, name: str) -> str:
        """One text of the payload; "" when it says nothing of the kind."""
        if self.payload is None:
            return ERASED
        value = self.facts.get(name)
        return str(value) if value is not None else ""

    def fact(self, name: str) -> Value:
        """One fact of the payload as it stands there."""
        return ERASED if self.payload is None else self.facts.get(name)

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
class Attested:
    """Evidence that came after the manifest; an entry names it by its SHA-256."""

    id: str
    kind: str
    sha256: str
    document: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything one report is made from: the log up to ``size``, and sealed rows.

    Attributes:
        chain: the model's whole chain, oldest first, without payloads.
        own: entries about this version, with payloads.
        beside: entries of the model's chain that concern it too, with payloads: the requests
            about other versions that moved it, incidents, what agents took back on their hosts.
        places: entries about its environments: policies, targets, incidents with all models.
        agents: entries of its environments' agents that concern this version.
        rights: roles that were granted and revoked, and the tokens that acted on it.
    """

    card: Card
    size: int
    head: str
    as_of: str
    chain: tuple[Record, ...]
    own: tuple[Record, ...]
    beside: tuple[Record, ...]
    places: tuple[Record, ...]
    agents: tuple[Record, ...]
    rights: tuple[Record, ...]
    requests: Mapping[str, Asked]
    attested: Mapping[str, Attested]

    @property
    def object(self) -> str:
        """The object that all about the model is a part of."""
        return f"model:{self.card.model}"

    def with_payloads(self) -> list[Record]:
        """Every entry that the report says something from, by its number."""
        used = (*self.own, *self.beside, *self.places, *self.agents, *self.rights)
        return sorted({record.seq: record for record in used}.values(), key=lambda one: one.seq)
