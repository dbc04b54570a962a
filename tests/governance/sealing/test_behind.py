"""While the database is behind what was sealed, nothing is changed until somebody records it."""

import pytest
from django.db import connection, transaction

from governance import access, notes
from governance.audit import behind, checkpoints, services
from governance.audit.actions import Action
from governance.audit.models import Checkpoint, Entry
from governance.audit.verify import verify
from governance.errors import Conflict, Forbidden, Invalid, Unavailable
from governance.services import environments, sealing
from promotion.selectors import abnormal
from tests.conftest import as_owner

pytestmark = pytest.mark.django_db(transaction=True)
TABLES = ("audit_entry", "audit_payload", "audit_checkpoint", "audit_block")


@pytest.fixture(autouse=True)
def wanted(settings, sink, sealer, tmp_path):
    """This process reads the sink, and knows the sealer's key."""
    keys = tmp_path / "keys.txt"
    keys.write_text(f"# of the sealer\n\n{sealer.verifiers()[0]}\n")
    changes = {"checkpoint_sinks": sink.as_uri(), "checkpoint_keys_file": keys}
    settings.CONFIG = settings.CONFIG.model_copy(update=changes)
    yield
    settings.CONFIG = settings.CONFIG.model_copy(update={"checkpoint_sinks": ""})
    behind.look()


HEADS = """
UPDATE audit_head SET (seq, hash, at) =
    (SELECT seq, hash, at FROM audit_entry ORDER BY seq DESC LIMIT 1);
DELETE FROM audit_object_head;
INSERT INTO audit_object_head SELECT DISTINCT ON (object) object, object_seq, hash
    FROM audit_entry ORDER BY object, object_seq DESC;
"""


@pytest.fixture
def go_back():
    """Make the database what it was at a size, as a restored backup does."""

    def back(size):
        with as_owner(connection), connection.cursor() as cursor:
            for table in TABLES:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
            cursor.execute("DELETE FROM audit_payload WHERE seq > %s", [size])
            cursor.execute("DELETE FROM audit_entry WHERE seq > %s", [size])
            cursor.execute("DELETE FROM audit_checkpoint WHERE size > %s", [size])
            cursor.execute("DELETE FROM audit_block WHERE (number + 1) * 256 > %s", [size])
            cursor.execute(HEADS)
            for table in TABLES:
                cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")

    return back


def test_a_log_that_goes_on_is_not_behind(sealer, log, write):
    assert behind.look() is None
    write(3)
    sealer.round(log)
    write(2)
    assert behind.look() is None
    write(1)


def test_a_checkpoint_that_never_reached_the_database_is_no_alarm(make_sealer, log, write):
    write(3)
    keep = log.keep
    log.keep = lambda *_, **__: None
    make_sealer().round(log)
    log.keep = keep
    write(300)
    assert behind.look() is None


def test_after_a_restored_backup_every_change_is_refused(
    sealer, log, write, go_back, api, omar, ada
):
    write(4)
    sealer.round(log)
    write(6)
    sealer.round(log)
    reached = Checkpoint.objects.last().size
    go_back(reached - 3)

    found = behind.look()
    assert (found.size, found.ours) == (reached, reached - 3)
    before = Entry.objects.count()
    with pytest.raises(Unavailable) as refusal:
        environments.define_environment(slug="new", kind="qa", position=1, actor=ada)
    assert refusal.value.code == "log_behind"
    client = api_without_token(api, ada)
    answer = client.put("/api/v1/people/newcomer", {"person": "new", "password": "x" * 20}, "json")
    assert (answer.status_code, answer.json()["code"]) == (503, "log_behind")
    assert client.get("/api/v1/audit/entries").status_code == 200
    assert client.get("/api/v1/audit/checkpoints").status_code == 200
    assert Entry.objects.count() == before
    (alarm,) = abnormal.alarms(access.Sight([]))
    assert alarm.what.startswith(f"{reached} entries were sealed, and the database has")
    assert sealer.round(log).trouble == (
        f"a sink holds a checkpoint of {reached} entries, and the database has {reached - 3}"
    )


def api_without_token(api, actor):
    """A token cannot be issued any more: sign the call with the account itself."""
    from governance.models import User

    client = api()
    client.force_authenticate(User.objects.get(pk=actor.id))
    return client


