"""Models are registered once, and seen by those who may."""

from typing import Any

import pytest
from django.db import IntegrityError

from registry.models import RegisteredModel
from registry.services import registered_models
from registry.services.registered_models import Description

pytestmark = pytest.mark.django_db

MODEL = {"name": "credit-default", "owner": "Team Credit", "purpose": "Approve small credits."}


def code(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def test_a_model_is_registered(submitter, audit_trail):
    answer = submitter.post("/api/v1/models", {**MODEL, "group": "credit"}, format="json")

    assert answer.status_code == 201
    assert answer["Location"] == "/api/v1/models/credit-default"
    assert answer.json()["risk_tier"] == "medium"
    shown = submitter.get("/api/v1/models/credit-default").json()
    assert shown == answer.json()
    assert audit_trail() == [("model.registered", "asha")]


def test_everything_said_of_a_model_is_kept(submitter):
    said = {
        **MODEL,
        "risk_tier": "high",
        "regimes": ["SR 26-2", "EU AI Act"],
        "optimising_metric": "auc",
        "optimising_direction": "max",
        "satisficing": {"latency_ms": 30.0},
        "latency_budget_ms": 30.0,
    }
    answer = submitter.post("/api/v1/models", said, format="json").json()
    assert {key: answer[key] for key in said} == said


def test_a_name_is_taken_once(submitter, model, audit_trail):
    audit_trail.clear()
    assert code(submitter.post("/api/v1/models", MODEL, format="json")) == (409, "exists")
    assert audit_trail() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Credit"),
        ("name", "credit default"),
        ("name", "<b>credit</b>"),
        ("name", "credit\u0000"),
        ("name", "-credit"),
        ("name", "x" * 64),
        ("name", ""),
        ("name", 7),
        ("owner", " "),
        ("owner", "a\u202eb"),
        ("owner", "x" * 101),
        ("purpose", None),
        ("purpose", "x" * 5001),
        ("risk_tier", "critical"),
        ("group", "Not A Slug"),
        ("regimes", ["a", "a"]),
        ("regimes", ["x"] * 51),
        ("regimes", "EU AI Act"),
        ("satisficing", {"latency": "30"}),
        ("satisficing", {"latency": True}),
        ("latency_budget_ms", -1),
        ("latency_budget_ms", 0),
        ("latency_budget_ms", "30"),
        ("optimising_direction", "up"),
        ("created_at", "2020-01-01T00:00:00Z"),
        ("id", "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_changes(submitter, audit_trail, field, value):
    response = submitter.post("/api/v1/models", {**MODEL, field: value}, format="json")

    assert response.status_code == 400
    body = response.json()
    assert body["code"] == "invalid_json" or any(
        path.startswith(field) for path in body["problems"]
    )
    assert not RegisteredModel.objects.exists()
    assert audit_trail() == []


@pytest.mark.parametrize("field", ["name", "owner", "purpose"])
def test_a_missing_field_is_named(submitter, field):
    given = {key: value for key, value in MODEL.items() if key != field}
    response = submitter.post("/api/v1/models", given, format="json")
    assert list(response.json()["problems"]) == [field]


def test_html_in_free_text_is_only_text(submitter):
    purpose = "<script>alert(1)</script>"
    submitter.post("/api/v1/models", {**MODEL, "purpose": purpose}, format="json")
    shown = submitter.get("/api/v1/models/credit-default")
    assert shown["Content-Type"] == "application/json"
    assert shown.json()["purpose"] == purpose


def test_who_may_not_submit_in_the_group_registers_nothing(api, make_person, vera):
    fraud = make_person("gus", "submitter", group="fraud").actor
    for actor in (fraud, vera):
        response = api(actor).post("/api/v1/models", {**MODEL, "group": "ads"}, format="json")
        assert code(response) == (403, "forbidden")
    own = {**MODEL, "group": "fraud"}
    assert api(fraud).post("/api/v1/models", own, format="json").status_code == 201


def test_models_of_other_groups_are_neither_listed_nor_found(api, make_person, asha):
    for name, group in (("ads-ctr", "ads"), ("card-fraud", "fraud"), ("plain", "")):
        description = Description("Team", "Purpose", group=group)
        registered_models.register_model(name=name, description=description, actor=asha)
    client = api(make_person("gus", "viewer", group="fraud").actor)

    names = [model["name"] for model in client.get("/api/v1/models").json()["items"]]
    assert names == ["card-fraud"]
    assert client.get("/api/v1/models/card-fraud").status_code == 200
    for hidden in ("ads-ctr", "plain", "no-such"):
        assert code(client.get(f"/api/v1/models/{hidden}")) == (404, "no_such_model")
        response = client.get(f"/api/v1/models/{hidden}/versions")
        assert code(response) == (404, "no_such_model")


def test_who_has_no_role_sees_nothing(api, make_person):
    client = api(make_person("nora").actor)
    assert code(client.get("/api/v1/models")) == (403, "forbidden")
    assert code(client.get("/api/v1/models/x")) == (403, "forbidden")


def test_a_list_goes_on_in_pages(submitter, asha):
    for number in range(5):
        registered_models.register_model(
            name=f"m{number}", description=Description("T", "P"), actor=asha
        )
    names, cursor = [], ""
    while cursor is not None:
        page = submitter.get(f"/api/v1/models?limit=2{cursor}").json()
        names += [model["name"] for model in page["items"]]
        cursor = f"&cursor={page['next']}" if page["next"] else None
    assert names == [f"m{number}" for number in range(5)]


@pytest.mark.django_db(transaction=True)
def test_a_model_changes_only_with_an_entry(model):
    rows = RegisteredModel.objects.filter(pk=model.pk)
    with pytest.raises(IntegrityError):
        rows.update(owner="mallory")
    assert rows.get().owner == "Team Credit"
