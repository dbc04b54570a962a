"""Dark scores are summed exactly, once, and only as far as they can be believed."""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db import connections
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import Invalid
from promotion import evidence
from promotion.models import DarkTally, PredictionBatch
from promotion.services import environments, predictions
from registry.models import Blob

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
A, B, C = "a" * 64, "b" * 64, "c" * 64
SCHEMA = pa.schema(
    [
        ("transaction_id", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("model", pa.string()),
        ("version", pa.int32()),
        ("digest", pa.string()),
        ("score", pa.float64()),
        ("error", pa.string()),
        ("latency_ms", pa.float32()),
        ("champion_digest", pa.string()),
        ("champion_score", pa.float64()),
        ("agent", pa.string()),
        ("producer", pa.string()),
        ("epoch", pa.string()),
        ("seq", pa.int64()),
    ]
)


def row(number, **changes):
    return {
        "transaction_id": f"t{number}",
        "at": NOW + timedelta(seconds=number),
        "model": "credit-default",
        "version": 2,
        "digest": B,
        "score": 0.6,
        "error": None,
        "latency_ms": 1.5,
        "champion_digest": A,
        "champion_score": 0.4,
        "agent": "eu-dark",
        "producer": "p",
        "epoch": "e",
        "seq": number,
        **changes,
    }


def packed(rows, schema=SCHEMA):
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), out)
    return out.getvalue()


def summed(rows, thresholds=None):
    return sums_of(evidence.read("dark", packed(rows)), thresholds or {A: 0.5, B: 0.5, C: 0.5})


def sums_of(table, thresholds):
    found = evidence.pairs(table, thresholds)
    return [evidence.summed(table, pair, thresholds=thresholds) for pair in found]


class TestSums:
    def test_they_are_exact(self):
        [sums] = summed(
            [
                row(1, score=0.6, champion_score=0.4),  # stricter
                row(2, score=0.5, champion_score=0.25),  # stricter, right at the threshold
                row(3, score=0.25, champion_score=0.5),  # laxer
                row(4, score=0.75, champion_score=0.75),
                row(5, score=None, error="it broke"),
            ]
        )
        assert (sums.digest, sums.champion) == (B, A)
        assert (sums.scored, sums.errors, sums.stricter, sums.laxer) == (4, 1, 2, 1)
        assert sums.difference == pytest.approx(0.2 + 0.25 - 0.25)
        assert sums.absolute == pytest.approx(0.2 + 0.25 + 0.25)
        assert sums.latency_ms == pytest.approx(6.0)
        assert (sum(sums.histogram), sum(sums.champion_histogram)) == (4, 4)
        assert (sums.first, sums.last) == (NOW + timedelta(seconds=1), NOW + timedelta(seconds=5))

    def test_each_version_says_yes_from_its_own_threshold(self):
        [sums] = summed([row(1, score=0.6, champion_score=0.4)], {A: 0.4, B: 0.7})
        assert (sums.stricter, sums.laxer) == (0, 1)

    def test_each_pair_is_summed_by_itself(self):
        found = summed([row(1), row(2, champion_digest=C), row(3, digest=C), row(4)])
        counts = {(s.digest, s.champion): s.scored for s in found}
        assert counts == {(B, A): 2, (B, C): 1, (C, A): 1}

    def test_a_version_is_not_compared_with_itself(self):
        """After its promotion, copies of its own answers are still under way to the dark."""
        assert [s.champion for s in summed([row(1), row(2, champion_digest=B)])] == [A]

    def test_a_transaction_counts_once_a_version(self):
        """Delivered again, in whatever order; two versions may score the same one."""
        [sums, other] = summed([row(1), row(2), row(1, score=0.9), row(2), row(1, digest=C)])
        assert (sums.scored, other.scored) == (2, 1)
        assert sums.difference == pytest.approx(0.4)

    @pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf"), None, 1e300])
    def test_what_is_no_number_is_an_error(self, score):
        [sums] = summed([row(1), row(2, score=score), row(3, champion_score=score)])
        assert (sums.scored, sums.errors) == (1, 2)
        assert np.isfinite(sums.difference)

    @pytest.mark.parametrize("score", [-1.0, 2.0, 1e9])
    def test_a_score_outside_of_the_histogram_counts_all_the_same(self, score):
        [sums] = summed([row(1, score=score)])
        assert (sums.scored, sum(sums.histogram)) == (1, 1)

    def test_rows_without_a_transaction_or_a_version_are_left_out(self):
        assert (
            summed(
                [
                    row(1, transaction_id=None, digest=C),
                    row(2, digest=None),
                    row(3, champion_digest=None),
                    row(4, digest="f" * 64),
                    row(5, champion_digest="not a digest"),
                ]
            )[0].scored
            == 0
        )

    def test_times_beyond_all_calendars_are_left_out(self):
        table = pa.Table.from_pylist([row(1), row(2), row(3)], schema=SCHEMA)
        odd = pa.array([2**62, -(2**62), int(NOW.timestamp()) * 10**6], pa.int64())
        table = table.set_column(1, "at", odd.cast(pa.timestamp("us", tz="UTC")))
        out = io.BytesIO()
        pq.write_table(table, out)
        read = evidence.read("dark", out.getvalue())
        [sums] = sums_of(read, {A: 0.5, B: 0.5})
        assert (sums.first, sums.last, sums.scored) == (NOW, NOW, 3)

    @pytest.mark.parametrize("latency", [float("nan"), float("inf"), -1.0, None])
    def test_an_impossible_latency_adds_nothing(self, latency):
        [sums] = summed([row(1, latency_ms=latency), row(2, latency_ms=2.0)])
        assert (sums.scored, sums.latency_ms) == (2, 2.0)

    def test_an_empty_log_sums_to_nothing(self):
        assert summed([]) == []

    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 12),
                st.sampled_from([A, B, C]),
                st.sampled_from([A, B, C]),
                st.one_of(st.none(), st.floats(-2, 2), st.just(float("nan"))),
                st.floats(-2, 2),
            ),
            max_size=40,
        )
    )
    def test_the_same_as_counting_by_hand(self, drawn):
        rows = [
            row(n, digest=d, champion_digest=c, score=s, champion_score=o)
            for n, d, c, s, o in drawn
        ]
        expected, seen = {}, set()
        for number, digest, champion, score, old in drawn:
            if (number, digest, champion) in seen or digest == champion:
                continue
            seen.add((number, digest, champion))
            counts = expected.setdefault((digest, champion), [0, 0, 0, 0])
            if score is None or np.isnan(score):
                counts[1] += 1
                continue
            counts[0] += 1
            counts[2] += score >= 0.5 > old
            counts[3] += old >= 0.5 > score
        found = {
            (s.digest, s.champion): [s.scored, s.errors, s.stricter, s.laxer] for s in summed(rows)
        }
        assert found == expected


