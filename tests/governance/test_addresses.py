"""Whose address counts behind a proxy, and that nobody can choose their own."""

import pytest

from governance import addresses, config
from governance.models import AccessLog

OURS = addresses.networks("10.0.0.0/8, fd00::/8")


@pytest.mark.parametrize(
    ("remote", "forwarded", "found"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # Not a proxy of ours: its word is none.
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),  # The caller wrote the first one.
        ("10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.7", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.9", "10.0.0.9"),
        ("10.0.0.1", "198.51.100.1, <script>", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, ", "10.0.0.1"),
        ("::ffff:10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("fd00::1", "198.51.100.1", "198.51.100.1"),
        ("", "198.51.100.1", ""),  # A socket file has no address.
    ],
)
def test_the_last_hop_that_is_not_ours(remote, forwarded, found):
    assert addresses.caller(remote=remote, forwarded=forwarded, trusted=OURS) == found


def test_without_proxies_nobody_is_believed():
    assert addresses.caller(remote="10.0.0.1", forwarded="1.2.3.4", trusted=()) == "10.0.0.1"


@pytest.mark.parametrize("text", ["10.0.0.0/33", "proxy.example", "10.0.0.1/8"])
def test_what_is_no_network_stops_the_start(text, monkeypatch):
    monkeypatch.setenv("TRUSTED_PROXIES", text)
    config.load.cache_clear()
    try:
        with pytest.raises(config.Misconfigured, match="TRUSTED_PROXIES"):
            config.load()
    finally:
        monkeypatch.undo()
        config.load.cache_clear()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("proxies", "remote", "noted"),
    [
        ("", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.1", "198.51.100.1"),
        ("10.0.0.0/8", "203.0.113.9", "203.0.113.9"),
    ],
)
def test_a_failed_sign_in_is_counted_against_the_caller(client, settings, proxies, remote, noted):
    settings.CONFIG = settings.CONFIG.model_copy(update={"trusted_proxies": proxies})
    client.post(
        "/sign-in/",
        {"username": "eva", "password": "a guess"},
        headers={"X-Forwarded-For": "1.1.1.1, 198.51.100.1"},
        REMOTE_ADDR=remote,
    )
    assert AccessLog.objects.latest("at").address == noted
