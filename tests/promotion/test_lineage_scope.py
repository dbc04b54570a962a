"""The report of an environment or a period says what the log says, all of it and no more."""

import json
import os
import re
from itertools import pairwise
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from governance.audit.models import Entry, Head
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused, TooLarge
from governance.models import AccessLog, Environment, User
from governance.services import bindings
from promotion.lineage.body import canonical, report_id
from promotion.lineage_scope import drawing, schema
from promotion.selectors import lineage_scope as selector
from promotion.services import lineage_scope, rollbacks
from promotion.services.agents import evict
from promotion.services.incidents import close_incident, open_incident
from promotion.services.lineage_scope import Asked
from promotion.services.requests import break_glass
from promotion.services.waivers import waive
from tests.promotion.conftest import PASSWORD

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>"
EXCEPTIONS = {"waivers": {"gates": ["latency"], "hours": 48}, "break_glass_roles": ["operator"]}


def now():
    return timezone.now()


def asked(**texts):
    return lineage_scope.read(texts, now=now())


def report(actor, environment="", **texts):
    document = lineage_scope.report(environment, asked(**texts), actor)
    return json.loads(canonical(document))


@pytest.fixture
def story(world, rules, ask, sign, promote, asha, bram, cleo, omar, set_up):
    """Version 1 answered, 2 took over and was rolled back; a refusal, a waiver, an incident, and
    version 3 by one person alone."""
    world.agent("eu-1")
    promote()
    marks = [now()]
    request = ask(world.version(), by=asha)
    approver = User.objects.get(username="asha")
    bindings.grant_role(to=approver, role="approver", actor=set_up)
    with pytest.raises(Refused):
        sign(request, asha)
    sign(request, bram, comment=EVIL)
    world.settle()
    marks.append(now())
    incident = open_incident(
        environment="prod-eu", model="", severity="major", title=EVIL, actor=omar
    )
    rollbacks.rollback(environment="prod-eu", model="credit-default", reason="wrong", actor=omar)
    world.settle()
    close_incident(incident_id=incident.pk, resolution="over", actor=omar)
    rules(**EXCEPTIONS)
    third = world.version()
    waive(
        model="credit-default", version=3, environment="prod-eu", gate="latency",
        reason="known", hours=1, user=User.objects.get(pk=cleo.id), actor=cleo,
    )  # fmt: skip
    user = User.objects.get(pk=omar.id)
    user.set_password(PASSWORD)
    break_glass(
        model="credit-default", version=third.number, environment="prod-eu", reason="now",
        ticket="INC-1", user=user, password=PASSWORD, actor=omar,
    )  # fmt: skip
    world.settle()
    return marks


def test_an_environment_is_told_whole(story, ada):
    document = report(ada, "prod-eu")
    body = document["body"]

    assert document["schema"] == body["schema"] == "lockgate.lineage-scope/1"
    assert body["header"]["scope"]["environment"] == "prod-eu"
    population = body["population"]
    listed = Entry.objects.filter(environment="prod-eu").count()
    assert population["entries"] == len(body["changes"]) >= listed
    assert sum(population["by_action"].values()) == population["entries"]
    assert population["is_gapless"]
    assert {row["object"] for row in population["objects"]} >= {
        "model:credit-default", "environment:prod-eu"
    }  # fmt: skip
    kinds = [row["kind"] for row in body["promotions"]]
    assert kinds == ["promote", "promote", "rollback", "break_glass"]
    second = body["promotions"][1]
    assert second["asked"]["by"]["name"] == "asha"
    [signature] = second["signed"]
    assert (signature["name"], signature["role"], signature["meaning"]) == (
        "bram", "approver", "approval"
    )  # fmt: skip
    assert signature["content_hash"] == second["content_hash"]
    assert second["end"]["state"] == "done"
    assert second["executed"]
    [refusal] = body["refusals"]["listed"]
    assert (refusal["rule"], refusal["by"]["name"]) == ("four_eyes", "asha")
    [waiver] = body["exceptions"]["waivers"]
    assert (waiver["gate"], waiver["by_then"], waiver["person"]) == ("latency", "in force", "cleo")
    [alone] = body["exceptions"]["break_glass"]
    assert (alone["review"], alone["reviews"]) == ("owed", [])
    [incident] = body["incidents"]
    assert incident["closed"]["resolution"] == "over"
    assert [row["action"] for row in body["policies"]][-1] == "policy.published"
    assert {row["holder"] for row in body["access"]["roles"]} >= {"asha", "bram"}


def test_it_says_which_version_answered_when(story, ada):
    serving = report(ada, "prod-eu")["body"]["serving"]
    decided = [(row["version"], row["until"] == "goes on") for row in serving["decided"]]
    assert decided == [(1, False), (2, False), (1, False), (3, True)]
    confirmed = [r for r in serving["confirmed"] if r["role"] == "champion"]
    assert [row["version"] for row in confirmed] == [1, 2, 1, 3]
    for earlier, later in pairwise(confirmed):
        assert earlier["until"] == later["from"]
    assert serving["unknown"] == []


