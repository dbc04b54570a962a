"""What the environment may say, and what is said back."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from serving_agent.settings import Settings


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKGATE_AGENT_LABELS", "zone=a, rack=7")
    monkeypatch.setenv("LOCKGATE_AGENT_KEY", "SHA256:" + "AB" * 32)
    monkeypatch.setenv("LOCKGATE_AGENT_JOIN_TOKEN", "secret")
    monkeypatch.setenv("LOCKGATE_AGENT_HOME", "somewhere")

    settings = Settings()

    assert settings.labels == {"zone": "a", "rack": "7"}
    assert settings.key == "ab" * 32
    assert settings.home == Path.cwd() / "somewhere"
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("POLL_SECONDS", "0"),
        ("HTTP_SECONDS", "60"),
        ("LABELS", "novalue"),
        ("KEY", "ab" * 31),
        ("HOST", "0.0.0.0"),
        ("URL", "localhost:8000"),
    ],
)
def test_a_value_that_cannot_be_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"LOCKGATE_AGENT_{name}", value)

    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_no_token(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKGATE_AGENT_HOST", host)

    assert Settings().inference_token is None
