"""The lineage report says what is on record, no more, and can be checked by itself."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIRequestFactory, force_authenticate

from governance import signing
from governance.audit.models import Head
from governance.errors import Conflict, Forbidden, NotFound, Refused
from governance.models import AccessLog, Environment, User
from governance.services import bindings
from promotion.api.lineage import LineageView
from promotion.lineage import body as bodies
from promotion.lineage import life, proof
from promotion.lineage.sources import Record
from promotion.models import Deployment, ServingInterval
from promotion.selectors import lineage as selector
from promotion.services import rollbacks
from promotion.services.lineage import POLICY, as_html, report
from promotion.views import lineage as view

pytestmark = pytest.mark.django_db


@pytest.fixture
def story(world, ask, sign, asha, bram, dina, omar):
    """Version 1 answered, version 2 took over after a refused attempt, and was rolled back."""
    world.agent("eu-1")
    world.agent("eu-2")
    sign(ask(world.version(), by=asha), bram, comment="<script>alert(1)</script>")
    world.settle()
    request = ask(world.version(metrics={"auc": 0.77}), by=asha)
    with pytest.raises(Conflict):
        sign(request, bram, content_hash="0" * 64)
    sign(request, dina)
    world.settle()
    rollbacks.rollback(
        environment="prod-eu", model="credit-default", reason="it was wrong", actor=omar
    )
    world.settle()
    return world


_TOLD = {}


@pytest.fixture
def told(request):
    """Reports of both versions of the story: for tests that only read them, told once."""
    if not _TOLD:
        request.getfixturevalue("story")
        auditor = request.getfixturevalue("ada")
        for number in (1, 2):
            _TOLD[number] = bodies.canonical(report("credit-default", number, auditor))
    return lambda number: json.loads(_TOLD[number])


def test_it_tells_the_whole_life(told):
    body = told(2)["body"]

    assert body["header"]["scope"]["environments"] == ["prod-eu"]
    assert body["inventory"]["owner"] == "risk team"
    assert body["inventory"]["validator"] == "not supplied"
    assert [file["path"] for file in body["artifact"]["files"]] == ["model.onnx"]
    [request] = body["lifecycle"]["requests"]
    assert (request["kind"], request["end"]["state"]) == ("promote", "done")
    assert request["by"]["name"] == "asha"
    [approval] = request["approvals"]
    assert (approval["name"], approval["role"], approval["meaning"]) == (
        "dina",
        "approver",
        "approval",
    )
    assert approval["content_hash"] == request["content_hash"]
    assert request["evidence_is_sealed"] is True
    assert request["segregation"]["holds"] is True
    assert [row["kind"] for row in body["lifecycle"]["moved_by_others"]] == ["rollback"]
    assert body["lifecycle"]["moved_by_others"][0]["reason"] == "it was wrong"
    states = [
        (row["state"], row["role"])
        for row in body["lifecycle"]["timeline"]
        if row["action"].startswith("deployment.")
    ]
    assert states == [
        ("trained", "none"),
        ("production", "champion"),
        ("production", "bake"),
        ("retired", "none"),
    ]
    assert body["inventory"]["states"]["prod-eu"]["state"] == "retired"


def test_serving_intervals_agree_with_what_agents_said(story, ada):
    for number in (1, 2):
        found = report("credit-default", number, ada)["body"]["deployment_record"]["serving"]
        rows = ServingInterval.objects.filter(version__number=number).order_by("pk")
        told = sorted((r["agent"], r["generation"], r["until"] == "goes on") for r in found)
        assert told == sorted((r.agent.name, r.generation, r.ended_at is None) for r in rows)
        assert len(found) == (4 if number == 1 else 2)


def test_rollout_steps_are_in_order(told):
    [rollout] = told(2)["body"]["deployment_record"]["rollouts"]
    assert [step["step"] for step in rollout["steps"]] == [
        "load",
        "commit",
        "bake",
        "retire",
        "done",
    ]


def test_a_refused_attempt_and_a_refused_state_are_shown(story, ask, sign, asha, ada, set_up):
    request = ask(story.version(), by=asha)
    approver = User.objects.get(username="asha")
    bindings.grant_role(to=approver, role="approver", actor=set_up)
    with pytest.raises(Refused):
        sign(request, asha)
    sign(request, User.objects.get(username="bram").actor)
    for rig in story.rigs:
        rig.obey()
    generation = story.rigs[0].desired()["generation"]
    nack = {"generation": generation, "reason": "INVALID", "detail": "no"}
    story.rigs[1].say(generation - 1, [], refused=nack)
    body = report("credit-default", 3, ada)["body"]

    [refusal] = body["lifecycle"]["refused"]
    assert (refusal["rule"], refusal["by"]["name"]) == ("four_eyes", "asha")
    [refused] = body["deployment_record"]["refused_states"]
    assert (refused["agent"], refused["reason"]) == ("eu-2", "INVALID")
    assert body["lifecycle"]["requests"][0]["end"]["state"] == "failed"


def test_the_same_log_gives_the_same_bytes(story, ada, dina):
    first, second = report("credit-default", 2, ada), report("credit-default", 2, ada)
    assert bodies.canonical(first["body"]) == bodies.canonical(second["body"])
    assert first["report_id"] == second["report_id"]
    for rig in story.rigs:
        rig.obey()  # Reports that change nothing add no entry.
    assert report("credit-default", 2, ada)["report_id"] == first["report_id"]

    story.version()
    later = report("credit-default", 2, ada)
    assert later["report_id"] != first["report_id"]
    assert later["body"]["header"]["log"]["size"] == Head.objects.get().seq


def test_it_can_be_checked_by_itself(told):
    document = told(1)
    assert proof.faults(document) == []
    assert document["body"]["completeness"]["is_gapless"] is True
    assert document["statement"]["entries_agree_with_tables"] is True
    chain = [
        json.loads(entry["leaf"])["object_seq"] for entry in document["body"]["proof"]["chain"]
    ]
    assert chain == list(range(1, document["body"]["completeness"]["last"] + 1))


TAMPERED = {
    "an entry edited": lambda p: p["chain"][3].update(leaf=p["chain"][3]["leaf"] + " "),
    "an entry left out": lambda p: p["chain"].pop(3),
    "two exchanged": lambda p: p["chain"].insert(2, p["chain"].pop(3)),
    "one twice": lambda p: p["chain"].insert(3, p["chain"][3]),
    "the first cut": lambda p: p["chain"].pop(0),
    "a payload edited": lambda p: p["payloads"][0].update(payload='{"actor":"mallory"}'),
    "a payload under another entry": lambda p: p["payloads"][0].update(seq=p["payloads"][1]["seq"]),
    "an agent's entry edited": lambda p: p["others"][0].update(leaf="{}"),
}


def test_a_changed_report_is_found_out_even_with_a_new_id(told):
    for name, tamper in TAMPERED.items():
        document = told(1)
        tamper(document["body"]["proof"])
        document["report_id"] = bodies.report_id(document["body"])

        assert proof.faults(document) != [], name


def test_a_changed_word_changes_the_id(told):
    document = told(1)
    document["body"]["inventory"]["owner"] = "somebody else"
    assert proof.faults(document) == ["the body does not have the report's id"]


def test_states_follow_from_the_entries_it_carries(story, ada):
    """Read nothing but the proof annex, and come to what the tables say."""
    for version in (1, 2):
        annex = report("credit-default", version, ada)["body"]["proof"]
        payloads = {row["seq"]: row["payload"] for row in annex["payloads"]}
        entries = [
            Record.read(
                leaf=row["leaf"], digest=row["hash"], salt=None, payload=payloads[row["seq"]]
            )
            for row in annex["chain"]
            if row["seq"] in payloads and json.loads(row["leaf"])["model_version"] == version
        ]
        derived = life.states(entries)["prod-eu"]
        row = Deployment.objects.get(version__number=version)
        assert (derived["state"], derived["role"]) == (row.state, row.role or "none")


def test_the_statement_is_signed_and_names_the_report(told):
    document = told(1)
    envelope = document["envelope"]
    payload = base64.b64decode(envelope["payload"])
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    key = Ed25519PublicKey.from_public_bytes(signing.public_keys()[0])
    key.verify(signature, signing.pae(envelope["payloadType"], payload))

    assert json.loads(payload) == document["statement"]
    assert document["statement"]["report_id"] == document["report_id"]
    assert document["statement"]["made_by"]["name"] == "ada"
    holders = {row["agent"] for row in document["statement"]["observed"]["agents"]}
    assert holders == {"eu-1", "eu-2"}


def test_a_version_nobody_asked_for_has_a_report_too(world, ada):
    world.version()
    document = report("credit-default", 1, ada)
    assert document["body"]["lifecycle"]["requests"] == []
    assert document["body"]["inventory"]["states"] == "not supplied"
    assert "never asked for" in as_html(document)


def test_numbers_that_the_database_writes_out_are_numbers_still(world, ada):
    world.version(training={"parameters": {"huge": 1e22, "tiny": 1e-7, "int": 2**53 - 1}})
    parameters = report("credit-default", 1, ada)["body"]["origin"]["parameters"]
    assert parameters == {"huge": 1e22, "tiny": 1e-7, "int": 2**53 - 1}


@pytest.mark.parametrize("number", [2, 0, 2**31])
def test_what_is_not_there_is_not_found(world, ada, number):
    with pytest.raises(NotFound) as error:
        report("credit-default", number, ada)
    assert error.value.code == "unknown_model"
    world.version()
    with pytest.raises(NotFound) as error:
        report("credit-default", number, ada)
    assert error.value.code == "unknown_version"


def test_only_an_auditor_gets_it(world, asha, bram, omar, vera):
    world.version()
    for who in (asha, bram, omar, vera):
        with pytest.raises(Forbidden):
            report("credit-default", 1, who)


def test_an_auditor_of_one_environment_does_not_get_it(world, make_person):
    world.version()
    qa = Environment.objects.get(slug="qa")
    partly = make_person("pia", "auditor", environment=qa).actor
    with pytest.raises(Forbidden):
        report("credit-default", 1, partly)


def test_its_queries_do_not_grow_with_the_story(world, ask, sign, asha, bram, ada):
    world.agent("eu-1")
    for _ in range(2):
        sign(ask(world.version(), by=asha), bram)
        world.settle()
    with CaptureQueriesContext(connection) as short:
        report("credit-default", 1, ada)
    for name in ("eu-2", "eu-3"):
        world.agent(name)
    for _ in range(2):
        sign(ask(world.version(), by=asha), bram)
        world.settle()
    with CaptureQueriesContext(connection) as long:
        report("credit-default", 1, ada)
    assert len(long) == len(short) == 21


class _Page(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.style, self._inside = [], [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self._inside = tag

    def handle_data(self, data):
        if self._inside == "style":
            self.style += data

    def handle_endtag(self, tag):
        self._inside = ""


def test_the_page_reads_alone_and_runs_nothing(told):
    document = told(1)
    html = as_html(document)
    page = _Page(html)

    assert document["report_id"] in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert not {"script", "img", "link", "iframe", "form"} & set(page.tags)
    names = {name for _, name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on")} | names & {"src", "style"}
    links = [value for tag, name, value in page.attributes if name == "href"]
    assert all(value.startswith("#") for value in links)
    assert "{{" not in html
    assert "{%" not in html
    assert "svg" in page.tags


def test_its_policy_allows_exactly_its_style(told):
    page = _Page(as_html(told(1)))
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in POLICY
    assert "unsafe" not in POLICY
    assert ("meta", "content", POLICY) in page.attributes


def get(actor, accept=None, name="credit-default", number=1, **query):
    headers = {"HTTP_ACCEPT": accept} if accept else {}
    request = APIRequestFactory().get("/", query, **headers)
    force_authenticate(request, user=User.objects.get(pk=actor.id))
    response = LineageView.as_view()(request, name=name, number=number)
    return response.render() if hasattr(response, "render") else response


def test_over_http_it_is_canonical_json_by_default(world, ada):
    world.version()
    response = get(ada)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    document = json.loads(response.content)
    assert bodies.canonical(document) == response.content
    assert proof.faults(document) == []
    assert AccessLog.objects.get(kind="log.read").detail.endswith(document["report_id"])


def test_over_http_it_is_a_page_for_a_browser(world, ada):
    world.version()
    response = get(ada, "text/html,application/xhtml+xml,*/*;q=0.8")
    assert response["Content-Type"].startswith("text/html")
    assert response["Content-Security-Policy"] == POLICY
    assert re.search(r"<h1>Lineage of credit-default version 1</h1>", response.content.decode())


def test_over_http_refusals_are_problems(world, ada, vera):
    world.version()
    assert get(vera).status_code == 403
    assert get(ada, number=9).status_code == 404
    assert json.loads(get(ada, "text/html", number=9).content)["code"] == "unknown_version"


def test_the_page_is_served_to_a_signed_in_auditor(world, ada):
    world.version()
    request = RequestFactory().get("/models/credit-default/versions/1/lineage/?download=1")
    request.user = User.objects.get(pk=ada.id)
    response = view.report(request, "credit-default", 1)
    assert response.status_code == 200
    assert response["Content-Security-Policy"] == POLICY
    assert "credit-default-1-lineage.html" in response["Content-Disposition"]


def test_what_commits_while_it_is_made_is_for_the_next_one(story):
    version = selector.find("credit-default", 1)
    before = selector.sources(version)
    meddled = []

    def meddle(execute, statement, params, many, context):
        """Let another transaction commit right after the head was read."""
        result = execute(statement, params, many, context)
        if not meddled and 'FROM "audit_head"' in statement:
            meddled.append(statement)
            story.version()
        return result

    with connection.execute_wrapper(meddle):
        found = selector.sources(version)
    assert meddled
    assert Head.objects.get().seq > found.size
    assert found == before