def test_an_operator_records_it_and_the_log_goes_on_under_another_name(
    sealer, log, write, go_back, omar, ada, vera
):
    write(4)
    sealer.round(log)
    write(2)
    sealer.round(log)
    reached = Checkpoint.objects.last()
    go_back(reached.size - 1)
    behind.look()
    with pytest.raises(Forbidden):
        sealing.adopt(reason="the backup of last night", actor=vera)
    with pytest.raises(Invalid):
        sealing.adopt(reason="", actor=omar)

    lost = sealing.adopt(reason="the backup of last night", actor=omar)

    assert (lost.size, lost.note) == (reached.size, reached.note)
    assert behind.known() is None
    entry = Entry.objects.select_related("payload").get(action=Action.LOG_HISTORY_ADOPTED)
    assert reached.root in entry.payload.body
    write(3)
    done = sealer.round(log)
    assert (done.trouble, done.waiting) == ("", 0)
    newest = Checkpoint.objects.last()
    assert newest.epoch == checkpoints.epoch() == 2
    opened = notes.open_note(newest.note, sealer.verifiers())
    assert opened.origin == "lockgate.test/audit/2"
    assert behind.look() is None
    assert verify().findings == []
    with pytest.raises(Conflict) as refusal:
        sealing.adopt(reason="again", actor=omar)
    assert refusal.value.code == "log_not_behind"


def test_a_log_that_was_rewritten_is_as_bad_as_one_that_was_cut(sealer, log, write, go_back):
    write(4)
    sealer.round(log)
    size = Checkpoint.objects.last().size
    go_back(size - 2)
    write(5)
    assert str(behind.look()) == f"the first {size} entries are not those that were sealed"


def test_what_nobody_known_has_signed_stops_nothing(sealer, log, write, sink):
    write(2)
    sealer.round(log)
    folder = sink / "0001" / "00000000000"
    (folder / "000000000000099.note").write_text("made up\n\n\u2014 x eHh4eHg=\n")
    assert behind.look() is None
    (folder / "000000000000098.note").write_bytes(b"\xff\x00")
    assert behind.look() is None


def test_a_sink_that_is_away_stops_nothing(sealer, log, write, sink):
    write(2)
    sealer.round(log)
    sink.rename(sink.with_name("elsewhere"))
    assert behind.look() is None
    write(1)


def test_a_service_looks_before_it_begins_and_goes_on_looking(sealer, log, write, go_back, set_up):
    write(3)
    sealer.round(log)
    go_back(1)
    stop = behind.watch(every=60)
    stop.set()
    assert behind.known() is not None
    with pytest.raises(Unavailable), transaction.atomic():
        services.record(
            Action.ENVIRONMENT_DEFINED,
            actor=set_up,
            object="environment:qa",
            subject="environment:x",
        )


def test_it_is_recorded_over_http_and_on_the_page(sealer, log, write, go_back, omar, api, client):
    from governance.models import User

    write(4)
    sealer.round(log)
    caller = api(omar)
    client.force_login(User.objects.get(pk=omar.id))
    quiet = client.get("/audit/history/")
    assert "is where it should be" in quiet.content.decode()
    write(1)
    sealer.round(log)
    size = Checkpoint.objects.last().size
    go_back(size - 1)
    behind.look()
    shown = client.get("/audit/history/")
    assert f"{size} entries" in shown.content.decode()
    assert client.post("/audit/history/", {"reason": ""}).status_code == 422

    answer = caller.post("/api/v1/audit/history", {"reason": "restored"}, "json")

    assert answer.status_code == 201, answer.content
    assert answer.json() == {"sealed": size, "entries": size - 1, "epoch": 2}
    again = client.post("/audit/history/", {"reason": "restored"})
    assert again.status_code == 409
    go_back(size - 1)
    behind.look()
    done = client.post("/audit/history/", {"reason": "restored"})
    assert done.status_code == 302, done.content
    assert behind.known() is None


def test_checkpoints_are_listed_newest_first(sealer, log, write, api, ada, vera):
    caller = api(ada)
    for _ in range(3):
        write(2)
        sealer.round(log)
    page = caller.get("/api/v1/audit/checkpoints?limit=2").json()
    assert [item["size"] for item in page["items"]] == [
        row.size for row in Checkpoint.objects.order_by("-size")[:2]
    ]
    assert page["items"][0]["note"] == Checkpoint.objects.last().note
    rest = caller.get(f"/api/v1/audit/checkpoints?cursor={page['next']}").json()
    assert len(rest["items"]) == 1
    assert api(vera).get("/api/v1/audit/checkpoints").status_code == 403
