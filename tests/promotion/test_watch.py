"""The watch looks at a fixed share a round, forgets nothing meanwhile, and holds up nobody."""

import json
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from governance import access
from governance.audit import behind, comparing, definitions, verify, walking
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.audit.behind import Behind
from governance.audit.models import Entry, Watch
from governance.models import User
from governance.services import watching as floor
from promotion.models import AgentReport
from promotion.selectors import abnormal, tampering
from promotion.services import checking, comments, findings, watching
from registry.services import watching as registry
from tests.conftest import as_owner

pytestmark = pytest.mark.django_db(transaction=True)
EVERYTHING = access.Sight([], access.Reach(frozenset({(None, "")})))


@pytest.fixture
def write(set_up):
    """Append entries about nothing that has a table."""

    def append(count):
        with transaction.atomic():
            for number in range(count):
                audit.record(
                    Action.SYSTEM_STARTED,
                    actor=set_up,
                    object="system" if number % 3 else "agent:x",
                    subject="system:tests",
                )

    return append


@pytest.fixture
def tamper(db):
    """Run SQL as the owner, with the log's own trigger off."""

    def run(statement):
        with as_owner(connection), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER append_only")
            cursor.execute(statement)
            cursor.execute("ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER append_only")

    return run


@pytest.fixture
def small(monkeypatch):
    """One block of the log a round, as if a large one had a thousand."""
    monkeypatch.setattr(walking, "LEAST", 256)
    monkeypatch.setattr(walking, "ROUNDS", 10_000)


def whats(seen):
    return sorted(each["what"] for each in seen.found)


def test_a_log_too_long_for_a_round_is_walked_in_stretches(write, tamper, small):
    write(600)
    places = [watching.look().places["entry"] for _ in range(6)]
    assert places == [256, 512, 0, 256, 512, 0]
    first = Watch.objects.get().whole_at
    tamper("UPDATE audit_entry SET actor_id = 'x' WHERE seq = 300")

    assert whats(watching.look()) == []
    seen = watching.look()
    assert whats(seen) == ["entry 300: its column actor_id differs from its leaf"]
    assert seen.found[0]["well_at"] == first.isoformat()
    for _ in range(4):  # Other stretches say nothing of this one.
        assert whats(watching.look()) == ["entry 300: its column actor_id differs from its leaf"]
    assert Entry.objects.filter(action="tampering.noticed").count() == 1

    leaf = json.loads(Entry.objects.get(seq=300).leaf)
    tamper(f"UPDATE audit_entry SET actor_id = '{leaf['actor_id']}' WHERE seq = 300")
    for _ in range(7):
        seen = watching.look()
    assert whats(seen) == []
    assert Entry.objects.filter(action="tampering.ended").count() == 1


def test_the_newest_entries_are_looked_at_in_every_round(write, tamper, small):
    write(600)
    watching.look()
    write(5)
    tamper("UPDATE audit_entry SET actor_id = 'x' WHERE seq = 603")
    assert whats(watching.look()) == ["entry 603: its column actor_id differs from its leaf"]


def test_a_stretch_that_begins_behind_a_forged_entry_is_still_held_against_it(write, tamper, small):
    write(600)
    watching.look()
    tamper("UPDATE audit_entry SET hash = repeat('a', 64) WHERE seq = 256")
    found = whats(watching.look())
    assert "entry 257: it does not follow the entry before it" in found


def test_a_table_too_long_for_a_round_is_compared_in_shares(world, monkeypatch, set_up):
    monkeypatch.setattr(comparing, "LEAST", 2)
    monkeypatch.setattr(comparing, "ROUNDS", 10_000)
    for number in range(5):
        world.agent(f"eu-{number}")
    rounds = [watching.look() for _ in range(4)]
    assert all(seen.found == [] for seen in rounds)
    places = {seen.places["rows"]["agent"] for seen in rounds}
    assert "" in places
    assert len(places) > 1


def test_of_two_rounds_at_once_one_counts(world):
    before = floor.last()
    seen = watching.look()
    kept = floor.keep([], before=before, places=seen.places, whole=True, now=timezone.now())
    assert kept is None


def test_what_the_log_cannot_take_is_recorded_once_it_can(world, tamper):
    watching.look()
    tamper("UPDATE audit_entry SET actor_id = 'x' WHERE seq = 3")
    behind._Known.found = Behind("file:///sink", "", 900, "a" * 64, ours=3, epoch=1)
    try:
        seen = watching.look()
    finally:
        behind._Known.found = None
    assert [each["entry"] for each in seen.found] == [None]
    assert "actor_id" in abnormal.alarms(EVERYTHING)[0].what
    seen = watching.look()
    assert seen.found[0]["entry"] == Entry.objects.get(action="tampering.noticed").seq


def test_many_things_are_one_handful_of_alarms(world, tamper, ada):
    watching.look()
    tamper("UPDATE audit_entry SET actor_id = 'x' WHERE seq > 1")
    seen = watching.look()
    assert len(seen.found) <= walking.MOST + 10
    assert Entry.objects.filter(action="tampering.noticed").count() <= floor.NEWEST
    bar = [one for one in abnormal.alarms(EVERYTHING) if one.place == "tampering"]
    assert len(bar) == abnormal.TAMPERED + 1


