"""Each page answers its question, with data and empty."""

from collections.abc import Callable

import pytest
from django.test import Client, RequestFactory

from governance.models import User
from promotion.models import Deployment, Request
from registry.models import RegisteredModel
from tests.pages.factory import PASSWORD, World

EMPTY = [
    ("/", "No model answers callers yet", "lockgate apply"),
    ("/models/", "No model is registered", "lockgate "),
    ("/promotions/", "No promotion waits for you", "lockgate "),
    ("/policies/", "No environment yet", "lockgate apply"),
    ("/fleet/", "No agent has enrolled yet", "lockgate apply"),
    ("/audit/?action=rollout.failed", "No entry fits", ""),
    ("/abnormal/", "", ""),
]


def text(client: Client, address: str, *, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return answer.content.decode()


@pytest.mark.parametrize(("address", "title", "command"), EMPTY)
def test_an_empty_page_says_so_and_how_to_fill_it(
    rosa: User, browser: Callable[..., Client], address: str, title: str, command: str
) -> None:
    page = text(browser(rosa), address)

    assert title in page
    assert command in page


def test_the_matrix_shows_what_was_decided_beside_what_agents_say(
    waiting: Request, rosa: User, browser: Callable[..., Client]
) -> None:
    page = text(browser(rosa), "/")

    assert "1 champion answers as decided, confirmed by their agents" in page
    assert "live (confirmed)" in page
    assert "by 2 of 2 agents" in page
    assert "v2 waits for approval" in page
    assert 'class="alarms"' not in page


def test_agents_that_are_just_switching_need_nobody(
    world: World, waiting: Request, rosa: User, bram: User, browser: Callable[..., Client]
) -> None:
    world.sign(waiting, bram)
    for rig in world.rigs:
        rig.obey()

    page = text(browser(rosa), "/")

    assert "v2 commit" in page
    assert "switching" in page
    assert "not yet: answers with another version" in page
    assert "contradicted" not in page


def test_a_silent_agent_raises_the_bar_on_every_page(
    world: World, waiting: Request, rosa: User, browser: Callable[..., Client]
) -> None:
    world.rigs[1].falls_silent()
    page = browser(rosa)

    for address in ("/", "/models/", "/promotions/", "/fleet/", "/audit/", "/abnormal/"):
        assert "agent eu-2 is silent. What it serves is unknown." in text(page, address)
    assert "1 thing needs somebody now" in text(page, "/")
    assert "by 1 of 2 agents" in text(page, "/")
    assert "live (confirmed)" not in text(page, "/models/credit-default/")


def test_a_cordoned_agent_raises_no_bar(
    world: World, waiting: Request, rosa: User, browser: Callable[..., Client]
) -> None:
    page, agent = browser(rosa), world.rigs[1].agent
    world.rigs[1].falls_silent()

    answer = page.post(f"/fleet/{agent.pk}/cordon/", {"cordon": "yes", "reason": "New disk."})

    assert (answer.status_code, answer["Location"]) == (302, f"/fleet/#agent-{agent.pk}")
    assert 'class="alarms"' not in text(page, "/")
    assert "by 1 of 1 agent" in text(page, "/")
    assert "Uncordon" in text(page, "/fleet/")


def test_an_agent_that_refuses_is_named_with_its_reason(
    world: World, waiting: Request, rosa: User, browser: Callable[..., Client]
) -> None:
    rig = world.rigs[0]
    refused = {"generation": 99, "reason": "BAD_SIGNATURE", "detail": "key 12ab is not known"}
    rig.say(3, [], refused=refused)
    page = browser(rosa)

    assert "agent eu-1 refused generation 99: BAD_SIGNATURE" in text(page, "/")
    assert "key 12ab is not known" in text(page, "/fleet/")


@pytest.mark.parametrize(
    ("offset", "told"),
    [(0.0, ""), (-4.9, ""), (7.2, "clock 7 s ahead"), (-3600, "clock 3,600 s behind")],
)
def test_an_agent_whose_clock_is_off_is_named_in_the_fleet(
    offset: float, told: str, world: World, rosa: User, browser: Callable[..., Client]
) -> None:
    world.environment("qa", "qa")
    rig = world.agent("qa-1", "qa")

    rig.say(rig.generation(), rig.items(), clock_offset_seconds=offset)

    page = text(browser(rosa), "/fleet/")
    assert told in page
    assert ("clock " in page) is bool(told)


def test_a_model_says_what_answers_where(
    waiting: Request, rosa: User, browser: Callable[..., Client]
) -> None:
    page = text(browser(rosa), "/models/credit-default/")

    assert "credit-default answers as version 1 in prod-eu" in page
    assert "Estimate how likely a client is to default" in page


def test_a_promotion_shows_what_changes_and_what_is_signed(
    waiting: Request, bram: User, browser: Callable[..., Client]
) -> None:
    page = text(browser(bram), f"/promotions/{waiting.pk}/")
    version, old = waiting.deployment.version, waiting.replaces
    assert old is not None

    assert "credit-default 2 → prod-eu, replaces 1: waits for 1 approval" in page
    assert (
        f"credit-default version 2 (sha256 {version.digest[:12]}) may replace"
        f" version 1 (sha256 {old.digest[:12]}) in prod-eu under policy 2." in page
    )
    assert "+0.004" in page
    assert "149 of 48,201 (95 %: 0.00262 to 0.00363)" in page
    assert "96 stricter, 53 laxer" in page


def test_progress_names_each_agent(
    world: World, waiting: Request, bram: User, browser: Callable[..., Client]
) -> None:
    world.sign(waiting, bram)
    page = text(browser(bram), f"/promotions/{waiting.pk}/")

    assert "under way, step load" in page
    assert "0 of 2" in page
    assert "eu-1" in page

    world.settle()

    assert "replaces 1: done" in text(browser(bram), f"/promotions/{waiting.pk}/")


def test_a_rollout_that_an_agent_refuses_says_who_and_why(
    world: World, waiting: Request, bram: User, browser: Callable[..., Client]
) -> None:
    world.sign(waiting, bram)
    world.rigs[0].broken[waiting.deployment.version.digest] = "GOLDEN_MISMATCH"
    world.settle()

    page = text(browser(bram), f"/promotions/{waiting.pk}/")

    assert "eu-1 refused: GOLDEN_MISMATCH" in page
    assert "replaces 1: failed" in page


def test_a_rollback_says_what_will_happen_and_does_it(
    world: World, waiting: Request, bram: User, rosa: User, browser: Callable[..., Client]
) -> None:
    world.sign(waiting, bram)
    world.settle()
    page, address = browser(rosa), "/environments/prod-eu/models/credit-default/roll-back/"

    assert "Roll credit-default back in prod-eu?" in text(page, address)
    assert page.post(address, {"to": "1", "reason": " "}).status_code == 422
    assert page.post(address, {"to": "9", "reason": "why"}).status_code == 409
    assert page.post(address, {"to": "x", "reason": "why"}).status_code == 422
    assert browser(bram).post(address, {"to": "1", "reason": "why"}).status_code == 403
    assert RegisteredModel.objects.count() == 1

    answer = page.post(address, {"to": "1", "reason": "Callers complain."})
    world.settle()

    assert answer.status_code == 302
    shown = text(page, answer["Location"])
    assert "credit-default 1 → back in prod-eu, replaces 2: done" in shown
    assert "A rollback needs none." in shown
    assert "rolled back to it" in shown


def test_a_stop_says_what_it_will_do_and_how_it_is_undone(
    world: World, waiting: Request, rosa: User, bram: User, browser: Callable[..., Client]
) -> None:
    page, address = browser(rosa), "/environments/prod-eu/models/credit-default/stop/"
    shown = text(page, address)
    assert "2 of 2 agents confirm version 1 now" in shown
    assert "with 503" in shown
    assert "To undo this, roll back to it" in shown
    assert browser(bram).get(address).status_code == 403
    assert page.post(address, {"reason": " "}).status_code == 422

    answer = page.post(address, {"reason": "wrong scores"})
    world.settle()
    assert "credit-default 1 stopped in prod-eu: done" in text(page, answer["Location"])
    assert "credit-default is stopped in prod-eu" in text(page, "/models/credit-default/")
    assert "There is nothing to stop" in text(page, address)


def test_a_rollback_says_from_where_each_agent_would_answer(
    world: World, waiting: Request, rosa: User, bram: User, browser: Callable[..., Client]
) -> None:
    world.sign(waiting, bram)
    world.settle()
    former = Deployment.objects.get(state="retired").version.digest
    first, second = world.rigs
    items = first.items()
    first.say(first.generation(), items, held=[former])
    second.say(second.generation(), items)
    world.agent("eu-3", "prod-eu").falls_silent()
    shown = text(browser(rosa), "/environments/prod-eu/models/credit-default/roll-back/")

    assert "on disk of eu-1: as soon as it is loaded" in shown
    assert "not on eu-2: fetched and loaded first" in shown
    assert "unknown on eu-3: silent" in shown


def test_the_glass_is_broken_on_a_page_and_reviewed_on_another(
    world: World, waiting: Request, rosa: User, bram: User, browser: Callable[..., Client]
) -> None:
    address = "/environments/prod-eu/models/credit-default/versions/2/break-glass/"
    page = browser(rosa)
    assert page.get(address).status_code == 403
    world.environment("prod-eu", "production", approvals=2, break_glass_roles=["operator"])
    assert "within 24 hours" in text(page, address)
    assert browser(bram).get(address).status_code == 403
    body = {"reason": "fraud wave", "ticket": "INC-7", "password": "guess"}
    assert page.post(address, body).status_code == 403
    answer = page.post(address, {**body, "password": PASSWORD})
    assert answer.status_code == 302
    world.settle()
    shown = text(page, answer["Location"])
    assert "credit-default 2 → prod-eu, break-glass, replaces 1: done" in shown
    assert "review owed" in shown
    assert "Your review" not in shown
    assert "Your review" in text(browser(bram), answer["Location"])
    said = {"verdict": "unjustified", "comment": "no fraud", "password": PASSWORD}
    reviewed = browser(bram).post(f"{answer['Location']}review/", said)
    assert reviewed.status_code == 302
    assert "reviewed: unjustified" in text(page, answer["Location"])
    assert "break-glass" in text(page, "/promotions/")


def test_what_waits_for_me_is_first_and_counted(
    waiting: Request, bram: User, rosa: User, browser: Callable[..., Client]
) -> None:
    assert "1 promotion waits for you" in text(browser(bram), "/promotions/")
    assert 'class="count"' in text(browser(bram), "/")
    assert "No promotion waits for you" in text(browser(rosa), "/promotions/")
    assert 'class="count"' not in text(browser(rosa), "/")


def test_the_log_is_filtered_and_paged_by_cursor(
    world: World, waiting: Request, rosa: User, browser: Callable[..., Client]
) -> None:
    for number in range(30):
        world.model(f"model-{number}")
    page = browser(rosa)
    newest = text(page, "/audit/")
    (before,) = {part.split('"')[0] for part in newest.split("before=")[1:]}
    older = text(page, f"/audit/?before={before}")

    assert f'id="entry-{before}"' in newest
    assert f'id="entry-{before}"' not in older
    assert f'id="entry-{int(before) - 1}"' in older
    assert "model.registered" in text(page, "/audit/?action=model.registered&model=credit-default")
    assert "No entry fits" in text(page, "/audit/?actor=nobody-of-that-name")
    assert "asked for its promotion" in text(page, "/audit/?actor=ASHA&text=risk-311")
    assert "No entry fits" in text(page, '/audit/?actor=asha","')


@pytest.mark.parametrize("query", ["before=-1", "before=x", f"before={10**30}", "before=%D9%A1"])
def test_an_odd_cursor_shows_the_newest(
    rosa: User, browser: Callable[..., Client], query: str
) -> None:
    assert text(browser(rosa), f"/audit/?{query}")


def test_what_cannot_be_searched_for_is_said(rosa: User, browser: Callable[..., Client]) -> None:
    page = browser(rosa)

    assert page.get("/audit/?text=a%00b").status_code in {400, 422}
    assert page.get("/audit/", {"text": "x" * 1_000}).status_code == 422
    assert page.get("/audit/?text=%E2%80%AE").status_code == 422


@pytest.mark.parametrize(
    "address",
    [
        "/models/nothing/",
        "/models/nothing/versions/1/",
        f"/models/credit-default/versions/{10**25}/",
        "/promotions/00000000-0000-0000-0000-000000000000/",
        "/environments/nowhere/models/nothing/roll-back/",
        "/environments/nowhere/models/nothing/stop/",
        "/fleet/00000000-0000-0000-0000-000000000000/cordon/",
        "/no/such/page/",
    ],
)
def test_what_is_not_there_is_said_in_words(
    rosa: User, browser: Callable[..., Client], address: str
) -> None:
    assert "There is no" in text(browser(rosa), address, status=404)


def test_an_auditor_opens_the_lineage_report_and_nobody_else(
    waiting: Request, rosa: User, bram: User, browser: Callable[..., Client]
) -> None:
    address = "/models/credit-default/versions/2/lineage/"
    answer = browser(rosa).get(address)

    assert answer.status_code == 200
    assert "Lineage of credit-default version 2" in answer.content.decode()
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert browser(bram).get(address).status_code == 403
    assert address in text(browser(rosa), "/models/credit-default/versions/2/")
    assert address not in text(browser(bram), "/models/credit-default/versions/2/")


def test_the_style_guide_shows_every_component_in_debug(
    rosa: User, browser: Callable[..., Client], rf: RequestFactory
) -> None:
    from promotion.views.styleguide import styleguide

    request = rf.get("/styleguide/")
    request.user = rosa

    assert "Every page is made of these" in styleguide(request).content.decode()
    assert browser(rosa).get("/styleguide/").status_code == 404
