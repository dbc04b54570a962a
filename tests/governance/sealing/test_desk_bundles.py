"""What an auditor takes away over HTTP is proven by the verifier, alone."""

import io
import json
import zipfile

import pytest
from django.test import Client

from governance.audit import bundles
from governance.audit.standalone import verify
from governance.errors import Unavailable
from governance.models import AccessLog, User
from promotion.services import proofs

pytestmark = pytest.mark.django_db(transaction=True)
DRAW = "since=2026-01-01&until=2099-12-31&seed=one&n=9"


@pytest.fixture
def client(ada):
    """An auditor's browser."""
    made = Client()
    made.force_login(User.objects.get(pk=ada.id))
    return made


@pytest.fixture
def given(sealer, log):
    """Seal, and return what an auditor is given."""

    def seal():
        sealer.round(log)
        lines = [*sealer.verifiers(), *bundles.verifier_of_bundles()]
        return "".join(f"{line}\n" for line in lines)

    return seal


@pytest.fixture
def busy(client, write):
    for _ in range(4):
        write(20, object="model:a")
        write(10, object="model:b")
        write(5, object="environment:qa")


def taken(answer):
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"].startswith("attachment")
    file = io.BytesIO(b"".join(answer.streaming_content))
    answer.close()
    return file


def report_of(file):
    with zipfile.ZipFile(file) as archive:
        return json.loads(archive.read("report.json"))


def test_the_whole_log_is_proven(busy, given, client):
    keys = given()
    file = taken(client.get("/audit/bundle/"))
    result = verify.verify(file, keys)
    assert result.code == 0, result.line
    assert AccessLog.objects.filter(kind="log.read", detail="page=bundle").count() == 1


def test_one_object_is_proven_complete(busy, given, client, api, ada):
    keys = given()
    pages = taken(client.get("/audit/bundle/?object=model:b"))
    path = "/api/v1/audit/bundle?object=model:b"
    calls = taken(api(ada).get(path))
    assert taken(api(ada).get(path, HTTP_ACCEPT="application/zip")) is not None
    assert verify.verify(pages, keys).code == 0
    assert pages.getvalue() == calls.getvalue()
    assert report_of(pages)["statements"]["entries"] == 40


def test_a_sample_is_proven_with_all_that_belongs_to_its_changes(busy, given, client, api, ada):
    keys = given()
    listed = client.get(f"/audit/samples/?{DRAW}&as=json").json()
    file = taken(client.get(f"/audit/samples/bundle/?{DRAW}"))
    assert verify.verify(file, keys).code == 0

    report = report_of(file)["report"]
    assert report["sample"]["drawn"] == listed["drawn"]
    assert report["sample"]["seed"] == "one"
    assert set(report["packs"]) == {str(seq) for seq in listed["drawn"]}
    with zipfile.ZipFile(file) as archive:
        held = {json.loads(line)["seq"] for line in archive.open("entries.ndjson")}
    for seq, pack in report["packs"].items():
        assert int(seq) in pack["entries"]
        assert set(pack["entries"]) <= held
    size = listed["population"]["size"]
    again = taken(api(ada).get(f"/api/v1/audit/samples/bundle?{DRAW}&size={size}"))
    assert report_of(again)["report"] == report


def test_a_bundle_that_was_changed_on_its_way_is_found_out(busy, given, client):
    keys = given()
    file = taken(client.get(f"/audit/samples/bundle/?{DRAW}"))
    changed = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(changed, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename == "report.json":
                content = content.replace(b'"seed":"one"', b'"seed":"two"')
            new.writestr(info, content)
    assert verify.verify(changed, keys).code == 1


def test_what_is_not_sealed_is_not_given_away(busy, given, client, write):
    assert client.get("/audit/bundle/").status_code == 409
    given()
    write(3)
    answer = client.get("/audit/samples/?since=2026-01-01&until=2099-12-31&seed=one&n=500&as=json")
    sealed = answer.json()["population"]["size"]
    assert max(answer.json()["drawn"]) <= sealed
    assert client.get(f"/audit/samples/bundle/?{DRAW}&size={sealed + 3}").status_code == 422


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("object=model:none", 404, "unknown_object"),
        ("object=a%E2%80%AEb", 400, "invalid_query"),
        ("since=7", 404, "unknown_checkpoint"),
        ("since=-1", 400, "invalid_query"),
        (f"since={10**30}", 400, "invalid_query"),
        ("object=a&object=b", 400, "invalid_query"),
        ("every=thing", 400, "invalid_query"),
    ],
)
def test_what_cannot_be_given_is_said(busy, given, api, ada, query, status, code):
    given()
    answer = api(ada).get(f"/api/v1/audit/bundle?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_bundle_too_large_says_how_to_have_it(busy, given, api, ada, monkeypatch):
    given()
    monkeypatch.setattr(proofs, "MOST_ENTRIES", 50)
    answer = api(ada).get("/api/v1/audit/bundle")
    assert (answer.status_code, answer.json()["code"]) == (413, "bundle_too_large")
    assert "lockgate audit bundle" in answer.json()["detail"]
    assert taken(api(ada).get("/api/v1/audit/bundle?object=model:b"))


def test_a_process_makes_one_at_a_time(busy, given, api, ada):
    given()
    with proofs._one, pytest.raises(Unavailable):
        proofs.of_log()
    with proofs._one:
        answer = api(ada).get("/api/v1/audit/bundle")
    assert (answer.status_code, answer.json()["code"]) == (503, "bundle_in_progress")
    assert taken(api(ada).get("/api/v1/audit/bundle"))
