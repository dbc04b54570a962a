"""Every section of a lineage report, from a life in which nearly everything happened."""

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
import rfc8785
from django.db import transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from governance.audit import services as audit
from governance.audit.actions import Action
from governance.errors import Refused
from governance.models import User
from governance.services import bindings, tokens
from promotion.lineage import body as bodies
from promotion.lineage import controls, schema, serving
from promotion.lineage.sources import Record
from promotion.services import live_reviews, rollbacks
from promotion.services.agents import evict
from promotion.services.incidents import close_incident, open_incident
from promotion.services.lineage import as_html, report
from promotion.services.waivers import waive
from registry.services.attestations import attest

pytestmark = pytest.mark.django_db
MODEL = "credit-default"
LATER = {"datasets": [{"id": "bureau", "digest": "cd" * 32}]}
WAIVABLE = {"dark_first": True, "waivers": {"gates": ["dark_first"], "hours": 48}}


def finding(action, version, actor, **facts):
    """Write what the register of findings writes."""
    with transaction.atomic():
        audit.record(
            action,
            actor=actor,
            object=f"model:{MODEL}",
            subject="finding:1",
            model=MODEL,
            version=version,
            details={"finding": "1", **facts},
        )


@pytest.fixture
def life(world, rules, ask, sign, asha, bram, cleo, dina, omar):
    """Version 1 answered; version 2 went dark, was judged, waived, promoted and rolled back."""
    world.agent("eu-1")
    world.agent("eu-2")
    world.agent("dark-1", tier="dark")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    second = world.version(metrics={"auc": 0.77}, datasets=[{"id": "loans", "digest": "ab" * 32}])
    card = {"limitations": "not for companies", "vendor": None}
    attest(version=second, kind="model_card", document=card, actor=cleo)
    attest(version=second, kind="lineage", document=LATER, actor=cleo)
    attest(version=second, kind="validation_report", document={"verdict": "fit"}, actor=cleo)
    finding(
        Action.FINDING_RECORDED, 2, cleo, severity="high", title="Bias", text="by age",
        owner="asha", due="2027-01-31", blocks=False, condition_of=None,
    )  # fmt: skip
    ask(second, "dark", by=asha)
    world.settle()
    rules(
        gates={"dark_comparison": {"pairs": 10}},
        waivers={"gates": ["dark_comparison"], "hours": 48},
    )
    with pytest.raises(Refused):
        ask(second, by=asha)
    waive(
        model=MODEL, version=2, environment="prod-eu", gate="dark_comparison", hours=24.0,
        reason="the mirror was down", user=User.objects.get(username="cleo"), actor=cleo,
    )  # fmt: skip
    sign(ask(second, by=asha), dina)
    world.settle()
    incident = open_incident(
        environment="prod-eu", model=MODEL, severity="major", title="Scores drift", actor=omar
    )
    rollbacks.rollback(environment="prod-eu", model=MODEL, reason="it was wrong", actor=omar)
    world.settle()
    close_incident(incident_id=incident.pk, resolution="rolled back", actor=omar)
    finding(Action.FINDING_CLOSED, 2, dina, resolution="measured again", evidence="sha256:12")
    return world


_TOLD = {}


@pytest.fixture
def told(request):
    """The report of version 2 after its life: for tests that only read it, told once."""
    if not _TOLD:
        request.getfixturevalue("life")
        document = report(MODEL, 2, request.getfixturevalue("ada"))
        _TOLD["canonical"] = bodies.canonical(document)
    return json.loads(_TOLD["canonical"])


