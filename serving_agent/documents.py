"""The desired state: what it says, and when this agent refuses it.

A document is applied whole or not at all. Whatever is wrong with it, the last
good one goes on: a refusal (a NACK) has a reason and changes nothing. The
checks run from the cheapest and least trusting to the ones that compare with
what was applied before.
"""

import base64
import binascii
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from serving_agent import routing
from serving_agent.doubled import refuse_doubled
from serving_agent.errors import Nack, Reason
from serving_agent.manifests import Digest
from serving_agent.signing import PAYLOAD_TYPE, Envelope, PublicKey, Trust

MAX_BYTES = 4 * 1024 * 1024
SCHEMA = "lockgate.desired-state/1"
FEATURES = frozenset({"switch.all", "switch.agents", "switch.weight", "switch.group"})
MAX_GENERATION = 2**63 - 1

ModelName = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9._-]{0,199}\Z")]
Refs = Annotated[list["Ref"], msgspec.Meta(max_length=1000)]


class Ref(msgspec.Struct, frozen=True):
    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    digest: Digest


class Switch(msgspec.Struct, frozen=True):
    """Who gets the candidate's answers: exactly one way. Without a candidate it says ``all``."""

    to: Literal["all"] | None = None
    agents: Annotated[list[str], msgspec.Meta(max_length=1000)] | None = None
    weight: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    group: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    salt: Annotated[str, msgspec.Meta(max_length=200)] = ""
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = routing.KEY

    def ways(self) -> int:
        return sum(one is not None for one in (self.to, self.agents, self.weight, self.group))

    def rule(self, agent: str) -> routing.Rule:
        """Say what this means for one agent, by its name."""
        if self.group is not None:
            return routing.Rule(group=self.group)
        if self.weight is not None:
            return routing.Rule(share=self.weight, salt=self.salt, parameter=self.key)
        named = self.agents is not None and agent in self.agents
        return routing.EVERYBODY if named else routing.NOBODY


class Placement(msgspec.Struct, frozen=True):
    labels: dict[str, str] = {}
    minimum: int = 0


class ModelDocument(msgspec.Struct, frozen=True):
    """The slots of one model. No slot has a default: a forgotten one is a mistake."""

    model: ModelName
    champion: Ref | None
    candidate: Ref | None
    bake: Ref | None
    spare: Ref | None
    dark: Refs
    load: Refs
    hold: Refs
    switch: Switch
    placement: Placement
    latency_budget_ms: float | None = None

    def refs(self) -> Iterator[tuple[str, Ref]]:
        for slot in ("champion", "candidate", "bake", "spare"):
            ref: Ref | None = getattr(self, slot)
            if ref is not None:
                yield slot, ref
        for slot in ("dark", "load", "hold"):
            for ref in getattr(self, slot):
                yield slot, ref


class Mirror(msgspec.Struct, frozen=True):
    stream: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    fraction: Annotated[float, msgspec.Meta(ge=0, le=1)]


class Payload(msgspec.Struct, frozen=True):
    schema: Literal["lockgate.desired-state/1"]
    requires: list[str]
    environment: str
    tier: Literal["live", "dark"]
    generation: Annotated[int, msgspec.Meta(ge=1, le=MAX_GENERATION)]
    keys: Annotated[list[PublicKey], msgspec.Meta(min_length=1, max_length=8)]
    models: Annotated[list[ModelDocument], msgspec.Meta(max_length=10_000)]
    mirror: Mirror | None
    may_remove: list[str]

    def champions(self) -> dict[str, str]:
        return {one.model: one.champion.digest for one in self.models if one.champion}


class _Probe(msgspec.Struct):
    """Just enough to know whether the rest is meant for this agent."""

    schema: str
    requires: list[str]
    environment: str
    tier: str
    generation: int


@dataclass(frozen=True, slots=True)
class Target:
    environment: str
    tier: str


@dataclass(frozen=True, slots=True)
class Document:
    """A verified document, with the bytes it was read from."""

    raw: bytes
    sha256: str
    payload: Payload
    signer: str

    @property
    def generation(self) -> int:
        return self.payload.generation

    @property
    def etag(self) -> str:
        return etag(self.sha256)


_envelope = msgspec.json.Decoder(Envelope)
_probe = msgspec.json.Decoder(_Probe)
_payload = msgspec.json.Decoder(Payload)
_MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def etag(sha256: str) -> str:
    return f'"{sha256}"'


