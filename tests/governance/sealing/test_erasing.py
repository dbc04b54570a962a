"""A payload goes for good, with the entry that says so, and the chain is proven as before."""

import io

import pytest
from django.db import DatabaseError, connection, transaction

from governance.audit import bundles, services
from governance.audit import verify as online
from governance.audit.actions import Action
from governance.audit.bundles import Question
from governance.audit.models import Entry, Payload
from governance.audit.standalone import verify
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import Erasure
from governance.services import erasures
from tests.conftest import as_owner

pytestmark = pytest.mark.django_db(transaction=True)
WHY = {"reason": "A client is named in it.", "basis": "GDPR Art. 17(1)(d)"}


@pytest.fixture
def ada(make_person):
    return make_person("ada", "auditor")


@pytest.fixture
def max_(make_person):
    return make_person("max", "admin")


@pytest.fixture
def proven(sealer):
    """Write a bundle and put it to the verifier."""

    def check(**question):
        file = io.BytesIO()
        bundles.write(file, Question(**question))
        keys = [*sealer.verifiers(), *bundles.verifier_of_bundles()]
        return verify.verify(file, "".join(f"{line}\n" for line in keys))

    return check


def asked(seq, user, **changes):
    return erasures.ask(seq=seq, user=user, actor=user.actor, **{**WHY, **changes})


def decided(seq, user, *, erase=True, comment="Read it: a client's name."):
    return erasures.decide(seq=seq, erase=erase, comment=comment, user=user, actor=user.actor)


@pytest.fixture
def erased(write, ada, max_):
    """Entries of two objects; the payload of the third, of the model, is gone."""
    write(2, object="environment:qa")
    seq = write(object="model:credit-default")
    write(2, object="environment:qa")
    asked(seq, ada)
    decided(seq, max_)
    return seq


def test_it_is_gone_and_both_verifiers_say_that_all_is_whole(erased, sealer, log, proven):
    row = Payload.objects.get(pk=erased)
    assert (row.salt, row.body) == (None, None)
    said = Entry.objects.get(action="payload.erased")
    entry = Entry.objects.get(pk=erased)
    assert (said.subject, said.object) == (f"entry:{erased}", entry.object)
    assert '"basis":"GDPR Art. 17(1)(d)"' in said.payload.body
    assert online.verify().ok, online.verify().findings

    sealer.round(log)
    found = proven()
    assert (found.code, found.notes[-1:]) == (0, ["1 payloads were erased, and entries say so"])
    assert proven(objects=frozenset({"model:credit-default"})).code == 0


def test_a_single_entry_of_another_object_brings_along_what_says_that_it_was_erased(
    erased, sealer, log, proven
):
    sealer.round(log)
    found = proven(objects=frozenset({"environment:qa"}), others=frozenset({erased}))
    assert found.code == 0, found.line


def test_until_the_erasure_is_sealed_there_is_no_bundle(write, ada, max_, sealer, log, proven):
    seq = write(3)
    sealer.round(log)
    asked(seq, ada)
    decided(seq, max_)
    with pytest.raises(Conflict) as refusal:
        proven()
    assert refusal.value.code == "erasure_not_sealed"
    sealer.round(log)
    assert proven().code == 0


def test_without_the_entry_that_says_so_it_is_tampering(write, sealer, log, proven):
    seq = write(3)
    sealer.round(log)
    with as_owner(connection), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_payload DISABLE TRIGGER append_only")
        cursor.execute("UPDATE audit_payload SET salt = NULL, body = NULL WHERE seq = %s", [seq])
        cursor.execute("ALTER TABLE audit_payload ENABLE ALWAYS TRIGGER append_only")
    found = proven()
    assert (found.code, found.line) == (
        1,
        f"entry {seq}: its payload is missing, and no entry says so",
    )
    assert [str(one) for one in online.verify().findings] == [
        f"entry {seq}: its payload was erased, and no entry says so"
    ]


def test_an_entry_that_says_so_while_the_payload_is_there_is_found(write, set_up):
    seq = write()
    with as_owner(connection), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER erased_with_it")
    with transaction.atomic():
        services.record(
            Action.PAYLOAD_ERASED, actor=set_up, object="system", subject=f"entry:{seq}"
        )
    with as_owner(connection), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER erased_with_it")
    (finding,) = online.verify().findings
    assert str(finding) == f"payload: entry:{seq} is said to be erased, and is not"


class TestTheDatabase:
    """As the application's own role, past every service."""

    @pytest.mark.parametrize("subject", ["entry:{seq}", "entry:999", "entry:x", "model:x"])
    def test_says_of_no_payload_that_it_is_gone_while_it_is_there(self, write, set_up, subject):
        seq = write()
        refused = pytest.raises(DatabaseError, match="was erased which is there")
        with refused, transaction.atomic():
            services.record(
                Action.PAYLOAD_ERASED,
                actor=set_up,
                object="system",
                subject=subject.format(seq=seq),
            )

    def test_erases_nothing_that_nobody_decided(self, write, set_up, ada):
        seq = write()
        for is_asked in (False, True):
            if is_asked:
                asked(seq, ada)
            with pytest.raises(DatabaseError, match="nobody has decided"), transaction.atomic():
                services.erase(seq, actor=set_up, details={})

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit_payload SET salt = NULL, body = NULL WHERE seq = 1",
            "DELETE FROM audit_payload WHERE seq = 1",
        ],
    )
    def test_lets_nobody_touch_a_payload_otherwise(self, write, statement):
        write()
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
        refused = pytest.raises(DatabaseError, match="never changed")
        with as_owner(connection), refused, transaction.atomic():
            connection.cursor().execute(statement)

    def test_erases_exactly_the_payload_that_was_decided(self, write, ada, max_):
        write(5)
        asked(3, ada)
        decided(3, max_)
        assert list(Payload.objects.filter(body=None).values_list("pk", flat=True)) == [3]

    def test_asks_for_two_persons_and_for_an_entry(self, write, ada):
        seq = write()
        row = asked(seq, ada)
        end = {"state": "erased", "decided_person": "ada", "decided_by": "x"}
        for change in (end, {**end, "decided_person": ""}, {"reason": "another"}, {"state": "x"}):
            with pytest.raises(DatabaseError), transaction.atomic():
                Erasure.objects.filter(pk=row.pk).update(**change)
        with pytest.raises(DatabaseError, match="no audit entry"), transaction.atomic():
            Erasure.objects.filter(pk=row.pk).update(
                state="declined", decided_person="max", decided_by="Max"
            )
        with pytest.raises(DatabaseError), transaction.atomic():
            Erasure.objects.filter(pk=row.pk).delete()


