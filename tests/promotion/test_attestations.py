"""Evidence that comes after the manifest: sealed, recorded, and never of weight from an author."""

import pytest
from django.db import DatabaseError, transaction

from governance.audit.models import Entry
from governance.errors import Forbidden, Invalid, Refused, TooLarge
from promotion.models import Request
from registry.models import Attestation, Blob
from registry.services import attestations
from registry.services.attestations import attest

REPORT = {"by": "model risk", "verdict": "fit for use", "auc": 0.78}
PATH = "/api/v1/models/credit-default/versions/1/attestations"


@pytest.fixture
def version(world):
    return world.version()


def test_the_document_is_sealed_and_recorded(version, cleo, audit_trail):
    made = attest(version=version, kind="validation_report", document=REPORT, actor=cleo)

    assert made.is_new
    assert made.attestation.persons == ["cleo"]
    assert not made.attestation.by_author
    assert Blob.objects.filter(pk=made.attestation.blob_id).exists()
    assert Entry.objects.latest("seq").action == "version.attested"
    assert Entry.objects.latest("seq").object == "model:credit-default"


def test_the_same_document_again_is_the_same_attestation(version, cleo):
    first = attest(version=version, kind="validation_report", document=REPORT, actor=cleo)
    before = Entry.objects.count()
    again = attest(
        version=version,
        kind="validation_report",
        document=dict(reversed(REPORT.items())),
        actor=cleo,
    )

    assert (again.attestation, again.is_new) == (first.attestation, False)
    assert Entry.objects.count() == before


def test_an_author_may_attest_and_it_is_said_so(version, asha):
    made = attest(version=version, kind="model_card", document=REPORT, actor=asha)

    assert made.attestation.by_author


def test_who_may_only_look_attests_nothing(version, vera):
    with pytest.raises(Forbidden):
        attest(version=version, kind="model_card", document=REPORT, actor=vera)
    assert not Attestation.objects.exists()


@pytest.mark.parametrize(("kind", "document"), [("praise", REPORT), ("other", {})])
def test_what_is_no_evidence_is_refused(version, cleo, kind, document):
    with pytest.raises(Invalid):
        attest(version=version, kind=kind, document=document, actor=cleo)


def test_a_large_document_is_refused(version, cleo):
    document = {"text": "x" * (attestations.LARGEST + 1)}
    with pytest.raises(TooLarge):
        attest(version=version, kind="other", document=document, actor=cleo)


@pytest.mark.django_db(transaction=True)
def test_without_an_entry_there_is_no_attestation(version):
    with pytest.raises(DatabaseError), transaction.atomic():
        Attestation.objects.create(
            version=version,
            kind="other",
            blob=version.manifest_blob,
            document=REPORT,
            attested_by="nobody",
            by_author=False,
        )


def test_an_attestation_is_never_changed(version, cleo):
    attest(version=version, kind="validation_report", document=REPORT, actor=cleo)
    with pytest.raises(DatabaseError), transaction.atomic():
        Attestation.objects.update(by_author=False)


def test_a_policy_asks_for_evidence_of_others(world, version, ask, rules, asha, cleo):
    world.agent("eu-1")
    rules(gates={"attested": {}}, approvals=0)
    attest(version=version, kind="validation_report", document=REPORT, actor=asha)
    with pytest.raises(Refused) as refusal:
        ask(version, by=asha)
    assert "validation report" in refusal.value.message

    attest(version=version, kind="validation_report", document={**REPORT, "n": 2}, actor=cleo)
    assert ask(version, by=asha).state == Request.State.EXECUTING


class TestApi:
    def test_attesting_over_the_api(self, api, version, cleo):
        body = {"kind": "validation_report", "document": REPORT}
        made = api(cleo).post(PATH, body, format="json")
        again = api(cleo).post(PATH, body, format="json")

        assert (made.status_code, again.status_code) == (201, 200)
        shown = api(cleo).get("/api/v1/models/credit-default/versions/1").json()
        assert [one["sha256"] for one in shown["attestations"]] == [made.json()["sha256"]]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"kind": "praise", "document": REPORT},
            {"kind": "other", "document": []},
            {"kind": "other", "document": REPORT, "by_author": False},
            {"kind": "other", "document": {}},
        ],
    )
    def test_a_wrong_body_is_refused(self, api, version, cleo, body):
        answer = api(cleo).post(PATH, body, format="json")

        assert answer.status_code in {400, 422}
        assert not Attestation.objects.exists()

    def test_of_no_version_there_is_none(self, api, version, cleo):
        path = PATH.replace("/1/", "/99/")
        body = {"kind": "other", "document": REPORT}
        assert api(cleo).post(path, body, format="json").status_code == 404
