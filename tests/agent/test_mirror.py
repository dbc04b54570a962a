"""A live agent, a broker and a dark agent: copies are scored where no caller can see it."""

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.agent_recording.broker import Broker

from .conftest import FAST
from .control_plane import ControlPlane, model
from .process import AgentProcess, joining
from .versions import expected, make, rows

MIRROR = {"stream": "mirror:qa", "fraction": 1.0}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    folder = tmp_path / "valkey"
    folder.mkdir()
    broker = Broker(folder)
    broker.start()
    yield broker
    broker.close()


def run(plane: ControlPlane, home: Path, mirror_url: str) -> AgentProcess:
    environment = {**FAST, "LOCKGATE_AGENT_MIRROR_URL": mirror_url}
    return AgentProcess(home, arguments=joining(plane), environment=environment)


def table(plane: ControlPlane, kind: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for sent_as, body in list(plane.predictions):
        if sent_as == kind:
            found += pq.read_table(io.BytesIO(body)).to_pylist()
    return found


def test_what_callers_are_told_is_scored_again_in_the_dark(
    broker: Broker, plane: ControlPlane, tmp_path: Path
) -> None:
    champion, challenger = make(number=1), make(number=2)
    dark_plane = ControlPlane(tier="dark")
    plane.publish(model(champion=champion), versions=[champion], mirror=MIRROR)
    dark_plane.publish(model(dark=[challenger]), versions=[challenger], mirror=MIRROR)
    live = run(plane, tmp_path / "live", broker.url)
    dark = run(dark_plane, tmp_path / "dark", broker.url)
    try:
        plane.wait_champion(champion)
        dark_plane.wait_report(
            lambda r: [m["phase"] for m in r["models"]] == ["ready"] and r["dark"] is not None
        )
        for seed in range(40):
            assert live.infer(rows(seed), id=f"t{seed}").status_code == 200
        plane.wait_report(lambda r: r["mirror"] == {"sent": 40, "dropped": 0})
        dark_plane.wait_report(lambda r: r["dark"]["scored"] == 40)
        assert live.terminate() == 0
        assert dark.terminate() == 0

        told = {row["transaction_id"]: row for row in table(plane, "decision")}
        scored = {row["transaction_id"]: row for row in table(dark_plane, "dark")}
    finally:
        live.close()
        dark.close()
        dark_plane.stop()

    assert set(told) == set(scored) == {f"t{seed}" for seed in range(40)}
    for seed in range(40):
        answered = float(expected(champion, rows(seed))[0, 1])
        again = float(expected(challenger, rows(seed))[0, 1])
        assert told[f"t{seed}"]["score"] == pytest.approx(answered)
        assert told[f"t{seed}"]["mirrored"] is True
        assert scored[f"t{seed}"]["score"] == pytest.approx(again)
        assert scored[f"t{seed}"]["champion_score"] == pytest.approx(answered)
        assert scored[f"t{seed}"]["digest"] == challenger.digest


def test_a_broker_that_is_gone_costs_copies_and_no_answer(
    broker: Broker, plane: ControlPlane, tmp_path: Path
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version], mirror=MIRROR)
    live = run(plane, tmp_path / "live", broker.url)
    try:
        plane.wait_champion(version)
        assert live.infer(rows(0)).status_code == 200
        broker.close()
        for seed in range(200):
            assert live.infer(rows(seed)).status_code == 200
        assert live.terminate() == 0
    finally:
        live.close()
