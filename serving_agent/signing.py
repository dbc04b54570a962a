"""Signatures of the control plane: Ed25519 in a DSSE envelope.

What is signed is the exact payload with its type and both lengths (the
"pre-authentication encoding"), so nothing has to be parsed before it is
trusted, and a payload cannot be passed off as another type.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PAYLOAD_TYPE = "application/vnd.lockgate.desired-state+json"


class PublicKey(msgspec.Struct, frozen=True):
    """A key as documents carry it: its id, and base64 of its 32 raw bytes."""

    keyid: str
    public: str

    def raw(self) -> bytes:
        """Return the 32 bytes.

        Raises:
            ValueError: not a key, or not the one its id says.
        """
        try:
            raw = base64.b64decode(self.public, validate=True)
        except binascii.Error as exc:
            raise ValueError("a public key is not base64") from exc
        if len(raw) != 32:
            raise ValueError("a public key is not 32 bytes")
        if hashlib.sha256(raw).hexdigest()[:16] != self.keyid:
            raise ValueError("a public key is not the one its id names")
        return raw


class Signature(msgspec.Struct, frozen=True):
    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    payload_type: str
    payload: str
    signatures: Annotated[list[Signature], msgspec.Meta(min_length=1, max_length=8)]


def pae(payload_type: str, body: bytes) -> bytes:
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


def fingerprint(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


class Trust:
    """The keys whose word counts."""

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        self.keys = tuple(keys)
        self._by_id: Mapping[str, Ed25519PublicKey] = {
            key.keyid: Ed25519PublicKey.from_public_bytes(key.raw()) for key in self.keys
        }

    @classmethod
    def pinned(cls, keys: Iterable[PublicKey], *, expected: str) -> Self:
        """Trust the one key that has this fingerprint, and none that came along with it.

        Raises:
            ValueError: none of them has it.
        """
        for key in keys:
            if fingerprint(key.raw()) == expected:
                return cls([key])
        raise ValueError("the control plane's key is not the one this agent was told to expect")

    def signer(self, payload_type: str, body: bytes, signatures: Iterable[Signature]) -> str | None:
        """Return the id of a known key that signed this, or None."""
        message = pae(payload_type, body)
        for signature in signatures:
            key = self._by_id.get(signature.keyid)
            if key is not None and _verifies(key, signature.sig, message):
                return signature.keyid
        return None


def _verifies(key: Ed25519PublicKey, signature: str, message: bytes) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