def blanks(value, path="$"):
    """Walk a document and yield where it says nothing. A list without items says "none"."""
    if isinstance(value, dict):
        if not value:
            yield path
        for key, inner in value.items():
            yield from blanks(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from blanks(inner, f"{path}[{index}]")
    elif value is None or (isinstance(value, str) and not value.strip()):
        yield path


def test_nothing_in_it_is_blank(life, world, ada):
    world.version("empty")
    for document in (
        report(MODEL, 1, ada),
        report(MODEL, 2, ada),
        report("empty", 1, ada),
    ):
        assert list(blanks(document)) == []


def test_who_validated_it_and_what_was_added_later(told):
    card, validation = told["body"]["inventory"], told["body"]["validation"]
    assert card["validator"] == ["cleo"]
    said = card["limitations"]
    assert said["said"] == "not for companies"
    by_entry = {row["entry"]: row["action"] for row in told["body"]["lifecycle"]["timeline"]}
    assert by_entry[said["added_by_entry"]] == "version.attested"
    assert card["vendor"] == "not supplied"
    kinds = ["model_card", "lineage", "validation_report"]
    assert [row["kind"] for row in validation["reports"]] == kinds
    assert validation["reports"][2]["document"] == {"verdict": "fit"}
    assert validation["reports"][2]["independent"] is True


def test_lineage_that_was_added_later_stands_beside_the_manifests(told):
    origin = told["body"]["origin"]
    assert [row["id"] for row in origin["datasets"]] == ["loans"]
    (added,) = origin["added_later"]
    assert added["document"] == LATER
    assert added["by"]["name"] == "cleo"
    assert added["entry"] == told["body"]["validation"]["reports"][1]["entry"]


def test_findings_with_their_closure(told):
    [found] = told["body"]["validation"]["findings"]
    assert (found["severity"], found["owner"], found["due"]) == ("high", "asha", "2027-01-31")
    assert found["condition_of"] == "not supplied"
    assert found["closed"]["resolution"] == "measured again"
    assert (found["by"]["name"], found["closed"]["by"]["name"]) == ("cleo", "dina")


def test_the_time_in_the_dark_with_its_verdicts_and_waiver(told):
    evidence = told["body"]["dark_evidence"]
    [period] = evidence["periods"]
    assert (period["environment"], period["then"]) == ("prod-eu", "champion")
    assert period["mirrored_share"] == 0.5
    assert period["coverage"] == "unknown"
    verdicts = {row["gate"]: row for row in period["judged"]}
    assert verdicts["dark_comparison"]["outcome"] == "waived"
    [waiver] = evidence["waivers"]
    assert (waiver["name"], waiver["reason"]) == ("cleo", "the mirror was down")
    assert waiver["counted_for"] == [verdicts["dark_comparison"]["request"]]
    assert period["waivers"] == [waiver]


def test_incidents_and_steps_back(told):
    after = told["body"]["aftermath"]
    [incident] = after["incidents"]
    assert (incident["title"], incident["closed"]["resolution"]) == ("Scores drift", "rolled back")
    [back] = after["rollbacks"]
    assert (back["way"], back["direction"]) == ("manual", "to another version")
    assert (back["by"]["name"], back["said"]) == ("omar", "it was wrong")


def test_who_looked_again_while_it_answered(life, ada, cleo):
    asked = {"environment": "prod-eu", "model": MODEL, "version": 1, "outcome": "continue"}
    day = (timezone.now() + timedelta(days=90)).date()
    user = User.objects.get(username="cleo")
    live_reviews.review(**asked, comment="as before", next_by=day, user=user, actor=cleo)
    after = report(MODEL, 1, ada)["body"]["aftermath"]
    [row] = after["live_reviews"]
    assert (row["name"], row["outcome"], row["comment"]) == ("cleo", "continue", "as before")
    assert row["trigger"] == "none"
    assert after["next_review"] == row["next_by"] == day.isoformat()


def test_the_version_that_came_back_says_so_too(life, ada):
    after = report(MODEL, 1, ada)["body"]["aftermath"]
    assert [(r["way"], r["direction"]) for r in after["rollbacks"]] == [
        ("manual", "to this version")
    ]


def test_who_held_which_role_and_kept_duties_apart(told):
    access = told["body"]["access"]
    held = {(row["holder"], row["role"]) for row in access["roles"]}
    assert {("asha", "submitter"), ("bram", "approver"), ("cleo", "risk")} <= held
    assert all(row["until"] == "goes on" for row in access["roles"])
    assert [row["approvers"] for row in access["duties"]] == [[], ["dina"]]
    assert all(row["kept_apart"] for row in access["duties"])
    assert access["duties"][1]["waivers"] == ["cleo"]
    assert access["duties"][1]["executed_by"] == ["the system"]


def test_a_role_ends_and_is_told_with_both_ends(life, ada, set_up, make_person):
    binding = make_person("paul", "approver").bindings.get()
    bindings.revoke_role(binding_id=binding.pk, actor=set_up)
    rows = report(MODEL, 2, ada)["body"]["access"]["roles"]
    [row] = [row for row in rows if row["holder"] == "paul"]
    assert row["until"] == row["revoked"]["at"] > row["from"]


def test_tokens_that_acted_are_named_without_their_secret(life, ada, asha, ask):
    user = User.objects.get(pk=asha.id)
    issued = tokens.issue(name="pipeline", scope="ci", owner=user, actor=asha)
    bindings.grant_role(to=issued.token, role="submitter", actor=ada.from_task("tests"))
    version = life.version()
    actor = ada.from_service(issued.token.pk, name="pipeline", owner="asha")
    ask(version, "dark", by=actor)
    document = report(MODEL, 3, ada)
    [row] = document["body"]["access"]["tokens"]
    assert (row["name"], row["owner"], row["action"]) == ("pipeline", "asha", "token.issued")
    assert issued.secret not in json.dumps(document)


def test_how_it_left(told):
    [row] = told["body"]["retirement"]
    left = row["retired"]
    assert left["because"]["reason"] == "it was wrong"
    assert left["replaced_by_version"] == 1
    ends = [interval["until"] for interval in told["body"]["deployment_record"]["serving"]]
    assert left["last_scoring"] == max(ends)
    assert {one["agent"] for one in left["agents"]} == {"eu-1", "eu-2"}


def test_what_still_answers_is_not_retired(life, ada):
    [row] = report(MODEL, 1, ada)["body"]["retirement"]
    assert (row["state"], row["retired"]) == ("production", "none")


def test_an_evicted_agent_leaves_a_gap(life, ada, omar):
    evict(agent_id=life.rigs[0].agent.pk, reason="compromised", actor=omar)
    record = report(MODEL, 1, ada)["body"]["deployment_record"]
    [gap] = record["unknown"]
    assert (gap["agent"], gap["until"]) == ("eu-1", "goes on")
    assert "evicted" in gap["why"]
    [ended] = [row for row in record["serving"] if row["ended_by"] == gap["entry"]]
    assert ended["until"] == gap["from"]


def test_what_an_agent_said_and_was_erased_is_unknown():
    def said(seq, payload):
        leaf = json.dumps(
            {
                "seq": seq, "object_seq": seq, "at": f"2026-01-01T00:00:0{seq}.000000Z",
                "action": "agent.changed_serving", "actor_kind": "agent", "actor_id": "1",
                "object": "agent:1", "subject": "agent:1", "model_version": None,
                "environment": "prod", "request": None,
            }
        )  # fmt: skip
        return Record.read(leaf=leaf, digest="", salt=b"1", payload=payload)

    answers = json.dumps({"name": "eu-1", "after": [{"digest": "d", "role": "champion"}]})
    entries = [said(1, answers), said(2, None), said(3, answers)]
    first, second = serving.intervals(entries, digest="d")
    [gap] = serving.gaps(entries, [])
    assert (first["until"], gap["from"]) == (entries[1].at, entries[1].at)
    assert (gap["until"], second["from"], second["until"]) == (
        entries[2].at, entries[2].at, "goes on",
    )  # fmt: skip


def test_each_requirement_is_supported_by_entries_or_not_covered(told):
    body = told["body"]
    known = {row["seq"] for row in body["proof"]["payloads"]}
    assert len(body["controls"]) == len(controls.REQUIREMENTS)
    for row in body["controls"]:
        if row["this_report"] == "supports":
            assert row["sections"]
            assert row["entries"]
            assert set(row["entries"]) <= known
            assert set(row["sections"]) <= set(body)
        else:
            assert row["this_report"] == "not covered"
            assert not row["entries"]
    assert "complies" not in json.dumps(body["controls"])


def test_evidence_has_the_hash_that_was_signed(told):
    documents = {row["subject"]: row for row in told["body"]["proof"]["documents"]}
    for request in told["body"]["lifecycle"]["requests"]:
        frozen = documents[f"request:{request['id']}"]
        assert frozen["sha256"] == request["content"]["evidence_sha256"]
    attested = [row for row in documents.values() if row["subject"].startswith("attestation:")]
    assert {row["sha256"] for row in attested} == {
        row["sha256"] for row in told["body"]["validation"]["reports"]
    }


def test_its_bytes_are_canonical_to_the_letter(told):
    assert bodies.canonical(told) == rfc8785.dumps(told)
    assert bodies.canonical(told["body"]) == rfc8785.dumps(told["body"])


@given(st.recursive(st.text() | st.integers(0, 2**53 - 1), st.lists))
def test_any_text_in_a_proof_is_written_canonically(value):
    document = {"proof": {"documents": value, "chain": [{"seq": 1, "leaf": value}]}, "schema": "x"}
    try:
        expected = rfc8785.dumps(document)
    except rfc8785.CanonicalizationError:
        return
    assert bodies.canonical(document) == expected


def test_the_page_tells_every_section(told):
    html = as_html(told)
    for words in (
        "not for companies", "measured again", "the mirror was down", "Scores drift",
        "it was wrong", "21 CFR Part 11", "not covered", "cleo", "goes on",
    ):  # fmt: skip
        assert words in html, words
    assert html.count("<svg") == 3


def test_the_published_schema_is_the_reports(life, ada, world):
    published = Path(__file__).resolve().parents[2] / "docs" / "lineage.schema.json"
    if os.environ.get("LOCKGATE_RATCHET") == "write":
        published.write_text(json.dumps(schema.schema(), indent=2) + "\n")
    assert json.loads(published.read_text()) == schema.schema()
    world.version("empty")
    for document in (report(MODEL, 1, ada), report(MODEL, 2, ada), report("empty", 1, ada)):
        schema.Document.model_validate(document)
