"""Whatever people and agents wrote is shown as text, and never runs."""

from collections.abc import Callable

from django.test import Client

from governance.models import User
from tests.pages.factory import World

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"


def test_stored_markup_is_escaped_on_every_page(
    world: World, rosa: User, asha: User, browser: Callable[..., Client]
) -> None:
    world.environment("prod-eu", "production", approvals=1)
    rig = world.agent("eu-1", "prod-eu", labels={"zone": EVIL})
    model = world.model("credit-default", owner=EVIL, purpose=EVIL, regimes=[EVIL])
    world.version(model)
    version = world.version(
        model,
        metrics={EVIL: EVIL},
        training={"commit": EVIL, "parameters": {EVIL: EVIL}},
        datasets=[{"id": EVIL, "from": EVIL, "to": EVIL, "source": EVIL, "digest": EVIL}],
        inputs=[{"name": EVIL, "datatype": EVIL, "shape": [EVIL]}],
        outputs=[{"name": EVIL, "datatype": EVIL, "shape": [EVIL]}],
        score={"output": EVIL, "column": EVIL, "threshold": EVIL},
    )
    world.tally(version, model.versions.get(number=1), "prod-eu")
    request = world.ask(version, "production", "prod-eu", by=asha, reason=EVIL, ticket=EVIL)
    evil = world.person("evil", "approver", first_name=EVIL, last_name=EVIL)
    refused = {"generation": 3, "reason": "INVALID", "detail": EVIL}
    item = {"model": "credit-default", "version": 2, "digest": version.digest, "detail": EVIL}
    rig.say(1, [{**item, "role": "champion", "phase": "failed"}], refused=refused)
    page = browser(rosa)

    addresses = [
        "/",
        "/models/",
        "/models/credit-default/",
        "/models/credit-default/versions/2/",
        "/promotions/",
        f"/promotions/{request.pk}/",
        f"/promotions/{request.pk}/progress/",
        "/fleet/",
        f"/fleet/{rig.agent.pk}/cordon/",
        "/audit/",
        f"/audit/?text={EVIL}",
        "/environments/prod-eu/models/credit-default/roll-back/",
    ]
    answers = [page.get(address) for address in addresses]
    answers += [browser(evil).get(f"/promotions/{request.pk}/")]
    answers += [Client().post("/sign-in/", {"username": EVIL, "password": EVIL, "next": EVIL})]
    for answer in answers:
        html = answer.content.decode()
        assert answer.status_code in {200, 401}
        assert "<script>alert" not in html
        assert "<img src=x" not in html
    assert "&lt;script&gt;alert(1)" in answers[5].content.decode()


def test_a_refused_form_shows_what_was_written_as_text(
    world: World, waiting: object, bram: User, browser: Callable[..., Client]
) -> None:
    from promotion.models import Request

    request = Request.objects.get(state="open")
    answer = browser(bram).post(
        f"/promotions/{request.pk}/sign/",
        {"decision": "approve", "meaning": EVIL, "comment": EVIL, "content_hash": EVIL},
    )

    assert answer.status_code == 422
    assert "<script>alert" not in answer.content.decode()
