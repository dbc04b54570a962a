"""Lineage asked both ways: by API and on pages, in as many queries whatever there is."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from governance import access
from governance.models import Environment, User
from governance.services import bindings
from promotion.models import Request
from promotion.origins import Origin
from promotion.selectors import made_from, relations
from promotion.services import rollbacks, spares
from registry.models import ModelVersion
from registry.services.attestations import attest
from registry.services.origins import Parent
from tests.pages.factory import SET_UP, World

OTHER = "ef" * 32
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"


def data(name: str = "clients", digest: str = "ab" * 32, **more: object) -> dict[str, object]:
    return {"id": name, "digest": digest, **more}


@pytest.fixture
def bank(world: World) -> dict[str, ModelVersion]:
    """``one`` answers in two places, its child ``two`` in one; ``lone`` is another group's."""
    for slug in ("qa", "prod-eu"):
        world.environment(slug, "production")
        world.agent(f"{slug}-1", slug)
    model = world.model("credit")
    year = {"from": "2025-01-01", "to": "2025-12-31"}
    one = world.version(model, datasets=[data(**year), data("bureau", OTHER)])
    two = world.version(
        model,
        datasets=[data("clients", "cd" * 32, **{**year, "to": "2026-12-31"})],
        parents=(Parent(one, "retrained"),),
        environment_lock={"scikit-learn": "1.9.1", "numpy": "2.3.0"},
    )
    lone = world.version(world.model("ads", group="ads"), datasets=[data(**year)])
    for slug in ("qa", "prod-eu"):
        world.champion(one, slug)
    world.champion(two, "qa")
    world.champion(lone, "qa")
    return {"one": one, "two": two, "lone": lone}


@pytest.fixture
def ask(rosa: User) -> Callable[..., Any]:
    client = APIClient()
    client.force_authenticate(rosa)

    def ask(path: str, status: int = 200, **query: object) -> Any:
        answer = client.get(f"/api/v1/{path}", query)
        assert answer.status_code == status, answer.content
        return answer.json()

    return ask


def names(page: Any) -> list[tuple[str, int]]:
    return sorted((row["model"], row["version"]) for row in page["items"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"dataset": "clients"}, [("ads", 1), ("credit", 1), ("credit", 2)]),
        ({"digest": "ab" * 32}, [("ads", 1), ("credit", 1)]),
        ({"digest": "sha256:" + "AB" * 32}, [("ads", 1), ("credit", 1)]),
        ({"dataset": "clients", "from": "2026-01-01"}, [("credit", 2)]),
        ({"dataset": "clients", "to": "2025-01-01T00:00:00Z"},
         [("ads", 1), ("credit", 1), ("credit", 2)]),
        ({"dataset": "clients", "to": "2024-12-31"}, []),
        ({"dataset": "Clients"}, []),
        ({"package": "scikit-learn"}, [("credit", 2)]),
        ({"package": "scikit-learn==1.9.1"}, [("credit", 2)]),
        ({"package": "scikit-learn==1.9.2"}, []),
        ({"feature": "pay_0", "dataset": "bureau"}, [("credit", 1)]),
        ({"feature": "pay"}, []),
        ({"run": "https://ci.bank.example/runs/4102"}, [("credit", 2)]),
        ({"commit": "nowhere"}, []),
        ({"live": "1", "dataset": "clients"}, [("ads", 1), ("credit", 1), ("credit", 2)]),
    ],
)  # fmt: skip
def test_versions_are_found_by_what_they_were_made_of(
    bank: object, ask: Callable[..., Any], query: dict[str, str], found: list[tuple[str, int]]
) -> None:
    assert names(ask("lineage/versions", **query)) == found


def test_it_says_where_each_answers_decided_and_confirmed(
    bank: dict[str, ModelVersion], world: World, ask: Callable[..., Any]
) -> None:
    world.rigs[0].falls_silent()  # qa-1
    rows = {row["version"]: row for row in ask("lineage/versions", dataset="bureau")["items"]}
    places = {place["environment"]: place for place in rows[1]["environments"]}

    assert places["prod-eu"]["answers"]
    assert places["prod-eu"]["live"] == {"verdict": "confirmed", "confirmed": 1, "agents": 1}
    assert (places["qa"]["state"], places["qa"]["live"]) == ("retired", None)
    rows = {row["version"]: row for row in ask("lineage/versions", digest="cd" * 32)["items"]}
    assert rows[2]["environments"][0]["live"]["verdict"] == "unknown"
    assert rows[2]["data"][0]["said_by"] == {"kind": "manifest"}


