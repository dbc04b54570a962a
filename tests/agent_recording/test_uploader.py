"""It is true that a finished file reaches the control plane, whatever stands between."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serving_agent.errors import PermanentFailure, TemporaryFailure, Unauthorized
from serving_agent.spool import Spool
from serving_agent.uploader import Uploader

from .broker import eventually
from .parts import ControlPlane, elapsed, no_waits
from .test_spool import opened, row

Start = Callable[[Spool], Uploader]


@pytest.fixture
def start(control_plane: ControlPlane) -> Iterator[Start]:
    started: list[Uploader] = []

    def make(spool: Spool) -> Uploader:
        made = Uploader(spool, control_plane, waits=no_waits)
        made.start()
        started.append(made)
        return made

    yield make
    control_plane.gate.set()
    for made in started:
        made.close(timeout=5)


def received(control_plane: ControlPlane) -> list[str]:
    return sorted(r["transaction_id"] for r in control_plane.rows("decision"))


def test_leftovers_and_new_files_are_sent_and_deleted(
    tmp_path: Path, control_plane: ControlPlane, start: Start
) -> None:
    opened(tmp_path).write([row(1)])
    spool = opened(tmp_path)
    uploader = start(spool)
    spool.write([row(2)])

    eventually(lambda: received(control_plane) == ["tx-1", "tx-2"])

    eventually(lambda: spool.oldest() is None)
    assert list((tmp_path / "spool" / "decision").glob("*.parquet")) == []
    eventually(lambda: uploader.counters()["files_uploaded"] == 2)


@pytest.mark.parametrize(
    "failure",
    [
        TemporaryFailure("503", retry_after=0.01),
        Unauthorized("401", status=401),
        OSError("connection reset"),
        RuntimeError("a bug"),
    ],
)
def test_a_failure_that_may_pass_keeps_the_file(
    tmp_path: Path, control_plane: ControlPlane, start: Start, failure: Exception
) -> None:
    control_plane.failures.extend([failure, failure])
    spool = opened(tmp_path)
    spool.write([row(1)])
    uploader = start(spool)

    eventually(lambda: received(control_plane) == ["tx-1"])

    assert uploader.counters()["upload_failures"] == 2
    assert spool.counters()["files_refused"] == 0


def test_a_file_that_is_refused_for_good_is_set_aside_and_the_next_goes_on(
    tmp_path: Path, control_plane: ControlPlane, start: Start
) -> None:
    control_plane.failures.append(PermanentFailure("422 bad columns", status=422))
    spool = opened(tmp_path)
    spool.write([row(1)])
    spool.write([row(2)])
    start(spool)

    eventually(lambda: received(control_plane) == ["tx-2"])

    assert len(list((tmp_path / "spool" / "decision" / "refused").iterdir())) == 1
    assert spool.counters()["files_refused"] == 1


def test_a_file_dropped_for_room_while_it_is_sent_is_forgotten(
    tmp_path: Path, control_plane: ControlPlane, start: Start
) -> None:
    control_plane.gate.clear()
    probe = opened(tmp_path / "probe").write([row(0)])
    assert probe is not None
    spool = opened(tmp_path, limit_bytes=int(probe.stat().st_size * 1.5))
    spool.write([row(1)])
    start(spool)
    eventually(lambda: spool.oldest() is not None)
    spool.write([row(2)])
    control_plane.gate.set()

    eventually(lambda: "tx-2" in received(control_plane))
    eventually(lambda: spool.oldest() is None)
    assert spool.counters()["bytes_waiting"] == 0


def test_closing_sends_what_is_ready_and_leaves_the_rest_on_disk(
    tmp_path: Path, control_plane: ControlPlane
) -> None:
    spool = opened(tmp_path)
    for number in range(5):
        spool.write([row(number)])
    uploader = Uploader(spool, control_plane)
    uploader.start()
    uploader.close(timeout=5)
    assert len(received(control_plane)) == 5

    control_plane.failures.extend(TemporaryFailure("down") for _ in range(20))
    spool.write([row(9)])
    late = Uploader(spool, control_plane)
    late.start()
    assert elapsed(lambda: late.close(timeout=5)) < 2
    assert opened(tmp_path).oldest() is not None


def test_closing_does_not_wait_for_a_control_plane_that_hangs(
    tmp_path: Path, control_plane: ControlPlane, start: Start
) -> None:
    control_plane.gate.clear()
    spool = opened(tmp_path)
    spool.write([row(1)])
    uploader = start(spool)
    time.sleep(0.05)

    assert elapsed(lambda: uploader.close(timeout=0.3)) < 1.5
    assert spool.oldest() is not None