class TestReading:
    def test_both_kinds_are_read(self):
        assert evidence.read("dark", packed([row(1)])).num_rows == 1
        assert evidence.read("decision", packed([row(1)])).num_rows == 1

    @pytest.mark.parametrize(
        "data",
        [b"", b"PAR1", b"PAR1PAR1", b"not parquet at all" * 100, b"PK\x03\x04" + b"\0" * 100],
        ids=["empty", "magic", "twice", "text", "zip"],
    )
    def test_what_is_no_parquet_is_refused(self, data):
        with pytest.raises(Invalid) as error:
            evidence.read("dark", data)
        assert error.value.code == "not_parquet"

    def test_a_damaged_file_is_refused(self):
        data = bytearray(packed([row(n, transaction_id=f"{n:>60}") for n in range(500)]))
        for cut in (4, len(data) // 2, len(data) - 1):
            with pytest.raises(Invalid):
                evidence.read("dark", bytes(data[:cut]))
        data[30:400] = b"\xff" * 370
        with pytest.raises(Invalid):
            evidence.read("dark", bytes(data))

    @pytest.mark.parametrize("name", sorted(evidence.COLUMNS["dark"]))
    def test_a_column_that_is_missing_or_of_another_type_is_named(self, name):
        without = packed([row(1)], pa.schema([f for f in SCHEMA if f.name != name]))
        other = pa.schema(
            [pa.field(f.name, pa.bool_() if f.name == name else f.type) for f in SCHEMA]
        )
        for data in (without, packed([row(1, **{name: None})], other)):
            with pytest.raises(Invalid) as error:
                evidence.read("dark", data)
            assert error.value.code == "wrong_columns"
            assert error.value.context["columns"] == [name]

    def test_times_without_a_zone_are_refused(self):
        other = SCHEMA.set(1, pa.field("at", pa.timestamp("us")))
        with pytest.raises(Invalid):
            evidence.read("dark", packed([row(1, at=NOW.replace(tzinfo=None))], other))

    def test_more_than_so_many_rows_are_refused(self, monkeypatch):
        monkeypatch.setattr(evidence, "MAX_ROWS", 3)
        assert evidence.read("dark", packed([row(n) for n in range(3)])).num_rows == 3
        with pytest.raises(Invalid) as error:
            evidence.read("dark", packed([row(n) for n in range(4)]))
        assert error.value.code == "too_many_rows"

    def test_a_long_text_repeated_is_held_once(self):
        """Ten kilobytes in the file, and no gigabytes in memory."""
        text, count = "x" * 1_000_000, 2_000
        table = pa.Table.from_pylist([row(n) for n in range(count)], schema=SCHEMA)
        same = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), [text])
        table = table.set_column(SCHEMA.get_field_index("digest"), "digest", same)
        out = io.BytesIO()
        pq.write_table(table, out, store_schema=False)
        assert len(out.getvalue()) < 1_000_000
        before = pa.total_allocated_bytes()
        read = evidence.read("dark", out.getvalue())
        assert pa.total_allocated_bytes() - before < 16 * 1024**2
        assert evidence.named(read) == {text, A}

    def test_a_log_of_too_many_versions_is_refused(self):
        table = evidence.read("dark", packed([row(n, digest=f"{n:064x}") for n in range(1_000)]))
        with pytest.raises(Invalid) as error:
            evidence.named(table)
        assert error.value.code == "too_many_versions"


