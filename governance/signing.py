"""The control plane's signatures: Ed25519 in DSSE envelopes.

What is signed is the payload's exact bytes with their type and both lengths, the
pre-authentication encoding (PAE) of https://github.com/secure-systems-lab/dsse, so a
reader trusts the bytes before it parses them, and no payload passes for another type.
"""

import base64
import hashlib
import json
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import config, notes


class BadKey(SystemExit):
    """A key file does not hold what it should; the message names it."""


def fingerprint(public: bytes) -> str:
    """Return what people compare out of band: SHA-256 of the raw 32 bytes, in hex."""
    return hashlib.sha256(public).hexdigest()


def keyid(public: bytes) -> str:
    """Return the short name documents use for a key."""
    return fingerprint(public)[:16]


def pae(payload_type: str, body: bytes) -> bytes:
    """Return the bytes a signature is over. Lengths are of bytes, in decimal."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


def sign_envelope(payload: bytes, payload_type: str) -> bytes:
    """Return the envelope's exact JSON bytes, signed with the current key.

    Ed25519 is deterministic, so the same payload and key give the same bytes.
    """
    return seal(payload, payload_type, key=_keys()[0])


def seal(payload: bytes, payload_type: str, *, key: Ed25519PrivateKey) -> bytes:
    """Return the envelope's exact JSON bytes, signed with ``key``."""
    envelope = {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {
                "keyid": keyid(raw_public(key)),
                "sig": base64.b64encode(key.sign(pae(payload_type, payload))).decode(),
            }
        ],
    }
    return json.dumps(envelope, separators=(",", ":")).encode()


def sign_note(text: str, *, name: str) -> str:
    """Return a C2SP signed note of the text, by every key in use."""
    return notes.sign(text, name=name, keys=_keys())


def public_keys() -> tuple[bytes, ...]:
    """Return the raw public keys, the current one first, then the successor if there is one."""
    return tuple(dict.fromkeys(map(raw_public, _keys())))  # Agents refuse a key named twice.


def raw_public(key: Ed25519PrivateKey) -> bytes:
    """Return the 32 bytes of a key's public half."""
    return key.public_key().public_bytes_raw()


def read_key(path: Path) -> Ed25519PrivateKey:
    """Read an Ed25519 private key from a PEM file.

    Raises:
        BadKey: one line that names the file.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise BadKey(f"Lockgate: the signing key {path} cannot be read: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"Lockgate: the signing key {path} is not an Ed25519 key.")
    return key


@cache
def _keys() -> tuple[Ed25519PrivateKey, ...]:
    """Read the keys once; a new one takes effect at the next start."""
    settings = config.load()
    files = [settings.signing_key_file, settings.successor_key_file]
    return tuple(read_key(path) for path in files if path is not None)
