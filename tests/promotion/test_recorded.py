"""Which version scored one transaction, by the Parquet files that agents uploaded."""

import hashlib
import io
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from governance.errors import Invalid
from governance.models import Environment
from promotion import decision_records
from promotion.models import PredictionBatch
from promotion.services import predictions, recorded
from registry.adapters import store
from registry.models import Blob
from registry.services import blobs
from tests.promotion.conftest import SET_UP
from tests.promotion.test_predictions import NOW, SCHEMA, packed, row

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/environments/prod-eu/models/credit-default/scored"
UPLOAD = "/api/v1/agents/self/predictions?kind=decision"


@pytest.fixture
def two(world, ask, sign, asha, bram):
    """An agent that answers with version 1, and a version 2."""
    world.agent("eu-1")
    first = world.version()
    sign(ask(first, by=asha), bram)
    world.settle()
    return first, world.version()


@pytest.fixture
def upload(client):
    """Upload rows, or bytes, as an agent does."""

    def up(rig, rows):
        data = rows if isinstance(rows, bytes) else packed(rows)
        answer = client.post(
            UPLOAD,
            data,
            content_type="application/vnd.apache.parquet",
            headers={
                "Authorization": f"Bearer {rig.secret}",
                "X-Content-SHA256": hashlib.sha256(data).hexdigest(),
            },
        )
        assert answer.status_code == 201, answer.content
        return answer.json()["sha256"]

    return up


@pytest.fixture
def scored(api, vera):
    """Ask which version scored a transaction."""
    client = api(vera)

    def asked(transaction, status=200, **query):
        answer = client.get(ADDRESS, {"transaction": transaction, **query})
        assert answer.status_code == status, answer.content
        return answer.json()

    return asked


def aged(sha256, **back):
    PredictionBatch.objects.filter(blob=sha256).update(at=timezone.now() - timedelta(**back))


def test_the_record_tells_version_score_and_time_and_in_which_file(world, two, upload, scored):
    old, new = two
    rows = [row(n, digest=old.digest, score=n / 100) for n in range(70)]
    other = row(7, digest=new.digest, model="fraud-score")
    file = upload(world.rigs[0], [*rows, other])
    found = scored("t7")
    assert (found["source"], found["transaction"]) == ("decision records", "t7")
    at = (NOW + timedelta(seconds=7)).isoformat().replace("+00:00", "Z")
    assert found["answered"] == [
        {
            "at": at,
            "version": 1,
            "digest": old.digest,
            "score": 0.07,
            "latency_ms": 1.5,
            "agent": "eu-1",
            "file": file,
        }
    ]
    assert found["said"] == "Answered by version 1."
    looked = found["looked_at"]
    assert (looked["files"], looked["bytes"]) == (1, Blob.objects.get(pk=file).size)
    assert (looked["older_left"], looked["newer_left"], looked["unreadable"]) == (False, False, [])


def test_a_transaction_sent_twice_is_told_twice_the_newest_first(world, two, upload, scored):
    old, new = two
    second = world.agent("eu-2")
    upload(world.rigs[0], [row(1, digest=old.digest)])
    upload(second, [row(1, digest=new.digest, at=NOW + timedelta(hours=0.5))])
    told = [(one["version"], one["agent"]) for one in scored("t1")["answered"]]
    assert told == [(2, "eu-2"), (1, "eu-1")]


def test_what_is_not_there_is_said_and_nothing_guessed(world, two, upload, scored):
    assert scored("t1")["looked_at"]["files"] == 0
    upload(world.rigs[0], [row(1, digest=two[0].digest)])
    found = scored("t2")
    assert (found["source"], found["answered"]) == ("decision records", [])
    assert found["said"] == "Not found in the decision records of prod-eu."


def test_with_a_time_the_serving_intervals_answer_instead_and_say_so(world, two, upload, scored):
    upload(world.rigs[0], [row(1, digest=two[1].digest)])
    now = timezone.now().isoformat()
    found = scored("t2", at=now)
    assert found["source"] == "serving intervals"
    assert [(one["agent"], one["version"]) for one in found["answered"]] == [("eu-1", 1)]
    assert found["said"].startswith("Not found in the decision records of prod-eu.")
    assert (found["transaction"], found["looked_at"]["files"]) == ("t2", 1)
    assert scored("t1", at=now)["source"] == "decision records"


def test_no_more_files_than_so_many_and_the_answer_says_so(world, two, upload, scored, monkeypatch):
    monkeypatch.setattr(recorded, "MOST_FILES", 2)
    for n in range(5):
        aged(upload(world.rigs[0], [row(n, digest=two[0].digest)]), days=n)
    assert scored("t1")["answered"]
    found = scored("t4")
    assert found["answered"] == []
    assert "not all were" in found["said"]
    looked = found["looked_at"]
    assert (looked["files"], looked["older_left"], looked["newer_left"]) == (2, True, False)

    at = (timezone.now() - timedelta(days=4)).isoformat()
    assert [one["version"] for one in scored("t4", at=at)["answered"]] == [1]
    at = (timezone.now() - timedelta(days=2, hours=1)).isoformat()
    assert scored("t9", status=400, at=at)["code"] == "before_the_log"


