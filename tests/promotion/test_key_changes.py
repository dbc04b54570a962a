"""A signing key is followed by another, and agents accept every document on the way."""

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command

from governance import config, signing
from promotion.models import Target
from promotion.selectors import states
from serving_agent import documents
from serving_agent.errors import Nack
from serving_agent.signing import PublicKey, Trust

pytestmark = pytest.mark.django_db


@pytest.fixture
def sign_with(monkeypatch, tmp_path):
    """Let the control plane start with other key files."""

    def start(current, successor=None):
        settings = config.load()
        monkeypatch.setattr(settings, "signing_key_file", current)
        monkeypatch.setattr(settings, "successor_key_file", successor)
        signing._keys.cache_clear()

    yield start
    monkeypatch.undo()
    signing._keys.cache_clear()


@pytest.fixture
def new_key(tmp_path):
    path = tmp_path / "new.pem"
    path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


class Follower:
    """What an agent believes, by the agent's own code."""

    def __init__(self, rig, tier="live"):
        self.rig = rig
        self.target = documents.Target("prod-eu", tier)
        raw = signing.public_keys()[0]
        first = json.loads(json.dumps(rig.desired()["keys"]))
        pinned = [PublicKey(**key) for key in first]
        self.trust = Trust.pinned(pinned, expected=signing.fingerprint(raw))
        self.applied = None

    def fetch(self):
        """Apply what the control plane gives out now, as the courier does."""
        target = Target.objects.get(environment__slug="prod-eu", tier=self.target.tier)
        raw = bytes(states.current(target).envelope)
        document = documents.verify(raw, trust=self.trust, target=self.target, applied=self.applied)
        self.trust, self.applied = Trust(document.payload.keys), document
        self.rig.obey()
        return document.signer


def test_the_old_key_is_followed_by_the_new_one(world, sign_with, new_key, capsys):
    rig = world.agent("eu-1")
    follower, absent = Follower(rig), Follower(rig)
    old_key = config.load().signing_key_file
    old, new = signing.public_keys()[0], signing.raw_public(signing.read_key(new_key))
    assert follower.fetch() == signing.keyid(old)

    sign_with(old_key, new_key)  # 1. The successor is published.
    with pytest.raises(CommandError, match="eu-1 of prod-eu/live has not applied"):
        call_command("announce_keys")
    assert "published to prod-eu/live" in capsys.readouterr().out
    assert follower.fetch() == signing.keyid(old)
    call_command("announce_keys")  # 2. Everybody knows it; asking again publishes nothing.
    assert "published" not in capsys.readouterr().out
    assert [key.keyid for key in follower.trust.keys] == list(map(signing.keyid, (old, new)))

    sign_with(new_key)  # 3. The new one signs alone.
    assert follower.fetch() == signing.keyid(old)  # Until something is published, the old bytes.
    with pytest.raises(CommandError, match="has not applied"):
        call_command("announce_keys")
    assert follower.fetch() == signing.keyid(new)
    call_command("announce_keys", check=True)

    # 4. The old key's word counts no more, and who never heard of the new one says so.
    forged = signing.seal(b"{}", documents.PAYLOAD_TYPE, key=signing.read_key(old_key))
    with pytest.raises(Nack) as refused:
        documents.verify(
            forged, trust=follower.trust, target=follower.target, applied=follower.applied
        )
    assert refused.value.reason == "BAD_SIGNATURE"
    with pytest.raises(Nack) as left_behind:
        absent.fetch()
    assert left_behind.value.reason == "BAD_SIGNATURE"


def test_switching_without_announcing_is_told_beforehand(world, sign_with, new_key):
    world.agent("eu-1")
    sign_with(config.load().signing_key_file, new_key)
    with pytest.raises(CommandError, match="prod-eu/live names other keys"):
        call_command("announce_keys", check=True)
