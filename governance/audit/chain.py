"""The chain's arithmetic: what is hashed, and how entries hang together.

An entry's *leaf* is the exact RFC 8785 (canonical JSON) bytes of its public
fields; its hash is the RFC 6962 leaf hash, SHA-256 of a zero byte and the leaf.
Names, reasons and facts lie beside it in a *payload*, of which the leaf holds
only SHA-256(salt + payload), so a payload can be erased without breaking the
chain.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import rfc8785

GENESIS = "0" * 64
LEAF_VERSION = 1


@dataclass(frozen=True, slots=True)
class Stored:
    """One entry as the database holds it; ``payload`` is None once erased."""

    seq: int
    leaf: str
    hash: str
    salt: bytes | None
    payload: str | None
    columns: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing wrong with an entry."""

    seq: int
    reason: str


def leaf_hash(leaf: bytes) -> str:
    """Return the RFC 6962 leaf hash of an entry, in hex."""
    return hashlib.sha256(b"\x00" + leaf).hexdigest()


def payload_hash(salt: bytes, payload: bytes) -> str:
    """Return what a leaf holds of its payload, in hex."""
    return hashlib.sha256(salt + payload).hexdigest()


def canonical(value: object) -> str:
    """Return the RFC 8785 form of a JSON value.

    Raises:
        rfc8785.CanonicalizationError: a value JSON cannot hold exactly.
    """
    return rfc8785.dumps(value).decode()  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Start:
    """Where a walk begins: after entry ``seq``, with the ends of the objects' chains there."""

    seq: int = 0
    hash: str = GENESIS
    objects: Mapping[str, tuple[int, str]] = field(default_factory=dict)


def faults(entries: Iterable[Stored], start: Start | None = None) -> Iterator[Fault]:
    """Walk the chain in order, all of it or from ``start``, and yield what is wrong with it."""
    start = start or Start()
    previous, expected = start.hash, start.seq + 1
    objects = dict(start.objects)
    for entry in entries:
        reason = _wrong_with(entry, previous=previous, expected=expected, objects=objects)
        if reason:
            yield Fault(entry.seq, reason)
        try:
            fields = json.loads(entry.leaf)
            objects[str(fields["object"])] = (int(fields["object_seq"]), entry.hash)
        except (ValueError, TypeError, KeyError, RecursionError):
            pass  # Already named above: such a leaf is not canonical.
        previous, expected = entry.hash, entry.seq + 1


def _wrong_with(
    entry: Stored, *, previous: str, expected: int, objects: Mapping[str, tuple[int, str]]
) -> str:
    """Say what is wrong with one entry, given what came before it, or ``""``."""
    if entry.seq != expected:
        return f"entry {expected} is missing"
    problem = _wrong_with_leaf(entry.leaf)
    if problem:
        return problem
    fields: dict[str, object] = json.loads(entry.leaf)
    if leaf_hash(entry.leaf.encode()) != entry.hash:
        return "its leaf does not have its hash"
    if fields.get("seq") != entry.seq or fields.get("prev_hash") != previous:
        return "it does not follow the entry before it"
    object_seq, object_hash = objects.get(str(fields.get("object")), (0, GENESIS))
    if (fields.get("object_seq"), fields.get("prev_object_hash")) != (object_seq + 1, object_hash):
        return "it does not follow its object's entry before it"
    return _wrong_beside(entry, fields)


def _wrong_with_leaf(leaf: str) -> str:
    try:
        fields = json.loads(leaf)
        canonically = canonical(fields)
    except (ValueError, TypeError, RecursionError):
        return "its leaf is not JSON"
    if canonically != leaf:
        return "its leaf is not in canonical form"
    return "" if isinstance(fields, dict) else "its leaf is not an object"


def _wrong_beside(entry: Stored, fields: Mapping[str, object]) -> str:
    """Compare what lies beside a leaf with what the leaf says."""
    for name, value in entry.columns.items():
        if fields.get(name) != value:
            return f"its column {name} differs from its leaf"
    if entry.payload is None:
        return ""
    if entry.salt is None:
        return "its payload has lost its salt"
    if payload_hash(entry.salt, entry.payload.encode()) != fields.get("payload_sha256"):
        return "its payload does not have the hash in its leaf"
    return ""
