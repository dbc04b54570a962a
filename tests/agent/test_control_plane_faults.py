"""The control plane hangs, fails, lies or redirects: the serving does not notice."""

import threading
import time

import httpx
import pytest

from serving_agent.control_plane import ControlPlane as Client
from serving_agent.errors import PermanentFailure

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .versions import make, rows


def test_a_control_plane_that_hangs_delays_no_answer(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    plane.wait_champion(version)
    release = threading.Event()

    def hang() -> None:
        release.wait(20)

    plane.faults["GET /api/v1/agents/self"] = hang
    plane.faults["PUT /api/v1/agents/self"] = hang
    time.sleep(0.5)
    slowest = 0.0
    for _ in range(100):
        started = time.monotonic()
        assert agent.infer(rows(1)).status_code == 200
        slowest = max(slowest, time.monotonic() - started)
        time.sleep(0.01)
    release.set()

    assert slowest < 1.0
    plane.faults.clear()
    plane.reports.clear()
    plane.wait_report(lambda r: r["seq"] > 0, seconds=20)


def test_the_token_is_not_sent_to_another_origin(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    store = ControlPlane()
    seen: list[dict[str, str]] = []

    def serve_blob() -> tuple[int, dict[str, str], bytes]:
        _, path, headers = store.calls[-1]
        seen.append(headers)
        return 200, {}, version.blobs[path.rpartition(":")[2]]

    store.faults["GET /bucket/"] = serve_blob
    plane.publish(model(champion=version), versions=[version])

    def redirect() -> tuple[int, dict[str, str], bytes]:
        _, path, _ = plane.calls[-1]
        return 307, {"location": f"{store.url}/bucket/{path.rpartition('/')[2]}"}, b""

    plane.faults["GET /api/v1/blobs/"] = redirect
    try:
        start_agent()
        plane.wait_champion(version)
    finally:
        store.stop()

    assert len(seen) == 3
    assert all("authorization" not in headers for headers in seen)
    asked = [h for m, path, h in plane.calls if "/blobs/" in path]
    assert all(h["authorization"] == "Bearer agent-token" for h in asked)


def test_a_redirect_of_other_calls_is_not_followed(plane: ControlPlane) -> None:
    other = ControlPlane()
    plane.faults["GET /api/v1/agents/self/desired-state"] = lambda: (
        302,
        {"location": f"{other.url}/api/v1/agents/self/desired-state"},
        b"",
    )
    client = Client(plane.url, token="agent-token")
    with pytest.raises(PermanentFailure, match="302"):
        client.desired_state(None)

    client.close()
    other.stop()

    assert other.calls == []


def test_a_token_that_is_no_longer_good_stops_no_answer(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    plane.wait_champion(version)

    plane.token = "another"
    plane.publish(may_remove=["credit"])
    time.sleep(1.5)

    assert agent.infer(rows(1)).status_code == 200
    assert "does not answer as it should" in agent.log()
    assert agent.log().count("does not answer as it should") <= 2


def test_the_token_is_renewed_at_half_its_life_and_kept(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.token_seconds = 4.0
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    plane.wait_champion(version)

    deadline = time.monotonic() + 10
    while not plane.renewals:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    plane.reports.clear()
    plane.wait_report(lambda r: r["seq"] > 0)
    agent.terminate()
    plane.reports.clear()

    start_agent()
    plane.wait_champion(version)
    assert plane.renewals == 1


def test_a_token_that_cannot_be_renewed_is_warned_of(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.token_seconds, plane.renews = 2.0, False
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    plane.wait_champion(version)

    deadline = time.monotonic() + 20
    while "the token cannot be renewed; from" not in agent.log():
        assert time.monotonic() < deadline
        time.sleep(0.1)

    assert agent.infer(rows(1)).status_code == 200
    ends = httpx.get(f"{agent.url}/metrics").text.split("token_expires_timestamp_seconds ")[-1]
    assert abs(float(ends.split()[0]) - time.time()) < 60
    plane.renews = True
    deadline = time.monotonic() + 30
    while not plane.renewals:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert agent.log().count("the token cannot be renewed") == 1


def test_there_may_be_no_document_yet(plane: ControlPlane, start_agent: StartAgent) -> None:
    agent = start_agent()
    plane.wait_report(lambda r: r["observed_generation"] == 0 and r["models"] == [])
    agent.wait_ready()

    assert agent.infer(rows(1)).status_code == 404
    version = make()
    plane.publish(model(champion=version), versions=[version])
    plane.wait_champion(version)


def test_a_report_that_names_a_newer_generation_is_followed_by_a_fetch(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    old, new = make(), make(number=2)
    plane.publish(model(champion=old), versions=[old])
    start_agent(poll_seconds="3600", report_seconds="0.5")
    plane.wait_champion(old)

    plane.publish(model(champion=new), versions=[new])
    plane.wait_champion(new, seconds=5)
