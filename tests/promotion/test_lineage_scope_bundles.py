"""A scope's bundle is proven by the verifier alone, and gives away no more than it should."""

import io
import json
import zipfile

import pytest
from django.utils import timezone

from governance.audit import bundles
from governance.audit.models import Entry
from governance.audit.standalone import verify
from governance.errors import Conflict
from governance.models import Environment, User
from governance.services import erasures
from promotion.lineage.body import canonical
from promotion.lineage_scope import schema
from promotion.services import lineage_scope
from promotion.services.lineage_scope import Asked, making
from tests.governance.sealing.conftest import (  # noqa: F401 - fixtures
    keys,
    log,
    make_sealer,
    sealer,
    sealers_url,
    sink,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sealed(sealer, log, promote, world, ask, asha):  # noqa: F811 - fixtures
    """Two environments with something decided in each, sealed; and one entry that is not."""
    world.agent("eu-1")
    world.agent("qa-1", environment="qa")
    promote()
    ask(world.version(), environment="qa", by=asha)
    world.settle()
    sealer.round(log)
    ask(world.version(), by=asha)
    return "".join(f"{line}\n" for line in [*sealer.verifiers(), *bundles.verifier_of_bundles()])


def made(environment, asked, actor):
    file = io.BytesIO()
    return lineage_scope.bundle(file, environment, asked, actor), file


def files(file):
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.mark.parametrize("environment", ["prod-eu", ""])
def test_it_is_proven_and_carries_the_report(sealed, ada, environment):
    document, file = made(environment, Asked(), ada)
    result = verify.verify(file, sealed)
    assert result.code == verify.PROVEN, result.line
    report = json.loads(files(file)["report.json"])
    assert report["report"]["report_id"] == document["report_id"]
    assert report["report"]["body"]["header"]["log"]["size"] == report["statements"]["log"]["size"]


def test_a_period_gives_its_objects_whole(sealed, ada):
    asked = lineage_scope.read({"from": "2020-01-01T00:00:00Z"}, now=timezone.now())
    _, file = made("", asked, ada)
    assert verify.verify(file, sealed).code == verify.PROVEN


def test_an_environments_bundle_holds_no_entry_of_another(sealed, make_person):
    place = Environment.objects.get(slug="prod-eu")
    lena = make_person("lena", "auditor", environment=place).actor
    _, file = made("prod-eu", Asked(), lena)
    found = files(file)
    for line in found["entries.ndjson"].splitlines():
        leaf = json.loads(line)
        is_right = leaf["environment"] is None and leaf["action"].startswith("role.")
        assert is_right or leaf["environment"] == "prod-eu"
    assert '"qa"' not in found["entries.ndjson"]
    assert verify.verify(file, sealed).code == verify.PROVEN


def test_one_changed_byte_is_noticed(sealed, ada):
    _, file = made("prod-eu", Asked(), ada)
    found = files(file)
    text = found["entries.ndjson"].replace("request.opened", "request.signed", 1)
    spoiled = io.BytesIO()
    with zipfile.ZipFile(spoiled, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**found, "entries.ndjson": text}.items():
            archive.writestr(name, content)
    assert verify.verify(spoiled, sealed).code != verify.PROVEN


FACTS = ("reason", "name", "person", "role", "at", "action", "version", "holder")


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_that_was_altered_in_the_report_is_named(sealed, ada, monkeypatch, fact):
    """Even when whoever altered it has the control plane's key and signs the bundle anew."""

    def altered(value):
        if isinstance(value, list):
            return any(altered(inner) for inner in value)
        if not isinstance(value, dict):
            return False
        is_cited = {"entry", "ended_by"} & {n for n, v in value.items() if isinstance(v, int)}
        if is_cited and isinstance(value.get(fact), str | int) and value[fact] not in verify.OPEN:
            value[fact] = "2026-01-01T00:00:00.000000Z" if fact == "at" else "mallory"
            return True
        return any(altered(inner) for inner in value.values())

    build = making.bodies.build

    def forged(sources):
        body = build(sources)
        assert altered(body)
        return body

    monkeypatch.setattr(making.bodies, "build", forged)
    _, file = made("prod-eu", Asked(), ada)
    result = verify.verify(file, sealed)
    assert result.code == verify.TAMPERED
    assert "entry" in result.line


def test_the_same_question_at_the_same_checkpoint_gives_the_same_body(sealed, ada):
    one, other = (made("prod-eu", Asked(), ada)[0] for _ in range(2))
    assert one["report_id"] == other["report_id"]


def test_of_a_period_in_which_nothing_happened_there_is_no_bundle(sealed, ada):
    asked = lineage_scope.read({"to": "2001-01-01T00:00:00Z"}, now=timezone.now())
    with pytest.raises(Conflict) as refusal:
        made("prod-eu", asked, ada)
    assert refusal.value.code == "nothing_there"


def test_it_is_taken_away_over_http(sealed, api, ada):
    answer = api(ada).get("/api/v1/environments/prod-eu/report", HTTP_ACCEPT="application/zip")
    assert answer["Content-Disposition"] == 'attachment; filename="prod-eu-audit.zip"'
    file = io.BytesIO(b"".join(answer.streaming_content))
    assert verify.verify(file, sealed).code == verify.PROVEN


def test_an_erased_payload_leaves_it_proven_and_it_is_said_so(
    sealed,
    ada,
    make_person,
    sealer,  # noqa: F811 - a fixture
    log,  # noqa: F811 - a fixture
):
    opened = Entry.objects.filter(action="request.opened", environment="prod-eu")
    seq = opened.order_by("seq").first().seq
    other = make_person("lena", "auditor")
    erasures.ask(seq=seq, reason="asked to", basis="GDPR Art. 17", user=other, actor=other.actor)
    erasures.decide(
        seq=seq, erase=True, comment="read it", user=User.objects.get(pk=ada.id), actor=ada
    )
    sealer.round(log)
    document, file = made("prod-eu", Asked(), ada)

    result = verify.verify(file, sealed)
    assert result.code == verify.PROVEN, result.line
    body = json.loads(files(file)["report.json"])["report"]["body"]
    assert body["population"]["erased_payloads"] == [seq]
    asked = body["promotions"][0]["asked"]
    assert (asked["reason"], asked["by"]["name"]) == ("erased", "erased")
    assert body["promotions"][0]["signed"][0]["name"] == "bram"
    schema.Document.model_validate(json.loads(canonical(document)))
