"""What a signature is for: the exact content of a request, as one hash."""

import hashlib
from collections.abc import Mapping

import rfc8785


def document(
    *,
    kind: str,
    model: str,
    version: int,
    digest: str,
    environment: str,
    from_state: str,
    to_state: str,
    policy: int,
    champion_digest: str | None,
    evidence: Mapping[str, object],
) -> dict[str, object]:
    """Return what the approver is shown, and what the hash is of."""
    return {
        "schema": "lockgate.request/1",
        "kind": kind,
        "model": model,
        "version": version,
        "digest": digest,
        "environment": environment,
        "from": from_state,
        "to": to_state,
        "policy": policy,
        "replaces": champion_digest,
        "evidence_sha256": hash_of(evidence),
    }


def hash_of(value: Mapping[str, object]) -> str:
    """Return the SHA-256, in hex, of a document's canonical bytes (RFC 8785)."""
    return hashlib.sha256(rfc8785.dumps(dict(value))).hexdigest()  # type: ignore[arg-type]
