"""A version's page: what it is, where it comes from, and what agents make of it."""

from collections.abc import Callable

from django.test import Client

from governance.models import User
from promotion.models import Request
from tests.pages.factory import World
from tests.pages.test_content import text


def test_one_that_nobody_holds_any_more_is_not_said_to_have_never_been_loaded(
    world: World, waiting: Request, bram: User, browser: Callable[..., Client]
) -> None:
    world.sign(waiting, bram)
    world.settle()

    page = text(browser(bram), "/models/credit-default/versions/1/")

    assert "retired" in page
    assert "No agent holds this version now" in page
    assert "has loaded this version" not in page


def test_the_times_its_data_is_about_are_days(
    world: World, bram: User, browser: Callable[..., Client]
) -> None:
    data = {
        "id": "clients",
        "digest": "ab" * 32,
        "from": "2005-04-01T00:00:00+00:00",
        "to": "2005-09-30T00:00:00+00:00",
    }
    world.version(world.model("score"), datasets=[data])

    page = text(browser(bram), "/models/score/versions/1/")

    assert 'title="2005-04-01T00:00:00+00:00 to 2005-09-30T00:00:00+00:00"' in page
    assert ">2005-04-01 to 2005-09-30<" in page


def test_a_version_shows_its_files_schema_evidence_and_history(
    waiting: Request, rosa: User, browser: Callable[..., Client]
) -> None:
    page = text(browser(rosa), "/models/credit-default/versions/2/")

    assert "credit-default version 2 is trained and runs nowhere" in page
    for part in (
        "model.onnx",
        "limit_bal",
        "warehouse.credit.clients",
        "0.768",
        "48,201",
        "any number x 2",
    ):
        assert part in page
    assert "registered the version" in page


def test_a_rejected_version_says_why(
    world: World, rosa: User, browser: Callable[..., Client]
) -> None:
    world.version(world.model("churn"), status="rejected")

    assert "opset 99 is not known" in text(browser(rosa), "/models/churn/versions/1/")


def test_a_version_tells_how_long_its_answers_take(
    world: World, rosa: User, browser: Callable[..., Client]
) -> None:
    world.environment("qa", "qa")
    world.agent("qa-1", "qa")
    world.agent("qa-2", "qa")
    version = world.version(world.model("credit-default"))
    address = "/models/credit-default/versions/1/"
    assert "How long answers take" not in text(browser(rosa), address)
    world.champion(version, "qa")

    world.took("qa", median_ms=8.0, answers=1_000)

    page = text(browser(rosa), address)
    assert "How long answers take" in page
    assert "2,000" in page, "both agents together"
    assert "last hour" in page
    assert "budget 30 ms" in page
    assert 'class="bar-latency"' in page
    assert page.count("3,600 s") == 2, "each agent's own windows"


def test_a_version_tells_what_agents_counted(
    world: World, rosa: User, browser: Callable[..., Client]
) -> None:
    world.environment("qa", "qa")
    rig = world.agent("qa-1", "qa")
    world.champion(world.version(world.model("credit-default")), "qa")
    address = "/models/credit-default/versions/1/"
    assert "What the agents counted" not in text(browser(rosa), address)
    counted = {"guard": {"clipped": 12, "refused": 0}, "spare_answers": {"deadline": 34}}

    rig.say(rig.generation(), [{**one, **counted} for one in rig.items()])

    page = text(browser(rosa), address)
    assert '12 <span class="muted">clipped to the nearest that training held' in page
    assert '34 <span class="muted">the champion took too long' in page
    assert "refused</span>" not in page


def test_a_version_that_made_room_says_so(
    world: World, rosa: User, browser: Callable[..., Client]
) -> None:
    world.environment("qa", "qa")
    rig = world.agent("qa-1", "qa")
    world.champion(world.version(world.model("credit-default")), "qa")
    gone = {"phase": "failed", "reason": "EVICTED_MEMORY", "detail": "made room for another"}

    rig.say(
        rig.generation(), [{**one, **gone} for one in rig.items()], memory_budget_bytes=2 * 10**9
    )

    page = text(browser(rosa), "/models/credit-default/versions/1/")
    assert "EVICTED_MEMORY" in page
    assert "made room for another" in page
    assert "2.0 GB resident" in text(browser(rosa), "/fleet/")