def test_a_period_begins_with_what_was_so_before(story, ada):
    first, second = (f"{at:%Y-%m-%dT%H:%M:%S.%fZ}" for at in story)
    body = report(ada, **{"from": first, "to": second})["body"]
    decided = body["serving"]["decided"]

    assert (decided[0]["version"], decided[0]["from"]) == (1, "before this period")
    assert [row["version"] for row in decided] == [1, 2]
    assert body["serving"]["confirmed"][0]["from"] == "before this period"
    assert [row["version"] for row in body["promotions"]] == [2]
    assert all(first <= row["at"] < second for row in body["changes"])
    assert body["incidents"] == []
    assert body["population"]["last"] < Head.objects.get().seq


def test_an_incident_that_is_open_in_the_period_is_told(story, ada):
    entries = Entry.objects.filter(subject__startswith="incident:").order_by("seq")
    opened, closed = entries.values_list("at", flat=True)
    texts = {"from": f"{opened:%Y-%m-%dT%H:%M:%S.%fZ}", "to": f"{closed:%Y-%m-%dT%H:%M:%S.%fZ}"}
    assert report(ada, "prod-eu", **texts)["body"]["incidents"][0]["closed"] == "none"
    later = {"from": f"{now():%Y-%m-%dT%H:%M:%S.%fZ}"}
    assert report(ada, "prod-eu", **later)["body"]["incidents"] == []


def test_the_same_question_at_the_same_size_gives_the_same_bytes_for_ever(
    story, ada, world, ask, asha
):
    size = str(Head.objects.get().seq)
    first = report(ada, "prod-eu", size=size)
    ask(world.version(), by=asha)
    again = report(ada, "prod-eu", size=size)

    assert canonical(first["body"]) == canonical(again["body"])
    assert first["report_id"] == again["report_id"] == report_id(again["body"])
    assert report(ada, "prod-eu")["report_id"] != first["report_id"]
    assert first["statement"]["entries_against_tables"][0]["agree"]
    assert again["statement"]["entries_against_tables"].startswith("not compared")


def test_as_of_a_time_it_knows_nothing_later(story, ada):
    body = report(ada, "prod-eu", as_of=f"{story[0]:%Y-%m-%dT%H:%M:%S.%fZ}")["body"]
    assert [row["version"] for row in body["promotions"]] == [1]
    assert body["serving"]["decided"][0]["until"] == "goes on"
    assert body["header"]["log"]["size"] < Head.objects.get().seq


def test_tables_that_say_something_else_are_named(story, ada):
    row = Environment.objects.get(slug="prod-eu").deployments.get(version__number=3)
    agreed = report(ada, "prod-eu")["statement"]["entries_against_tables"]
    assert all(line["agree"] for line in agreed)
    everything = report(ada)["statement"]["entries_against_tables"]
    assert all(line["agree"] for line in everything), everything
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE promotion_deployment SET role = 'spare' WHERE id = %s", [row.pk])
        told = report(ada, "prod-eu")["statement"]["entries_against_tables"]
        transaction.set_rollback(True)
    assert [line["what"] for line in told if not line["agree"]] == ["deployments"]
    assert told[0]["differ"] == [f"deployment:{row.pk}"]


def test_another_environment_is_no_part_of_it(story, ada, world, ask, asha):
    ask(world.version(), environment="qa", by=asha)
    text = canonical(report(ada, "qa")["body"]).decode()
    assert "prod-eu" not in text
    assert '"qa"' in text
    assert report(ada, "qa")["body"]["refusals"] == {"listed": [], "of_no_place": 0}


def test_nothing_in_it_is_blank_and_all_of_it_is_json(story, ada):
    def blanks(value, path=""):
        if isinstance(value, dict):
            return [p for key, inner in value.items() for p in blanks(inner, f"{path}.{key}")]
        if isinstance(value, list):
            return [
                p for number, inner in enumerate(value) for p in blanks(inner, f"{path}[{number}]")
            ]
        return [path] if value is None or value == "" else []

    for environment in ("", "prod-eu", "qa"):
        assert blanks(report(ada, environment)["body"]) == []


def test_the_published_schema_is_the_reports(story, ada, world):
    published = Path(__file__).resolve().parents[2] / "docs" / "lineage-scope.schema.json"
    if os.environ.get("LOCKGATE_RATCHET") == "write":
        published.write_text(json.dumps(schema.schema(), indent=2) + "\n")
    assert json.loads(published.read_text()) == schema.schema()

    omar = User.objects.get(username="omar").actor
    evict(agent_id=world.rigs[0].agent.pk, reason="gone", actor=omar)
    first = f"{story[0]:%Y-%m-%dT%H:%M:%S.%fZ}"
    asked_for = [(place, {}) for place in ("", "prod-eu", "qa")]
    asked_for += [("", {"from": first}), ("", {"to": "2001-01-01T00:00:00Z"})]
    for environment, texts in [*asked_for, ("prod-eu", {"as_of": first})]:
        schema.Document.model_validate(report(ada, environment, **texts))