def test_no_more_bytes_than_so_many(world, two, upload, scored, monkeypatch):
    monkeypatch.setattr(recorded, "MOST_BYTES", 1)
    for n in range(2):
        aged(upload(world.rigs[0], [row(n, digest=two[0].digest)]), hours=n)
    assert scored("t0")["looked_at"]["files"] == 1
    assert scored("t1")["looked_at"]["older_left"] is True


def test_dark_scores_other_environments_and_other_models_do_not_count(world, two, upload, scored):
    old, _ = two
    upload(world.agent("qa-1", "qa"), [row(1, digest=old.digest)])
    upload(world.rigs[0], [row(2, digest=old.digest, model="fraud-score")])
    dark = world.agent("eu-dark", tier="dark")
    data = packed([row(3, digest=old.digest)])
    blob = blobs.keep(data, actor=SET_UP)
    table = predictions.read("dark", data)
    predictions.accept(agent=dark.agent, kind="dark", blob=blob, table=table)
    for name in ("t1", "t2", "t3"):
        found = scored(name)
        assert (found["answered"], found["looked_at"]["files"]) == ([], 1)


def test_odd_values_are_told_as_nothing(world, two, upload, scored):
    odd = row(1, digest="x" * 500, score=float("nan"), latency_ms=float("inf"), at=None)
    upload(world.rigs[0], [odd, row(2, digest=None, score=None), row(3, transaction_id=None)])
    [one] = scored("t1")["answered"]
    assert (one["version"], one["digest"], one["score"]) == (None, "x" * 64, None)
    assert (one["at"], one["latency_ms"]) == (None, None)
    assert scored("t1")["said"] == "Answered by a version nobody registered."
    assert scored("t2")["answered"][0]["digest"] == ""


def test_a_file_that_is_lost_or_damaged_is_named_and_the_others_tell(world, two, upload, scored):
    old, _ = two
    # Bytes of their own: other tests keep the same rows in the same store.
    damaged = upload(world.rigs[0], [row(1, digest=old.digest, seq=8_001)])
    lost = upload(world.rigs[0], [row(2, digest=old.digest, seq=8_002)])
    upload(world.rigs[0], [row(3, digest=old.digest)])
    path = store.default().path(damaged)
    path.chmod(0o644)
    path.write_bytes(b"PAR1" + path.read_bytes()[4:-1] + b"?")
    store.default().path(lost).unlink()
    found = scored("t1")
    assert found["answered"] == []
    assert "not all were" in found["said"]
    assert set(found["looked_at"]["unreadable"]) == {damaged, lost}
    assert scored("t3")["answered"][0]["version"] == 1


@pytest.mark.parametrize("transaction", ["", "x" * 257])
def test_what_can_be_no_id_is_a_clear_error(two, scored, transaction):
    assert scored(transaction, status=400)["code"] == "bad_transaction"


def test_bad_queries_are_clear_errors(two, scored, api, vera):
    assert scored("a\0b", status=400)["code"] == "bad_request"
    assert scored(["a", "b"], status=400)["code"] == "invalid_query"
    assert scored("t1", status=400, at="yesterday")["code"] == "bad_time"
    assert scored("x" * 256)["answered"] == []
    assert scored("=cmd|'<script>")["answered"] == []


def test_it_is_for_those_who_see_the_environment(two, api, make_person):
    qa = Environment.objects.get(slug="qa")
    guest = api(make_person("guest", "viewer", environment=qa).actor)
    assert guest.get(ADDRESS, {"transaction": "t1"}).status_code == 403


def test_more_files_and_answers_make_no_more_queries(world, two, upload, scored):
    upload(world.rigs[0], [row(1, digest=two[0].digest)])
    with CaptureQueriesContext(connection) as few:
        scored("t1")
    for n in range(4):
        upload(world.agent(f"more-{n}"), [row(1, digest=two[n % 2].digest, seq=n)])
    with CaptureQueriesContext(connection) as many:
        assert len(scored("t1")["answered"]) == 5
    assert len(many) == len(few)


class TestReading:
    def test_rows_are_found_in_any_group_and_only_so_many_told(self):
        rows = [row(n % 100, seq=n) for n in range(3_000)]
        out = io.BytesIO()
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        pq.write_table(table, out, row_group_size=700)
        found = decision_records.find(out.getvalue(), transaction="t99", model="credit-default")
        assert len(found) == decision_records.MOST_ANSWERS

    def test_a_long_text_repeated_is_held_once(self):
        text, count = "x" * 1_000_000, 2_000
        table = pa.Table.from_pylist([row(n) for n in range(count)], schema=SCHEMA)
        same = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), [text])
        table = table.set_column(SCHEMA.get_field_index("transaction_id"), "transaction_id", same)
        out = io.BytesIO()
        pq.write_table(table, out, store_schema=False)
        before = pa.total_allocated_bytes()
        assert decision_records.find(out.getvalue(), transaction="t1", model="m") == []
        assert pa.total_allocated_bytes() - before < 16 * 1024**2

    def test_an_empty_log_and_no_log_at_all(self):
        assert decision_records.find(packed([]), transaction="t1", model="m") == []
        with pytest.raises(Invalid):
            decision_records.find(b"no log", transaction="t1", model="m")