class TestTheDecision:
    def test_both_are_recorded_and_a_declined_one_may_be_asked_for_again(self, write, ada, max_):
        seq = write()
        asked(seq, ada)
        assert decided(seq, max_, erase=False).state == "declined"
        asked(seq, ada, reason="Asked again, with the letter.")
        assert decided(seq, max_).state == "erased"
        about = Entry.objects.filter(subject=f"entry:{seq}").order_by("seq")
        assert list(about.values_list("action", flat=True)) == [
            "erasure.requested",
            "erasure.declined",
            "erasure.requested",
            "payload.erased",
        ]

    def test_who_asked_does_not_decide_also_with_another_account(self, write, ada, make_person):
        seq = write()
        asked(seq, ada)
        other = make_person("ada2", "admin", person="ada")
        for user in (ada, other):
            with pytest.raises(Refused) as refusal:
                decided(seq, user)
            assert refusal.value.code == "four_eyes"
        assert Entry.objects.filter(action="attempt.refused").count() == 2

    def test_an_admin_decides_and_does_not_ask(self, write, max_):
        with pytest.raises(Forbidden):
            asked(write(), max_)

    @pytest.mark.parametrize("role", ["viewer", "submitter", "approver", "risk", "operator"])
    def test_nobody_else_asks_or_decides(self, write, ada, make_person, role):
        seq, user = write(), make_person("finn", role)
        with pytest.raises(Forbidden):
            asked(seq, user)
        asked(seq, ada)
        with pytest.raises(Forbidden):
            decided(seq, user)

    def test_no_task_and_nobody_in_anothers_name(self, write, ada, make_person, set_up):
        seq = write()
        for actor in (set_up, make_person("aude", "auditor").actor):
            with pytest.raises(Forbidden) as refusal:
                erasures.ask(seq=seq, user=ada, actor=actor, **WHY)
            assert refusal.value.code == "a_person"
        assert not Erasure.objects.exists()

    @pytest.mark.parametrize(
        "changes", [{"reason": " "}, {"basis": ""}, {"basis": "x" * 201}, {"reason": "a\0b"}]
    )
    def test_what_makes_no_sense_asks_for_nothing(self, write, ada, changes):
        seq = write()
        with pytest.raises(Invalid):
            asked(seq, ada, **changes)
        assert not Erasure.objects.exists()

    def test_errors_have_codes(self, write, ada, max_):
        seq = write()
        codes = []
        for call in (
            lambda: asked(seq + 10_000, ada),
            lambda: asked(10**30, ada),
            lambda: decided(seq, max_),
            lambda: asked(seq, ada) and asked(seq, ada),
            lambda: decided(seq, max_) and decided(seq, max_),
            lambda: asked(seq, ada),
        ):
            with pytest.raises((NotFound, Conflict)) as refusal:
                call()
            codes.append(refusal.value.code)
        assert codes == [
            "unknown_entry",
            "unknown_entry",
            "unknown_erasure",
            "erasure_asked",
            "settled",
            "erased",
        ]


class TestTheApi:
    def test_the_whole_life(self, write, api, ada, max_):
        seq = write()
        path = f"/api/v1/audit/entries/{seq}/erasure"
        made = api(ada.actor).post(path, WHY, format="json")
        assert (made.status_code, made.json()["state"]) == (201, "asked")
        listed = api(max_.actor).get("/api/v1/audit/erasures?state=asked").json()["items"]
        assert [one["entry"] for one in listed] == [seq]
        body = {"decision": "erase", "comment": "Read it."}
        own = api(ada.actor).post(f"{path}/decision", body, format="json")
        assert (own.status_code, own.json()["code"]) == (403, "four_eyes")
        done = api(max_.actor).post(f"{path}/decision", body, format="json")
        assert (done.status_code, done.json()["state"]) == (200, "erased")
        entry = api(ada.actor).get(f"/api/v1/audit/entries/{seq}").json()
        assert (entry["details"], entry["action"]) == (None, "environment.defined")
        assert api(ada.actor).get("/api/v1/audit/erasures?state=asked").json()["items"] == []

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("erasure", {}),
            ("erasure", {**WHY, "reason": 1}),
            ("erasure", {**WHY, "asked_by": "me"}),
            ("erasure/decision", {"decision": "x", "comment": "y"}),
        ],
    )
    def test_bad_input_is_refused_in_words(self, write, api, ada, path, body):
        seq = write()
        answer = api(ada.actor).post(f"/api/v1/audit/entries/{seq}/{path}", body, format="json")
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")

    def test_a_state_that_is_none_is_refused(self, api, ada):
        assert api(ada.actor).get("/api/v1/audit/erasures?state=x").status_code == 400