def test_the_page_is_one_file_that_runs_nothing(story, ada):
    html = lineage_scope.as_html(lineage_scope.report("prod-eu", Asked(), ada))
    assert EVIL not in html
    assert "&lt;script&gt;" in html
    assert not re.search(r"<script|\son\w+=|src=|url\(", html)
    assert "REVIEW" in html.upper()
    assert re.findall(r'<text x="[\d.]+" dx="4"[^>]*>(v\d)<', html) == ["v1", "v2", "v1", "v3"]


def test_a_picture_that_would_tell_less_than_its_table_is_left_out():
    row = {"model": "m", "environment": "e", "version": 1, "from": "before this period",
           "until": "goes on", "began_by": "before this period", "ended_by": "none"}  # fmt: skip
    times = [f"2026-01-{day:02d}T00:00:00.000000Z" for day in range(1, 28)]
    many = [{**row, "from": at, "began_by": 1} for at in times]
    assert drawing.draw([]) is None
    assert drawing.draw(many) is None
    assert drawing.draw([{**row, "model": f"m{n}"} for n in range(40)]) is None
    [lane] = drawing.draw([row]).lanes
    assert [bar.state for bar in lane.bars] == ["v1"]


def test_only_auditors_of_the_place_read_it(story, ada, vera, make_person):
    place = Environment.objects.get(slug="prod-eu")
    local = make_person("lena", "auditor", environment=place).actor
    grouped = make_person("gus", "auditor", environment=place, group="cards").actor

    assert report(local, "prod-eu")["body"]["promotions"]
    for actor, environment in ((local, ""), (local, "qa"), (grouped, "prod-eu"), (vera, "prod-eu")):
        with pytest.raises(Forbidden):
            report(actor, environment)
    with pytest.raises(NotFound) as missing:
        report(ada, "nowhere")
    assert missing.value.code == "unknown_environment"


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        ({"from": "yesterday"}, "bad_time"),
        ({"from": "2026-01-01T00:00:00"}, "bad_time"),
        ({"to": "9999-01-01T00:00:00Z"}, "bad_time"),
        ({"from": "2020-01-02T00:00:00Z", "to": "2020-01-01T00:00:00Z"}, "invalid_query"),
        ({"size": "0"}, "bad_size"),
        ({"size": "9" * 19}, "bad_size"),
        ({"size": "1", "as_of": "2020-01-01T00:00:00Z"}, "invalid_query"),
        ({"size": "999999999"}, "unknown_size"),
    ],
)
def test_a_question_that_is_none_is_refused(story, ada, texts, code):
    with pytest.raises(Invalid) as refusal:
        report(ada, "prod-eu", **texts)
    assert refusal.value.code == code
    assert set(refusal.value.context) <= {*texts, "size"}


def test_a_time_before_everything_gives_an_empty_report(story, ada):
    body = report(ada, to="2001-01-01T00:00:00Z")["body"]
    assert body["population"]["entries"] == 0
    assert body["population"]["first"] == "not supplied"
    assert "Nothing changed." in lineage_scope.as_html(
        lineage_scope.report("", asked(to="2001-01-01T00:00:00Z"), ada)
    )


def test_more_than_one_report_lists_is_refused_with_what_to_do(story, ada, monkeypatch):
    monkeypatch.setattr(selector, "MOST", 5)
    with pytest.raises(TooLarge) as refusal:
        report(ada)
    assert refusal.value.code == "report_too_large"
    assert "shorter period" in refusal.value.message


def test_a_longer_log_makes_no_more_queries(story, ada, world, promote):
    def counted():
        with CaptureQueriesContext(connection) as queries:
            report(ada, "prod-eu")
        return len(queries)

    few = counted()
    world.agent("eu-2")
    promote()
    promote()
    assert counted() == few


def test_without_a_checkpoint_there_is_no_bundle(story, ada, tmp_path):
    with (tmp_path / "bundle.zip").open("wb") as file, pytest.raises(Conflict) as refusal:
        lineage_scope.bundle(file, "prod-eu", Asked(), ada)
    assert refusal.value.code == "not_sealed"


def test_it_is_read_over_http_in_each_form_and_that_is_noted(story, api, ada):
    client = api(ada)
    path = "/api/v1/environments/prod-eu/report"
    answer = client.get(path)
    assert answer.json()["body"]["header"]["scope"]["kind"] == "environment"
    page = client.get(path, HTTP_ACCEPT="text/html")
    assert page["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page["Content-Security-Policy"]
    whole = client.get("/api/v1/audit/report", {"from": f"{story[0]:%Y-%m-%dT%H:%M:%SZ}"})
    assert whole.json()["body"]["header"]["scope"]["kind"] == "period"
    zipped = client.get(path, HTTP_ACCEPT="application/zip")
    assert (zipped.status_code, zipped.json()["code"]) == (409, "not_sealed")
    assert client.get(path, {"at": "now"}).json()["code"] == "invalid_query"
    noted = AccessLog.objects.filter(detail__startswith="audit report of ")
    assert noted.count() == 3
