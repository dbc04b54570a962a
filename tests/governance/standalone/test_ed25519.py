"""The verifier's own Ed25519 agrees with RFC 8032 and with ``cryptography``."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.audit.standalone.verify import L, P, ed25519_holds

RFC = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
            "f9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
            "f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f76098"
            "4dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]


@pytest.mark.parametrize(("public", "message", "signature"), RFC)
def test_the_vectors_of_the_rfc_hold(public, message, signature):
    public, message, signature = map(bytes.fromhex, (public, message, signature))
    assert ed25519_holds(public, message, signature)
    assert not ed25519_holds(public, message + b"x", signature)
    for at in (0, 31, 32, 63):
        wrong = bytearray(signature)
        wrong[at] ^= 1
        assert not ed25519_holds(public, message, bytes(wrong))


@settings(max_examples=60)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300), st.integers(0, 511))
def test_it_agrees_with_the_library_on_good_and_flipped_signatures(seed, message, bit):
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert ed25519_holds(public, message, signature)
    wrong = bytearray(signature)
    wrong[bit // 8] ^= 1 << bit % 8
    assert not ed25519_holds(public, message, bytes(wrong))


@settings(max_examples=100)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
def test_it_agrees_with_the_library_on_whatever_bytes(public, signature):
    assert ed25519_holds(public, b"message", signature) == _library(public, b"message", signature)


def test_a_signature_has_one_form_only():
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"m")
    s = int.from_bytes(signature[32:], "little")
    again = signature[:32] + (s + L).to_bytes(32, "little")
    assert not ed25519_holds(public, b"m", again)
    assert not ed25519_holds(public, b"m", signature + b"\0")
    assert not ed25519_holds(public[:31], b"m", signature)
    beyond = (P + 1).to_bytes(32, "little")
    assert not ed25519_holds(beyond, b"m", signature)


def _library(public, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