def test_data_of_unknown_times_may_be_meant_and_it_is_said_so(
    bank: object, ask: Callable[..., Any]
) -> None:
    rows = ask("lineage/versions", **{"from": "2030-01-01"})["items"]
    assert [(row["version"], row["is_certain"]) for row in rows] == [(1, False)]  # The bureau's.


def test_what_is_retired_answers_nobody(
    bank: dict[str, ModelVersion], ask: Callable[..., Any], world: World
) -> None:
    world.champion(bank["two"], "prod-eu")
    found = ask("lineage/versions", dataset="bureau", live="1")
    assert found["items"] == []


def test_a_long_answer_comes_in_pages(bank: object, ask: Callable[..., Any]) -> None:
    first = ask("lineage/versions", dataset="clients", limit=2)
    second = ask("lineage/versions", dataset="clients", limit=2, cursor=first["next"])
    assert len(first["items"]) == 2
    assert second["next"] is None
    assert len({row["digest"] for row in first["items"] + second["items"]}) == 3


@pytest.mark.parametrize(
    "query",
    [
        {"digest": "xyz"},
        {"dataset": "a\x07b"},
        {"from": "yesterday"},
        {"from": "2025-13-01"},
        {"to": "0000-01-01"},
        {"from": "2025-01-01T00:00:00"},
        {"from": "0001-01-01T00:00:00+14:00"},
        {"from": "2026-01-01", "to": "2025-01-01"},
        {"live": "yes"},
        {"group": "credit"},
        {"feature": "x" * 501},
        {"limit": "1000000000"},
        {"cursor": "rubbish"},
        {"dataset": "\u202eevil"},
    ],
)
def test_a_question_that_is_none_is_refused(
    bank: object, ask: Callable[..., Any], query: dict[str, str]
) -> None:
    assert ask("lineage/versions", 400, **query)["code"] in {
        "invalid_query", "bad_limit", "bad_cursor"
    }  # fmt: skip


def test_a_version_knows_what_it_comes_from_and_what_comes_from_it(
    bank: dict[str, ModelVersion], ask: Callable[..., Any], world: World, asha: User
) -> None:
    three = world.version(bank["one"].model, parents=(Parent(bank["two"], "distilled"),))
    attest(
        version=three,
        kind="lineage",
        document={"parents": [{"model": "ads", "version": 1, "relation": "ensemble"}]},
        actor=asha.actor,
    )
    one, two = (ask(f"models/credit/versions/{number}/relations") for number in (1, 2))

    below = [(row["version"], row["steps"]) for row in one["downstream"]["versions"]]
    assert below == [(2, 1), (3, 2)]
    assert one["downstream"]["versions"][0]["link"]["relation"] == "retrained"
    assert one["upstream"]["versions"] == []
    assert [row["id"] for row in one["upstream"]["data"]] == ["bureau", "clients"]
    assert [row["version"] for row in two["upstream"]["versions"]] == [1]
    above = ask("models/credit/versions/3/relations")["upstream"]
    assert {(row["model"], row["version"], row["steps"]) for row in above["versions"]} == {
        ("ads", 1, 1), ("credit", 2, 1), ("credit", 1, 2)
    }  # fmt: skip
    later = next(row for row in above["versions"] if row["model"] == "ads")
    assert later["link"]["said_by"]["by"] == "asha"
    assert one["downstream"]["rollouts"]


def effects(document: Any, environment: str) -> set[str]:
    rows = {row["environment"]: row for row in document["retiring"]["environments"]}
    return {effect["code"] for effect in rows[environment]["effects"]}


def test_retiring_it_is_told_before_it_is_done(
    bank: dict[str, ModelVersion], ask: Callable[..., Any], world: World, rosa: User
) -> None:
    one = ask("models/credit/versions/1/relations")
    assert effects(one, "prod-eu") == {"nobody_answers"}
    assert effects(one, "qa") == {"champion_stays", "rollback_target_lost"}
    assert one["retiring"]["effects"][0]["code"] == "children_answer"
    assert effects(ask("models/credit/versions/2/relations"), "qa") == {
        "nobody_answers", "rollback_brings_back"
    }  # fmt: skip

    spares.name_spare(environment="qa", model="credit", version=1, reason="why", actor=rosa.actor)
    world.settle()
    two = ask("models/credit/versions/2/relations")
    assert "spare_answers" in effects(two, "qa")
    assert "fallback_lost" in effects(ask("models/credit/versions/1/relations"), "qa")


