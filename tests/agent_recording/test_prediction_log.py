"""It is true that the files have exactly the columns the control plane reads."""

import io
from datetime import UTC, datetime

import pyarrow.parquet as pq  # type: ignore[import-untyped]

from serving_agent import prediction_log
from serving_agent.prediction_log import DarkRow, DecisionRow

from .parts import CHAMPION

DIGEST = "d" * 64


def decision() -> DecisionRow:
    return DecisionRow("tx-1", 1_000_001, "m", 2, DIGEST, 0.5, 1.5, mirrored=True, agent="agent-1")


def dark(score: float | None, error: str | None) -> DarkRow:
    return DarkRow(
        *("tx-1", 1_000_001, "m", 4, DIGEST, score, error, 1.5, CHAMPION, 0.25),
        *("agent-2", "agent-1", "boot-1", 7),
    )


def test_the_decision_log_has_the_columns_of_the_format() -> None:
    file = io.BytesIO()
    assert prediction_log.write("decision", [decision()], file) == 1

    parquet = pq.ParquetFile(file)
    assert [(f.name, str(f.type)) for f in parquet.schema_arrow] == [
        ("transaction_id", "string"),
        ("at", "timestamp[us, tz=UTC]"),
        ("model", "string"),
        ("version", "int32"),
        ("digest", "string"),
        ("score", "double"),
        ("latency_ms", "float"),
        ("mirrored", "bool"),
        ("agent", "string"),
    ]
    assert parquet.read().to_pylist() == [
        {
            "transaction_id": "tx-1",
            "at": datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=UTC),
            "model": "m",
            "version": 2,
            "digest": DIGEST,
            "score": 0.5,
            "latency_ms": 1.5,
            "mirrored": True,
            "agent": "agent-1",
        }
    ]


def test_the_dark_log_has_the_columns_of_the_format() -> None:
    file = io.BytesIO()
    rows = [dark(0.75, None), dark(None, "no such input")]
    assert prediction_log.write("dark", rows, file) == 2

    parquet = pq.ParquetFile(file)
    assert [(f.name, str(f.type)) for f in parquet.schema_arrow] == [
        ("transaction_id", "string"),
        ("at", "timestamp[us, tz=UTC]"),
        ("model", "string"),
        ("version", "int32"),
        ("digest", "string"),
        ("score", "double"),
        ("error", "string"),
        ("latency_ms", "float"),
        ("champion_digest", "string"),
        ("champion_score", "double"),
        ("agent", "string"),
        ("producer", "string"),
        ("epoch", "string"),
        ("seq", "int64"),
    ]
    scored, failed = parquet.read().to_pylist()
    assert (scored["score"], scored["error"]) == (0.75, None)
    assert (failed["score"], failed["error"]) == (None, "no such input")
    assert (scored["champion_score"], scored["producer"], scored["seq"]) == (0.25, "agent-1", 7)


def test_the_pairs_of_a_file_can_be_read_back() -> None:
    file = io.BytesIO()
    prediction_log.write("dark", [dark(0.75, None)], file)
    file.seek(0)

    assert prediction_log.keys(file) == [("tx-1", DIGEST)]
