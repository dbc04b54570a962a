"""The page that tells what was so at another time."""

import pytest
from django.utils import timezone
from django.utils.http import urlencode

from governance.services import bindings
from promotion.services import predictions
from registry.models import ModelVersion
from registry.services import blobs
from tests.pages.factory import SET_UP
from tests.promotion.test_predictions import packed, row

ADDRESS = "/environments/prod-eu/as-of/"


def test_it_says_what_was_decided_who_decided_it_and_what_agents_said(waiting, rosa, browser):
    text = browser(rosa).get(ADDRESS).content.decode()

    assert "1 champion decided, 1 confirmed by an agent" in text
    assert "Quarterly retraining on the newest data." in text
    assert "eu-1" in text
    assert "no signature" in text


def test_a_moment_before_shows_that_moment(waiting, world, rosa, browser):
    before = timezone.now()
    third = world.version(waiting.model)
    world.environment("prod-eu", "production", approvals=0)
    world.champion(third, "prod-eu")
    page = browser(rosa)

    then = page.get(f"{ADDRESS}?{urlencode({'at': before.isoformat()})}").content.decode()
    assert ">v3<" not in then
    assert ">v3<" in page.get(ADDRESS).content.decode()


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("tomorrow", "is not a time"),
        ("<script>alert(1)</script>", "&lt;script&gt;"),
        ("2026-01-01T00:00:00", "has no zone"),
        ("1999-01-01T00:00:00Z", "does not reach back that far"),
        ("2999-01-01T00:00:00Z", "lies in the future"),
    ],
)
def test_what_is_no_such_time_is_said_and_can_be_mended(waiting, rosa, browser, at, said):
    answer = browser(rosa).get(ADDRESS, {"at": at})
    text = answer.content.decode()

    assert answer.status_code == 422
    assert said in text
    assert "<script>alert" not in text
    assert 'name="at"' in text


def test_an_environment_one_may_not_see_is_not_there(waiting, world, browser):
    guest = world.person("guest")
    qa = world.environment("qa", "qa")
    bindings.grant_role(to=guest, role="viewer", environment=qa, actor=SET_UP)
    assert browser(guest).get(ADDRESS).status_code == 404


@pytest.fixture
def recorded(waiting, world):
    """Agent eu-1 uploaded that version 1 scored the transaction t1."""
    digest = ModelVersion.objects.get(number=1).digest
    data = packed([row(1, digest=digest, score=0.125)])
    [rig] = [rig for rig in world.rigs if rig.agent.name == "eu-1"]
    table = predictions.read("decision", data)
    blob = blobs.keep(data, actor=SET_UP)
    predictions.accept(agent=rig.agent, kind="decision", blob=blob, table=table)


def test_the_form_of_a_version_leads_to_what_scored_a_transaction(recorded, rosa, browser):
    page = browser(rosa)
    form = page.get("/models/credit-default/versions/2/").content.decode()
    assert 'name="transaction"' in form
    assert 'type="hidden" name="model" value="credit-default"' in form

    asked = {"at": "", "model": "credit-default", "transaction": " t1 "}
    text = page.get(ADDRESS, asked).content.decode()
    assert ">v1</a>" in text
    assert "0.125" in text
    assert "Looked at 1 file" in text


def test_a_transaction_that_is_not_recorded_is_said_so(recorded, rosa, browser):
    asked = {"model": "credit-default", "transaction": "<b>t2"}
    text = browser(rosa).get(ADDRESS, asked).content.decode()
    assert "Not found in the decision records of prod-eu." in text
    assert "&lt;b&gt;t2" in text
    assert "<b>t2" not in text


@pytest.mark.parametrize(
    ("model", "transaction", "said"),
    [
        ("", "t1", "Say of which model the transaction is."),
        ("none", "t1", "There is no such model."),
        ("credit-default", "x" * 257, "must have 1 to 256 characters"),
    ],
)
def test_a_question_that_cannot_be_answered_can_be_mended(
    recorded, rosa, browser, model, transaction, said
):
    answer = browser(rosa).get(ADDRESS, {"model": model, "transaction": transaction})
    assert answer.status_code == 422
    assert said in answer.content.decode()


def test_a_model_of_another_group_is_no_such_model(recorded, world, browser):
    guest = world.person("guest")
    bindings.grant_role(to=guest, role="viewer", group="another", actor=SET_UP)
    answer = browser(guest).get(ADDRESS, {"model": "credit-default", "transaction": "t1"})
    assert "There is no such model." in answer.content.decode()
