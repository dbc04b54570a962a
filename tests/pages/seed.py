"""Fill a development database with the story pages are looked at with.

LOCKGATE_HOME=/some/folder .venv/bin/python -m tests.pages.seed
"""

import os

import django

from governance import embedded


def story() -> None:
    """Three models in four environments; one promotion waits, one agent is silent."""
    from registry.services.attestations import attest
    from registry.services.origins import Parent
    from tests.pages.factory import FEATURES, World

    world = World()
    asha = world.person("asha", "submitter", first_name="Asha", last_name="Rao")
    world.person("bram", "approver", first_name="Bram", last_name="de Wit")
    rosa = world.person("rosa", "risk", "operator", "auditor", first_name="Rosa", last_name="Lind")
    for slug, kind in (("integration", "integration"), ("qa", "qa")):
        world.environment(slug, kind)
        world.agent(f"{slug}-1", slug)
    for slug in ("prod-eu", "prod-us"):
        world.environment(slug, "production")
        for number in (1, 2):
            world.agent(f"{slug[5:]}-{number}", slug, labels={"zone": "ab"[number - 1]})
        world.agent(f"{slug[5:]}-dark", slug, "dark")
    credit = world.model("credit-default")
    fraud = world.model(
        "fraud-score", owner="Payments", group="payments", purpose="Score card payments for fraud."
    )
    world.model("churn", owner="Retail", group="", purpose="Find clients about to leave.")
    old, new, newest = (
        world.version(credit),
        world.version(credit, features=(*FEATURES, "util_3m", "tenure")),
        world.version(credit, status="rejected"),
    )
    world.version(credit, parents=(Parent(new, "retrained"),))
    bureau = {"id": "bureau-scores", "digest": "b0" * 32, "licence": "contract 311"}
    retrained = {"model": credit.name, "version": old.number, "relation": "retrained"}
    said = {"datasets": [bureau], "parents": [retrained]}
    attest(version=new, kind="lineage", document=said, actor=asha.actor)
    payments = [world.version(fraud) for _ in range(3)]
    for slug in ("integration", "qa", "prod-eu", "prod-us"):
        world.champion(old, slug)
        world.champion(payments[0], slug)
    world.champion(payments[1], "prod-us")
    for slug in ("integration", "qa"):
        world.champion(new, slug)
    world.ask(new, "dark", "prod-eu", by=asha)
    world.ask(payments[1], "dark", "prod-eu", by=asha)
    world.settle()
    world.tally(new, old, "prod-eu")
    world.environment("prod-eu", "production", approvals=2, dark_first=True, minimum_pairs=1_000)
    waiting = world.ask(new, "production", "prod-eu", by=asha, ticket="RISK-311")
    world.sign(waiting, rosa, meaning="review")
    world.ask(payments[2], "production", "prod-us", by=asha)
    world.took("prod-eu", median_ms=4.2)
    world.rigs[-3].obey()
    assert newest.number == 3


def main() -> None:
    """Tell the story once."""
    embedded.provide_missing()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    django.setup()
    story()


if __name__ == "__main__":
    main()