def verify(raw: bytes, *, trust: Trust, target: Target, applied: Document | None) -> Document:
    """Check a document that came as ``raw``, against what was applied before.

    The very bytes that are applied already pass, and come back as ``applied``.

    Raises:
        Nack: with the first reason found.
    """
    if len(raw) > MAX_BYTES:
        raise Nack(Reason.OVERSIZED, f"more than {MAX_BYTES} bytes")
    sha256 = hashlib.sha256(raw).hexdigest()
    if applied is not None and applied.sha256 == sha256:
        return applied
    body, signer = _open(raw, trust=trust)
    probe = _look(body)
    try:
        _check_addressee(probe, target)
        document = Document(raw, sha256, _parse(body), signer)
        _check_consistent(document)
        if applied is not None:
            _check_successor(document, applied)
    except Nack as nack:
        nack.generation = _plausible(probe.generation)
        raise
    return document


def _open(raw: bytes, *, trust: Trust) -> tuple[bytes, str]:
    try:
        envelope = _envelope.decode(raw)
        refuse_doubled(raw)
        body = base64.b64decode(envelope.payload, validate=True)
    except (*_MALFORMED, binascii.Error, ValueError) as exc:
        raise Nack(Reason.INVALID, f"not an envelope: {exc}") from exc
    if envelope.payload_type != PAYLOAD_TYPE:
        raise Nack(Reason.UNKNOWN_SCHEMA, f"payload type {envelope.payload_type[:80]!r}")
    signer = trust.signer(envelope.payload_type, body, envelope.signatures)
    if signer is None:
        claimed = _claimed_generation(body)
        raise Nack(Reason.BAD_SIGNATURE, "no signature by a known key", generation=claimed)
    return body, signer


def _claimed_generation(body: bytes) -> int:
    """Return what an untrusted body says of itself: for the report, and for nothing else."""
    try:
        return _plausible(_probe.decode(body).generation)
    except _MALFORMED:
        return 0


def _plausible(generation: int) -> int:
    return max(0, min(generation, MAX_GENERATION))


def _look(body: bytes) -> _Probe:
    try:
        return _probe.decode(body)
    except _MALFORMED as exc:
        raise Nack(Reason.INVALID, f"not a desired state: {exc}") from exc


def _check_addressee(probe: _Probe, target: Target) -> None:
    if probe.schema != SCHEMA:
        raise Nack(Reason.UNKNOWN_SCHEMA, f"schema {probe.schema[:80]!r}")
    if (probe.environment, probe.tier) != (target.environment, target.tier):
        found = f"{probe.environment[:80]}/{probe.tier[:20]}"
        raise Nack(Reason.WRONG_TARGET, f"for {found}, not {target.environment}/{target.tier}")
    unknown = sorted(set(probe.requires) - FEATURES)
    if unknown:
        raise Nack(Reason.UNSUPPORTED, f"needs {', '.join(unknown)[:200]}")


def _parse(body: bytes) -> Payload:
    try:
        payload = _payload.decode(body)
        refuse_doubled(body)
    except (*_MALFORMED, ValueError) as exc:
        raise Nack(Reason.INVALID, str(exc)[:500]) from exc
    return payload


def _check_consistent(document: Document) -> None:
    payload = document.payload
    try:
        Trust(payload.keys)
    except ValueError as exc:
        raise Nack(Reason.INVALID, f"keys: {exc}") from exc
    if document.signer not in {key.keyid for key in payload.keys}:
        raise Nack(Reason.INVALID, "keys: the one that signed is not among them")
    _check_unique([key.keyid for key in payload.keys], "a key named twice")
    _check_unique(payload.requires, "a feature named twice")
    _check_unique(payload.may_remove, "a model named twice in may_remove")
    _check_unique([one.model for one in payload.models], "model named twice")
    digests = [ref.digest for one in payload.models for _, ref in one.refs()]
    _check_unique(digests, "a version in two slots")
    for one in payload.models:
        _check_unique(one.switch.agents or [], f"{one.model}: an agent named twice")
        if one.switch.ways() != 1:
            raise Nack(Reason.INVALID, f"{one.model}: a switch names exactly one way")
        numbers = [ref.version for _, ref in one.refs()]
        _check_unique(numbers, f"{one.model}: a number in two slots")


def _check_unique(items: list[str] | list[int], what: str) -> None:
    twice = [str(item) for item, count in Counter(items).items() if count > 1]
    if twice:
        raise Nack(Reason.INVALID, f"{what}: {twice[0][:80]}")


def _check_successor(document: Document, applied: Document) -> None:
    if document.generation <= applied.generation:
        detail = f"generation {document.generation}, applied is {applied.generation}"
        raise Nack(Reason.STALE, detail)
    allowed = set(document.payload.may_remove)
    kept = set(document.payload.champions())
    lost = sorted(set(applied.payload.champions()) - kept - allowed)
    if lost:
        raise Nack(Reason.CHAMPION_REMOVED, f"without leave: {', '.join(lost)[:200]}")