def test_who_does_not_see_everything_is_told_that_something_is_wrong_and_not_what(world, tamper):
    watching.look()
    tamper("UPDATE audit_entry SET actor_id = 'x' WHERE seq = 3")
    watching.look()
    [alarm] = abnormal.alarms(access.Sight([]))
    assert alarm.what == "1 thing is not as Lockgate left it."


def test_a_watch_that_stopped_is_an_alarm(world):
    assert abnormal.alarms(EVERYTHING) == []
    watching.look(now=timezone.now() - timedelta(hours=1))
    [alarm] = abnormal.alarms(EVERYTHING)
    assert alarm.what == "nobody has looked for tampering for a while."


def test_doctor_and_metrics_say_it_too(world, tamper, client):
    assert checking.watch(timezone.now()).found == "it has never looked"
    watching.look()
    assert checking.watch(timezone.now()).verdict == "ok"
    tamper("UPDATE audit_entry SET actor_id = 'x' WHERE seq = 3")
    watching.look()
    check = checking.watch(timezone.now())
    assert (check.verdict, "actor_id" in check.found) == ("fail", True)
    told = client.get("/metrics").content.decode()
    assert 'lockgate_tampering{where="entry"} 1.0' in told
    assert 'lockgate_tampering{where="row"} 0.0' in told
    assert "lockgate_watch_age_seconds" in told


def test_what_an_agent_says_of_its_disk_ends_when_it_says_so(world):
    rig = world.agent("eu-1")
    watching.look()
    rig.say(1, [], changed_on_disk=["blobs/ab\x1b[31m"])
    assert AgentReport.objects.get().counters["changed_on_disk"] == ["blobs/ab\ufffd[31m"]
    assert whats(watching.look()) == ["eu-1: blobs/ab\ufffd[31m was changed on its disk"]
    rig.say(1, [])
    assert whats(watching.look()) == []


def test_the_page_tells_how_soon(world, tamper):
    begun = timezone.now() - timedelta(seconds=60)
    watching.look(now=begun)
    tamper("UPDATE audit_entry SET actor_id = 'x' WHERE seq = 3")
    watching.look(now=begun + timedelta(seconds=58))
    page = tampering.page()
    assert page.title == "1 thing is not as Lockgate left it"
    assert page.found[0].within == timedelta(seconds=58)


def test_a_log_that_was_cut_where_nobody_had_sealed_it_is_noticed(world, write):
    write(5)
    seen = watching.look()
    with as_owner(connection), connection.cursor() as cursor:
        for table in ("audit_entry", "audit_payload"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DELETE FROM audit_payload WHERE seq = %s", [seen.places["newest"]])
        cursor.execute("DELETE FROM audit_entry WHERE seq = %s", [seen.places["newest"]])
        cursor.execute(
            "UPDATE audit_head SET (seq, hash) ="
            " (SELECT seq, hash FROM audit_entry ORDER BY seq DESC LIMIT 1)"
        )
        for table in ("audit_entry", "audit_payload"):
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")
    size = seen.places["newest"]
    expected = f"the log has {size - 1} entries, and had {size} when it was last looked at"
    assert expected in whats(watching.look())


def test_every_table_whose_changes_are_recorded_is_compared(world):
    told = {
        found.arguments.strip("'")
        for (_, trigger), found in definitions.from_migrations().triggers.items()
        if trigger == "audited"
    }
    compared = {kind.name for kind in (*floor.KINDS, *registry.KINDS, *watching.kinds())}
    assert told - compared == set()


def test_a_finding_and_a_comment_changed_by_sql_are_named(world, ask, asha, cleo, bram):
    request = ask(world.version(), by=asha)
    comments.comment(request_id=request.pk, text="why now?", actor=bram)
    user = User.objects.get(pk=cleo.id)
    due = timezone.now().date() + timedelta(days=9)
    about = {"model": "credit-default", "version": 1, "severity": "high", "title": "Too old"}
    findings.record_finding(
        **about, text="", owner="asha", due=due, blocks=True, user=user, actor=cleo
    )
    assert [what for what in whats(watching.look()) if "store" not in what] == []
    with as_owner(connection), connection.cursor() as cursor:
        for trigger in ("audited", "closes_once"):
            cursor.execute(f"ALTER TABLE promotion_finding DISABLE TRIGGER {trigger}")
        cursor.execute("UPDATE promotion_finding SET blocks = false")
        cursor.execute("ALTER TABLE promotion_finding ENABLE ALWAYS TRIGGER audited")
        cursor.execute("ALTER TABLE promotion_finding ENABLE TRIGGER closes_once")
        cursor.execute("ALTER TABLE promotion_comment DISABLE TRIGGER append_only")
        cursor.execute("DELETE FROM promotion_comment")
        cursor.execute("ALTER TABLE promotion_comment ENABLE ALWAYS TRIGGER append_only")
    gone, finding = [what for what in whats(watching.look()) if "store" not in what]
    assert gone.startswith("comment:")
    assert finding.startswith("the finding Too old: its blocks is False, and entry ")


def test_a_clock_set_back_neither_breaks_the_log_nor_is_taken_for_tampering(world, write):
    with as_owner(connection), connection.cursor() as cursor:  # As if it had been an hour ahead.
        cursor.execute("UPDATE audit_head SET at = at + interval '1 hour'")
    write(3)
    times = list(Entry.objects.order_by("seq").values_list("at", flat=True))
    assert times == sorted(times)
    assert times[-1] > timezone.now() + timedelta(minutes=59)
    assert whats(watching.look()) == []
    assert verify.verify().ok
