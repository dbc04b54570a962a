"""It is true that every answer becomes a row, or a count."""

import shutil
import time
from pathlib import Path

from serving_agent.decisions import DecisionLog
from serving_agent.spool import Spool

from .broker import eventually
from .parts import elapsed, rows_of
from .test_spool import opened, row


def log(spool: Spool, *, flush_seconds: float = 60.0, max_rows: int = 1000) -> DecisionLog:
    made = DecisionLog(spool, flush_seconds=flush_seconds, max_rows=max_rows, file_rows=10)
    made.start()
    return made


def on_disk(home: Path) -> list[list[str]]:
    paths = sorted((home / "spool" / "decision").glob("*.parquet"))
    return [[r["transaction_id"] for r in rows_of(path)] for path in paths]


def test_rows_are_written_after_a_while(tmp_path: Path) -> None:
    decisions = log(opened(tmp_path), flush_seconds=0.05)
    decisions.append(row(1))

    eventually(lambda: on_disk(tmp_path) == [["tx-1"]])
    decisions.close(timeout=5)


def test_rows_are_written_when_there_are_enough_for_a_file(tmp_path: Path) -> None:
    decisions = log(opened(tmp_path))
    for number in range(10):
        decisions.append(row(number))

    eventually(lambda: len(on_disk(tmp_path)) == 1)
    decisions.close(timeout=5)
    assert on_disk(tmp_path) == [[f"tx-{n}" for n in range(10)]]


def test_closing_writes_what_is_held(tmp_path: Path) -> None:
    decisions = log(opened(tmp_path))
    for number in range(3):
        decisions.append(row(number))
    decisions.close(timeout=5)

    assert on_disk(tmp_path) == [["tx-0", "tx-1", "tx-2"]]
    assert not decisions.append(row(4))
    assert decisions.counters() == {"decisions_held": 0, "decisions_dropped": 1}


def test_a_disk_that_refuses_costs_no_row_that_fits_and_no_time(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    decisions = log(spool, flush_seconds=0.02, max_rows=50)
    shutil.rmtree(tmp_path / "spool")
    for number in range(10):
        decisions.append(row(number))
    time.sleep(0.1)  # these are with the writer now, and count against the bound

    def fill() -> None:
        for number in range(10, 80):
            decisions.append(row(number))

    assert elapsed(fill) < 0.5
    assert decisions.counters() == {"decisions_held": 50, "decisions_dropped": 30}

    spool.open()
    eventually(lambda: decisions.counters()["decisions_held"] == 0)
    decisions.close(timeout=5)
    assert [i for file in on_disk(tmp_path) for i in file] == [f"tx-{n}" for n in range(50)]


def test_a_steady_flow_makes_few_files(tmp_path: Path) -> None:
    decisions = DecisionLog(opened(tmp_path), flush_seconds=0.1)
    decisions.start()
    began = time.monotonic()
    appended = 0
    while time.monotonic() - began < 0.6:
        decisions.append(row(appended))
        appended += 1
        time.sleep(0.001)
    decisions.close(timeout=5)

    files = on_disk(tmp_path)
    assert sum(len(file) for file in files) == appended
    assert len(files) <= 8
