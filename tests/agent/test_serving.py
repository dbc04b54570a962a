"""Agents as processes: enrolled, serving, swapping."""

import threading
import time
from typing import Self

import httpx
import numpy as np

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .versions import expected, make, make_external, network, rows, scores, tensor


def test_an_agent_enrols_and_serves_what_the_document_names(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    report = plane.wait_champion(version)

    response = agent.infer(rows(7), id="t-1")

    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["model_name"] == "credit"
    assert answer["model_version"] == "1"
    assert answer["id"] == "t-1"
    assert answer["parameters"] == {"digest": version.digest}
    assert response.headers["lockgate-version"] == "1"
    assert response.headers["lockgate-digest"] == version.digest
    assert np.allclose(answer["outputs"][0]["data"], expected(version, rows(7)).ravel())
    entry = report["models"][0]
    assert entry["golden"]["passed"] == entry["golden"]["total"] == 5
    assert entry["load_seconds"] > 0
    assert report["observed_generation"] == 1
    assert report["inference_url"] == agent.url
    assert report["control_url"] == agent.control_url


class Load:
    """Callers that never stop asking, and count what they were told."""

    def __init__(self, url: str, *, callers: int = 3) -> None:
        self._url = url
        self._stop = threading.Event()
        self.digests: list[str] = []
        self.failures: list[str] = []
        self.latest = 0.0
        self._threads = [threading.Thread(target=self._ask) for _ in range(callers)]

    def _ask(self) -> None:
        body = {"inputs": [tensor("X", rows(3))]}
        with httpx.Client(base_url=self._url, timeout=10, trust_env=False) as http:
            while not self._stop.is_set():
                try:
                    response = http.post("/v2/models/credit/infer", json=body)
                except httpx.HTTPError as exc:
                    self.failures.append(repr(exc))
                    continue
                if response.status_code != 200:
                    self.failures.append(response.text)
                else:
                    self.digests.append(response.headers["lockgate-digest"])
                time.sleep(0.001)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_no_request_fails_while_versions_change_places(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    old, new = make(number=1), make(number=2)
    plane.publish(model(champion=old), versions=[old])
    agent = start_agent()
    plane.wait_champion(old)

    with Load(agent.url) as load:
        time.sleep(0.2)
        plane.publish(model(champion=old, load=[new]), versions=[new])
        plane.wait_report(
            lambda r: (
                {m["digest"]: (m["role"], m["phase"]) for m in r["models"]}
                == {old.digest: ("champion", "ready"), new.digest: ("load", "ready")}
            )
        )
        for champion, bake in ((new, old), (old, new), (new, old)):
            plane.publish(model(champion=champion, bake=bake))
            plane.wait_champion(champion)
            time.sleep(0.1)
        plane.publish(model(champion=new, hold=[old]))
        plane.wait_report(lambda r: any(e["digest"] == old.digest for e in r["events"]))
        time.sleep(0.1)

    assert load.failures == []
    assert len(load.digests) > 200, "too little load to prove anything"
    assert set(load.digests) == {old.digest, new.digest}
    assert load.digests[-1] == new.digest


def test_a_champion_that_is_not_loaded_yet_leaves_the_old_one_answering(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    old, new = make(number=1), make(number=2)
    plane.publish(model(champion=old), versions=[old])
    agent = start_agent()
    plane.wait_champion(old)

    # Nothing loaded the new one first, and its bytes are not there yet.
    plane.publish(model(champion=new))
    plane.wait_failure(new, "FETCH_FAILED")
    assert agent.infer(rows(1)).headers["lockgate-digest"] == old.digest

    plane.blobs.update(new.blobs)
    plane.wait_champion(new)
    assert agent.infer(rows(1)).headers["lockgate-digest"] == new.digest


def test_an_unloaded_version_gives_its_memory_back_and_says_so(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    small, heavy = make(number=1), make(number=2, ballast=3_000_000)
    size = 3_000_000 * 4 * 4
    plane.publish(model(champion=small), versions=[small])
    start_agent()
    before = plane.wait_champion(small)["resident_bytes"]
    plane.publish(model(champion=small, load=[heavy]), versions=[heavy])
    loaded = plane.wait_report(
        lambda r: any(m["digest"] == heavy.digest and m["phase"] == "ready" for m in r["models"])
    )
    entry = next(m for m in loaded["models"] if m["digest"] == heavy.digest)
    assert entry["memory_bytes"] > 0.8 * size
    assert loaded["resident_bytes"] > before + 0.8 * size

    plane.publish(model(champion=small))
    gone = plane.wait_report(lambda r: bool(r["events"]))

    event = gone["events"][0]
    assert (event["kind"], event["model"], event["digest"]) == ("unloaded", "credit", heavy.digest)
    assert event["age_ms"] >= 0
    assert heavy.digest not in {m["digest"] for m in gone["models"]}
    assert gone["resident_bytes"] < loaded["resident_bytes"] - 0.8 * size
    # Acknowledged by the 200 it was answered with, so it is told once.
    following = plane.wait_report(lambda r: r["seq"] > gone["seq"])
    assert following["events"] == []
    plane.wait_report(lambda r: r["held"] == [small.digest])


def test_an_event_is_told_until_a_report_is_taken(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    champion, other = make(number=1), make(number=2)
    plane.publish(model(champion=champion, load=[other]), versions=[champion, other])
    start_agent()
    plane.wait_champion(champion)
    plane.wait_report(lambda r: len([m for m in r["models"] if m["phase"] == "ready"]) == 2)

    told = []

    def deny() -> tuple[int, dict[str, str], bytes] | None:
        told.append(time.monotonic())
        return (503, {}, b"{}") if len(told) <= 3 else None

    plane.faults["PUT /api/v1/agents/self/report"] = deny
    plane.publish(model(champion=champion))
    report = plane.wait_report(lambda r: bool(r["events"]))

    assert len(told) > 3
    assert [e["digest"] for e in report["events"]] == [other.digest]
    assert report["events"][0]["age_ms"] > 0


def test_weights_in_a_further_file_are_loaded_and_checked(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make_external()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    plane.wait_champion(version)

    answer = agent.infer(rows(5)).json()

    assert np.allclose(answer["outputs"][0]["data"], scores(network(1), rows(5)).ravel())


def test_versions_answer_by_number_only_where_they_may(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    champion, candidate, bake, loaded, dark = (make(number=n) for n in range(1, 6))
    plane.publish(
        model(champion=champion, candidate=candidate, bake=bake, load=[loaded], dark=[dark]),
        versions=[champion, candidate, bake, loaded, dark],
    )
    agent = start_agent()
    plane.wait_report(lambda r: len([m for m in r["models"] if m["phase"] == "ready"]) == 4)

    answers = {n: agent.infer(rows(1), version=n).status_code for n in range(1, 7)}

    assert answers == {1: 200, 2: 200, 3: 404, 4: 404, 5: 404, 6: 404}
    assert agent.infer(rows(1)).headers["lockgate-version"] == "1"
    assert agent.infer(rows(1), version=2).headers["lockgate-version"] == "2"
    index = {one["version"]: one for one in agent.http.post("/v2/repository/index").json()}
    assert {n: one["state"] for n, one in index.items()} == {
        "1": "READY",
        "2": "READY",
        "3": "UNAVAILABLE",
        "4": "UNAVAILABLE",
    }
    assert dark.digest not in str(plane.reports[-1]["held"])


def test_the_dark_tier_answers_nobody(start_agent: StartAgent, plane: ControlPlane) -> None:
    version = make()
    plane.tier = "dark"
    plane.publish(model(dark=[version]), versions=[version])
    agent = start_agent()
    plane.wait_report(
        lambda r: [(m["role"], m["phase"]) for m in r["models"]] == [("dark", "ready")]
    )

    for response in (agent.infer(rows(1)), agent.infer(rows(1), version=1)):
        assert response.status_code == 403
        assert set(response.json()) == {"error"}
    assert agent.http.get("/v2/health/ready").status_code == 200


def test_a_spare_answers_once_the_champion_is_stopped(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    champion, spare = make(number=1), make(number=2)
    plane.publish(model(champion=champion, spare=spare), versions=[champion, spare])
    agent = start_agent()
    plane.wait_champion(champion)
    plane.wait_report(lambda r: len([m for m in r["models"] if m["phase"] == "ready"]) == 2)

    plane.publish(model(spare=spare), may_remove=["credit"])
    plane.wait_champion(spare)
    assert agent.infer(rows(1)).headers["lockgate-digest"] == spare.digest

    plane.publish(may_remove=["credit"])
    plane.wait_report(lambda r: not r["models"])
    assert agent.infer(rows(1)).status_code == 404


def test_labels_decide_which_models_an_agent_takes(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    here, elsewhere = make("here", 1), make("elsewhere", 1)
    plane.publish(
        model("here", champion=here, placement={"labels": {"zone": "a"}, "minimum": 1}),
        model("elsewhere", champion=elsewhere, placement={"labels": {"zone": "b"}, "minimum": 1}),
        versions=[here, elsewhere],
    )
    agent = start_agent(labels="zone=a,rack=7")
    plane.wait_champion(here)
    agent.wait_ready()

    assert agent.infer(rows(1), model="here").status_code == 200
    assert agent.infer(rows(1), model="elsewhere").status_code == 404
    assert [m["model"] for m in plane.reports[-1]["models"]] == ["here"]


def test_a_dear_model_does_not_hold_up_a_cheap_one(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    cheap, dear = make("cheap", 1), make("dear", 1, depth=200)
    plane.publish(
        model("cheap", champion=cheap), model("dear", champion=dear), versions=[cheap, dear]
    )
    agent = start_agent()
    plane.wait_report(lambda r: len([m for m in r["models"] if m["phase"] == "ready"]) == 2)

    many = np.repeat(rows(1), 400, axis=0)
    done = threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        with httpx.Client(base_url=agent.url, timeout=30, trust_env=False) as http:
            body = {"inputs": [tensor("X", many)]}
            statuses.append(http.post("/v2/models/dear/infer", json=body).status_code)
        done.set()

    thread = threading.Thread(target=ask)
    thread.start()
    meanwhile = 0
    while not done.is_set():
        assert agent.infer(rows(1), model="cheap").status_code == 200
        meanwhile += not done.is_set()
    thread.join()

    assert statuses == [200]
    assert meanwhile >= 5, "the cheap model waited for the dear one"


def test_metrics_tell_what_happened(plane: ControlPlane, start_agent: StartAgent) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    plane.wait_champion(version)
    for seed in range(5):
        agent.infer(rows(seed))
    agent.http.post("/v2/models/credit/infer", content=b"nonsense")

    text = agent.http.get("/metrics").text

    labels = f'digest="{version.digest}",model="credit",version="1"'
    assert f"lockgate_agent_requests_total{{{labels}}} 5.0" in text
    assert f"lockgate_agent_latency_seconds_count{{{labels}}} 5.0" in text
    assert f"lockgate_agent_inference_seconds_count{{{labels}}} 5.0" in text
    assert f"lockgate_agent_queue_seconds_count{{{labels}}} 5.0" in text
    assert 'lockgate_agent_refused_total{status="400"} 1.0' in text
    assert "lockgate_agent_generation 1.0" in text
    assert f"lockgate_agent_memory_bytes{{{labels}}}" in text
    assert "lockgate_agent_memory_budget_bytes 0.0" not in text, "the host's, without a setting"
    report = plane.wait_report(lambda r: any(m["requests"] == 5 for m in r["models"]))
    latency = report["models"][0]["latency"]
    assert latency["count"] == 5
    assert 0 < latency["p50_ms"] <= latency["p95_ms"] <= latency["p99_ms"]
    assert [(w["seconds"], w["count"]) for w in latency["windows"]] == [
        (60, 5),
        (600, 5),
        (3600, 5),
    ]
    assert sum(latency["since_load"]["counts"]) == 5
    assert (latency["budget_ms"], latency["over_budget"]) == (30.0, 0)


def test_what_was_unloaded_leaves_no_series_behind(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    old, new = make(number=1), make(number=2)
    plane.publish(model(champion=old, latency_budget_ms=0.001), versions=[old, new])
    agent = start_agent()
    plane.wait_champion(old)
    agent.infer(rows(1))
    slow = plane.wait_report(lambda r: any(m["requests"] == 1 for m in r["models"]))
    assert slow["models"][0]["latency"]["over_budget"] == 1
    labels = f'digest="{old.digest}",model="credit",version="1"'
    assert f"lockgate_agent_over_budget_total{{{labels}}} 1.0" in agent.http.get("/metrics").text

    plane.publish(model(champion=new))
    plane.wait_report(lambda r: any(e["digest"] == old.digest for e in r["events"]))

    text = agent.http.get("/metrics").text
    assert old.digest not in text
    assert new.digest in text


def test_more_callers_than_it_can_hold_are_told_to_come_back(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    dear = make(depth=100)
    plane.publish(model(champion=dear), versions=[dear])
    agent = start_agent(concurrency="4", dear_ms="0.0001")
    plane.wait_champion(dear)
    body = {"inputs": [tensor("X", np.repeat(rows(1), 100, axis=0))]}
    seen: list[tuple[int, str | None]] = []

    def ask() -> None:
        with httpx.Client(base_url=agent.url, timeout=30, trust_env=False) as http:
            for _ in range(5):
                response = http.post("/v2/models/credit/infer", json=body)
                seen.append((response.status_code, response.headers.get("retry-after")))

    callers = [threading.Thread(target=ask) for _ in range(16)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert set(seen) == {(200, None), (503, "1")}
    assert agent.infer(rows(1)).status_code == 200
