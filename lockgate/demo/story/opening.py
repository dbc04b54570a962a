"""The beginning: a system, its people, a first version, and callers."""

from collections.abc import Iterable, Iterator

from lockgate.client import Document
from lockgate.demo import caller_side
from lockgate.demo.packing import MODEL
from lockgate.demo.people import APPROVER, AUDITOR, CI, OPERATOR, RISK, People
from lockgate.demo.story.stage import LIVE, PROD, Stage, expect
from lockgate.demo.system import CHECKOUT, read_json
from lockgate.demo.traffic import BUSY, Traffic
from lockgate.demo.training import FIRST

RULES = CHECKOUT / "lockgate" / "demo" / "lockgate.yaml"
PURPOSE = "Estimate the credit default risk of card clients in the coming month"


def come_up(stage: Stage) -> None:
    """Start everything, and train the first version while it comes up."""
    stage.system.start()
    stage.tell.say("starting PostgreSQL, two Valkeys, web, worker and five agents")
    stage.first = stage.train(FIRST)
    stage.system.wait_ready()
    stage.tell.say(f"ready: {stage.system.url}")
    for name, url in stage.live_agents().items():
        stage.tell.say(f"{name} of {PROD} answers callers at {url}")


def people_and_rules(stage: Stage) -> None:
    """Make the people, and put both environments' rules in place."""
    stage.people = People(stage.system.url, read_json(stage.system.manage("demo_people")))
    stage.tell.console.print(stage.people.table())
    stage.tell.say("people made; these passwords open this demo and nothing else")
    environ = {
        "LOCKGATE_URL": stage.system.url,
        "LOCKGATE_TOKEN": stage.people[AUDITOR].token,
    }
    stage.system.lockgate("apply", "-f", str(RULES), environ=environ)
    stage.tell.say(f"lockgate apply -f {RULES.relative_to(CHECKOUT)}: policies of qa and {PROD}")


def first_version(stage: Stage) -> None:
    """Bring the first version up: nobody answered before it."""
    ci = stage.people.client(CI)
    ci.register_model(
        MODEL,
        owner="retail-credit",
        purpose=PURPOSE,
        risk_tier="high",
        regimes=["SR 26-2", "EU AI Act"],
        optimising_metric="auc",
        optimising_direction="max",
        latency_budget_ms=30.0,
    )
    version = stage.register(stage.first or stage.train(FIRST))
    stage.promote_in_qa(version.number)
    stage.darken(version.number)
    request = stage.ask(version.number, PROD, to="production", reason="The first version")
    expect(request["state"], "open", what="a request that needs an approval")
    stage.approve(request, by=RISK, comment="Exposure is within limits.")
    stage.approve(request, by=APPROVER, comment="First version; nothing to compare it with.")
    stage.wait_done(request)
    stage.confirm_champion(PROD, version.number)
    stage.tell.say(f"{RISK} and {APPROVER} approve; version 1 answers in {PROD}, {agreed(stage)}")


def callers_arrive(stage: Stage) -> None:
    """Let held-out clients arrive, and keep arriving."""
    extraction = caller_side.start(
        stage.system, environment=PROD, model=MODEL, token=stage.people[OPERATOR].token
    )
    stage.tell.say(f"features are extracted at {extraction}, with an Envoy before {_named(LIVE)}")
    stage.traffic = Traffic(extraction=extraction, agents=stage.live_agents())
    stage.traffic.wait_all_answer(1, seconds=30)
    stage.tell.say(f"{BUSY:.0f} held-out clients a second are scored by {_named(LIVE)}")


def _named(agents: Iterable[str]) -> str:
    return " and ".join(agents)


def agreed(stage: Stage) -> str:
    """Say how many agents confirm the champion."""
    agents = stage.of_model(PROD)["live"]["agents"]
    confirming = list(_confirming(agents))
    return f"confirmed by {len(confirming)} of {len(agents)} agents"


def _confirming(agents: list[Document]) -> Iterator[Document]:
    return (each for each in agents if each["standing"] == "confirmed")