def test_retiring_says_what_is_under_way_and_what_is_compared(
    bank: dict[str, ModelVersion], ask: Callable[..., Any], world: World, asha: User
) -> None:
    world.environment("prod-eu", "production", approvals=1)
    world.ask(bank["two"], "production", "prod-eu", by=asha)
    world.environment("prod-eu", "production", approvals=0)
    third = world.version(bank["one"].model)
    world.ask(third, "dark", "prod-eu")
    world.tally(third, bank["one"], "prod-eu")
    world.settle()
    one = ask("models/credit/versions/1/relations")
    assert effects(one, "prod-eu") >= {"nobody_answers", "request_voided"}
    assert [row["dark"] for row in one["downstream"]["dark_comparisons"]] == [3]


def test_who_sees_one_group_or_place_is_told_of_no_other(
    bank: dict[str, ModelVersion], world: World
) -> None:
    eva = world.person("eva")
    place = Environment.objects.get(slug="prod-eu")
    bindings.grant_role(to=eva, role="viewer", environment=place, group="credit", actor=SET_UP)
    client = APIClient()
    client.force_authenticate(eva)

    found = client.get("/api/v1/lineage/versions", {"dataset": "clients"}).json()
    assert names(found) == [("credit", 1), ("credit", 2)]
    assert {p["environment"] for row in found["items"] for p in row["environments"]} == {"prod-eu"}
    assert client.get("/api/v1/models/ads/versions/1/relations").status_code == 404
    around = client.get("/api/v1/models/credit/versions/1/relations").json()
    assert [p["environment"] for p in around["retiring"]["environments"]] == ["prod-eu"]
    assert "qa" not in client.get("/api/v1/models/credit/versions/2/relations").content.decode()


def test_pages_show_the_same_and_lead_on(
    bank: dict[str, ModelVersion], rosa: User, browser: Callable[..., Client]
) -> None:
    page = browser(rosa)
    listed = page.get("/lineage/").content.decode()
    assert "Versions here are made of 3 data sets" in listed
    asked = page.get("/lineage/", {"dataset": "clients", "live": "1"}).content.decode()
    assert "3 versions are made of that; 3 answer callers" in asked
    one = page.get(f"/lineage/data/{'ab' * 32}/").content.decode()
    assert "2 versions were made of clients; 2 answer callers in prod-eu and qa" in one
    around = page.get("/models/credit/versions/1/relations/").content.decode()
    assert "credit version 1 is made of 2 data sets; 1 version comes from it, and answers" in around
    assert 'href="/models/credit/versions/2/relations/"' in around
    assert '<svg class="family"' in around
    version = page.get("/models/credit/versions/1/").content.decode()
    assert 'href="/models/credit/versions/1/relations/"' in version


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/lineage/?digest=rubbish", 422),
        ("/lineage/?from=%00", 400),
        ("/lineage/?from=2026-01-01&to=2025-01-01", 422),
        ("/lineage/?dataset=nothing", 200),
        (f"/lineage/data/{'0' * 64}/", 404),
        ("/lineage/data/none/", 404),
        ("/models/credit/versions/99999999999999999999/relations/", 404),
        ("/models/none/versions/1/relations/", 404),
    ],
)
def test_odd_addresses_are_answered_in_words(
    bank: object, rosa: User, browser: Callable[..., Client], address: str, status: int
) -> None:
    assert browser(rosa).get(address).status_code == status


def test_what_manifests_say_is_text(
    world: World, rosa: User, browser: Callable[..., Client]
) -> None:
    version = world.version(
        world.model("credit"),
        datasets=[data(EVIL, source=EVIL, licence=EVIL, version=EVIL)],
    )
    page = browser(rosa)
    for address in (
        "/lineage/",
        f"/lineage/?dataset={EVIL}",
        f"/lineage/data/{'ab' * 32}/",
        f"/models/credit/versions/{version.number}/relations/",
    ):
        html = page.get(address).content.decode()
        assert "<script>alert" not in html
        assert "<img src=x" not in html


def test_more_of_everything_makes_no_more_queries(
    bank: dict[str, ModelVersion], world: World, rosa: User, asha: User
) -> None:
    sight, now = access.sight(rosa.actor), timezone.now()
    asked = Origin(dataset="clients")

    def counted() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as first:
            made_from.made(made_from.versions(asked, sight), sight, now=now)
        with CaptureQueriesContext(connection) as second:
            relations.relations("credit", 1, sight, now=now)
        return len(first), len(second)

    few = counted()
    parent = bank["two"]
    for number in range(4):
        child = world.version(
            world.model(f"model-{number}"),
            datasets=[data()],
            parents=(Parent(parent, "derived"), Parent(bank["one"], "ensemble")),
        )
        world.champion(child, "qa")
        world.agent(f"more-{number}", "qa")
        parent = child
    world.settle()
    rollbacks.rollback(environment="qa", model="credit", reason="why", actor=SET_UP)
    assert counted() == few
    assert Request.objects.filter(kind="rollback").exists()