@pytest.mark.django_db
class TestTallies:
    @pytest.fixture
    def upload(self, world):
        """Upload rows as a dark agent; return whether the file was new."""

        def up(rows, rig=None, kind="dark"):
            data = packed(rows)
            blob, _ = Blob.objects.get_or_create(
                sha256=hashlib.sha256(data).hexdigest(),
                defaults={"size": len(data), "created_by": "tests"},
            )
            agent = (rig or self.rig).agent
            table = predictions.read(kind, data)
            return predictions.accept(agent=agent, kind=kind, blob=blob, table=table)[1]

        self.rig = world.agent("eu-dark", tier="dark")
        return up

    @pytest.fixture
    def pair(self, world):
        old, new = world.version(), world.version()
        return {"digest": new.digest, "champion_digest": old.digest}

    def test_files_add_up(self, upload, pair):
        upload([row(n, **pair) for n in range(10)])
        upload([row(n, **pair, score=0.1) for n in range(10, 15)])
        tally = DarkTally.objects.get()
        assert (tally.scored, tally.errors, tally.stricter, tally.laxer) == (15, 0, 10, 0)
        assert tally.sum_latency_ms == pytest.approx(22.5)
        assert (tally.first_at, tally.last_at) == (NOW, NOW + timedelta(seconds=14))
        assert sum(tally.histogram) == sum(tally.champion_histogram) == 15
        assert tally.environment.slug == "prod-eu"

    def test_the_same_file_counts_once(self, upload, pair):
        rows = [row(n, **pair) for n in range(10)]
        assert upload(rows) is True
        for _ in range(3):
            assert upload(rows) is False
        assert DarkTally.objects.get().scored == 10
        assert PredictionBatch.objects.count() == 1

    def test_versions_nobody_knows_are_not_counted(self, upload, pair):
        upload([row(1), row(2, digest="f" * 64), row(3, **{**pair, "champion_digest": "f" * 64})])
        assert not DarkTally.objects.exists()
        assert PredictionBatch.objects.get().rows == 3

    def test_decisions_are_kept_and_not_summed(self, upload, pair):
        assert upload([row(1, **pair)], kind="decision") is True
        assert not DarkTally.objects.exists()

    def test_a_version_without_a_threshold_says_yes_from_a_half(self, upload, world):
        old, new = world.version(), world.version(score={"output": "p", "threshold": None})
        upload([row(1, digest=new.digest, champion_digest=old.digest)])
        assert DarkTally.objects.get().stricter == 1

    def test_environments_are_apart(self, upload, pair, world, set_up):
        document = {"kind": "qa", "targets": {"live": {}, "dark": {}}}
        environments.apply(slug="qa", document=document, actor=set_up)
        other = world.agent("qa-dark", environment="qa", tier="dark")
        rows = [row(n, **pair) for n in range(4)]
        upload(rows)
        upload(rows, other)
        counts = DarkTally.objects.values_list("environment__slug", "scored")
        assert sorted(counts) == [("prod-eu", 4), ("qa", 4)]


@pytest.mark.django_db(transaction=True)
def test_uploads_at_once_lose_nothing(world):

    rig = world.agent("eu-dark", tier="dark")
    old, new = world.version(), world.version()
    pair = {"digest": new.digest, "champion_digest": old.digest}
    files = [packed([row(10 * i + n, **pair) for n in range(10)]) for i in range(8)] * 2
    blobs = {}
    for data in files:
        digest = hashlib.sha256(data).hexdigest()
        blobs[data], _ = Blob.objects.get_or_create(
            sha256=digest, defaults={"size": len(data), "created_by": "tests"}
        )

    def accept(data):
        try:
            table = predictions.read("dark", data)
            return predictions.accept(agent=rig.agent, kind="dark", blob=blobs[data], table=table)[
                1
            ]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        news = list(pool.map(accept, files))
    assert sum(news) == 8
    assert DarkTally.objects.get().scored == 80
