"""It is true that a file in the spool is whole, and that the folder stays within its bounds."""

from pathlib import Path

import pytest

from serving_agent import spool as spool_module
from serving_agent.prediction_log import DecisionRow
from serving_agent.spool import Spool

from .parts import CHAMPION, rows_of


def row(number: int, *, transaction_id: str | None = None) -> DecisionRow:
    return DecisionRow(
        transaction_id=f"tx-{number}" if transaction_id is None else transaction_id,
        at=number,
        model="m",
        version=1,
        digest=CHAMPION,
        score=0.5,
        latency_ms=1.0,
        mirrored=False,
        agent="agent-1",
    )


def opened(home: Path, *, limit_bytes: int = 10_000_000) -> Spool:
    spool = Spool(home, "decision", limit_bytes=limit_bytes)
    spool.open()
    return spool


def files(home: Path) -> list[str]:
    return sorted(p.name for p in (home / "spool" / "decision").iterdir() if p.is_file())


def ids(*paths: Path) -> list[str]:
    return [r["transaction_id"] for r in rows_of(*paths)]


def test_files_are_given_out_oldest_first(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    written = [spool.write([row(n)]) for n in range(3)]

    found = []
    while path := spool.oldest():
        found.append(path)
        spool.remove(path)

    assert found == written
    assert files(tmp_path) == []
    assert spool.counters()["bytes_waiting"] == 0


def test_what_an_earlier_process_left_is_found_and_half_a_file_is_not(tmp_path: Path) -> None:
    before = opened(tmp_path)
    path = before.write([row(1), row(2)])
    (tmp_path / "spool" / "decision" / "00000.part").write_bytes(b"PAR1 half")

    after = opened(tmp_path)

    assert after.changed.is_set()
    assert after.oldest() == path
    assert path is not None
    assert files(tmp_path) == [path.name]
    assert ids(path) == ["tx-1", "tx-2"]


def test_the_oldest_go_when_there_is_no_room_and_are_counted(tmp_path: Path) -> None:
    probe = opened(tmp_path / "probe").write([row(0)])
    assert probe is not None
    size = probe.stat().st_size
    spool = opened(tmp_path, limit_bytes=int(size * 3.5))

    for number in range(10):
        spool.write([row(number)])

    counts = spool.counters()
    assert (counts["files_waiting"], counts["files_dropped"], counts["rows_dropped"]) == (3, 7, 7)
    assert counts["bytes_waiting"] <= size * 3.5
    assert ids(*(tmp_path / "spool/decision" / name for name in files(tmp_path))) == [
        "tx-7",
        "tx-8",
        "tx-9",
    ]


def test_a_smaller_limit_holds_from_the_next_start(tmp_path: Path) -> None:
    before = opened(tmp_path)
    for number in range(5):
        before.write([row(number)])

    after = opened(tmp_path, limit_bytes=1)

    assert after.oldest() is None
    assert after.counters()["files_dropped"] == 5


def test_the_number_of_files_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "MAX_FILES", 4)
    spool = opened(tmp_path)
    for number in range(6):
        spool.write([row(number)])

    assert len(files(tmp_path)) == 4


def test_a_held_file_waits_for_its_release(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    path = spool.write([row(1)], held=True)
    assert path is not None
    assert spool.oldest() is None
    assert opened(tmp_path).held() == [path]

    spool.release(path)

    assert spool.held() == []
    done = spool.oldest()
    assert done is not None
    assert ids(done) == ["tx-1"]


def test_one_odd_row_does_not_cost_the_others(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    path = spool.write([row(1), row(2, transaction_id="\ud800"), row(2**62), row(3)])

    assert path is not None
    assert ids(path) == ["tx-1", "tx-3"]
    assert spool.counters()["rows_unfit"] == 2


def test_nothing_fitting_makes_no_file(tmp_path: Path) -> None:
    spool = opened(tmp_path)

    assert spool.write([row(1, transaction_id="\ud800")]) is None
    assert files(tmp_path) == []


def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    folder = tmp_path / "spool" / "decision"
    (folder / "refused").rmdir()
    folder.rmdir()

    with pytest.raises(OSError, match="No such file"):
        spool.write([row(1)])

    spool.open()
    assert spool.write([row(1)]) is not None
    assert spool.counters()["files_written"] == 1


def test_refused_files_are_kept_aside_but_not_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "MAX_REFUSED", 2)
    spool = opened(tmp_path)
    for number in range(4):
        path = spool.write([row(number)])
        assert path is not None
        spool.refuse(path)

    assert spool.oldest() is None
    kept = sorted((tmp_path / "spool" / "decision" / "refused").iterdir())
    assert ids(*kept) == ["tx-2", "tx-3"]
    assert spool.counters()["files_refused"] == 4


def test_names_follow_time_even_when_the_clock_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path)
    first = spool.write([row(1)])
    monkeypatch.setattr("time.time_ns", lambda: 5)
    second = spool.write([row(2)])

    assert first is not None
    assert second is not None
    assert first.name < second.name
