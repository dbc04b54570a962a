"""What the environment may say, and what is said back."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from serving_agent.latency import WINDOW_SECONDS, WINDOW_SIZE, Latency
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


def test_latency_is_of_the_last_minute() -> None:
    now = [0.0]
    latency = Latency(clock=lambda: now[0])
    assert latency.distribution() is None

    for milliseconds in range(1, 101):
        latency.add(float(milliseconds))
    seen = latency.distribution()
    assert seen is not None
    assert (seen.count, seen.mean_ms, seen.p50_ms) == (100, 50.5, 50.5)
    assert 95 <= seen.p95_ms <= 96
    assert sum(latency.buckets) == 100

    now[0] = WINDOW_SECONDS + 1
    assert latency.distribution() is None
    for _ in range(WINDOW_SIZE + 10):
        latency.add(1.0)
    full = latency.distribution()
    assert full is not None
    assert full.count == WINDOW_SIZE
