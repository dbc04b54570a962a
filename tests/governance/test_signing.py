"""Envelopes verify with a library that is not ours, and only unchanged."""

import base64
import hashlib
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from governance import signing

TYPE = "application/vnd.lockgate.desired-state+json"


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def test_the_encoding_is_the_published_one():
    # The example of the DSSE protocol.
    assert signing.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@given(payload=st.binary(max_size=200), kind=st.text(max_size=20))
def test_an_envelope_verifies_with_the_current_key(payload, kind):
    raw = signing.sign_envelope(payload, kind)
    envelope = json.loads(raw)
    (signature,) = envelope["signatures"]
    body = base64.b64decode(envelope["payload"])
    public = signing.public_keys()[0]

    assert (body, envelope["payloadType"]) == (payload, kind)
    assert list(envelope) == ["payloadType", "payload", "signatures"]
    assert signature["keyid"] == hashlib.sha256(public).hexdigest()[:16]
    message = signing.pae(kind, payload)
    key = Ed25519PublicKey.from_public_bytes(public)
    key.verify(base64.b64decode(signature["sig"]), message)
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(signature["sig"]), message + b"x")


def test_the_same_payload_gives_the_same_bytes():
    assert signing.sign_envelope(b"x", TYPE) == signing.sign_envelope(b"x", TYPE)


def test_a_type_and_a_body_cannot_trade_bytes():
    assert signing.pae("a", b"b c") != signing.pae("a 1 b", b"c")


def test_a_key_is_read_and_anything_else_named(tmp_path):
    key, file = Ed25519PrivateKey.generate(), tmp_path / "key"
    file.write_bytes(pem(key))
    assert signing.raw_public(signing.read_key(file)) == signing.raw_public(key)

    for content in (b"", b"not a key", pem(ec.generate_private_key(ec.SECP256R1()))):
        file.write_bytes(content)
        with pytest.raises(signing.BadKey, match=str(file)):
            signing.read_key(file)
    with pytest.raises(signing.BadKey):
        signing.read_key(tmp_path / "absent")
