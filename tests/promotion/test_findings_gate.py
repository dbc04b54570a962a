"""Findings that are open stop promotions, where the policy says so."""

import pytest

from governance.errors import Refused
from promotion.gates import no_open_findings
from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.services import execution, sweeping
from tests.promotion.conftest import SET_UP
from tests.promotion.test_findings import ASKED, closed, recorded

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(world, asha):
    return world.version()


class TestTheGate:
    ONE = {  # noqa: RUF012 - read only
        "id": "1",
        "title": "x",
        "severity": "medium",
        "due": "2026-12-01",
        "blocks": False,
        "condition_of": None,
    }

    @pytest.mark.parametrize(
        ("changes", "outcome"),
        [
            ({}, "passed"),
            ({"severity": "high"}, "failed"),
            ({"severity": "critical"}, "failed"),
            ({"severity": "low", "blocks": True}, "failed"),
            ({"severity": "high", "condition_of": "r"}, "passed"),
            ({"severity": "high", "condition_of": "r", "blocks": True}, "failed"),
            ({"severity": "high", "condition_of": "r", "due": "2026-11-19"}, "failed"),
            ({"condition_of": "r", "due": "2026-11-19"}, "passed"),
        ],
    )
    def test_what_counts(self, changes, outcome):
        facts = Facts(
            inspection="ready",
            at="2026-11-20T12:00:00+00:00",
            findings=({**self.ONE, **changes},),
        )
        found = no_open_findings.judge(facts, Policy.model_validate(ASKED))
        assert found.outcome == outcome
        assert bool(found.remedy) is (outcome == "failed")

    def test_an_open_one_refuses_a_promotion_with_words_and_a_remedy(
        self, world, version, ask, rules, asha, bram, dina
    ):
        world.agent("eu-1")
        rules(**ASKED)
        made = recorded(version, bram)
        recorded(version, bram, severity="low")
        with pytest.raises(Refused) as refusal:
            ask(version, by=asha)
        [gate] = refusal.value.context["gates"]
        assert gate["gate"] == "no_open_findings"
        assert gate["reason"].endswith("high (Too few defaults among the young).")
        assert "another" not in gate["reason"]
        assert "nor" in gate["remedy"]

        assert ask(world.version(), by=asha).state == "open"
        closed(made, dina)
        request = ask(version, by=asha)
        stored = {g["gate"]: g for g in request.evidence["gates"]}["no_open_findings"]
        assert stored["outcome"] == "passed"
        assert [one["severity"] for one in stored["facts"]["open"]] == ["low"]

    def test_one_recorded_since_blocks_an_approved_request_and_voids_nothing(
        self, world, version, ask, sign, rules, asha, bram, cleo, dina
    ):
        world.agent("eu-1")
        rules(**ASKED)
        request = ask(version, by=asha)
        made = recorded(version, cleo)
        signed = sign(request, bram)
        assert signed.state == "approved"
        assert "A finding is open on this version" in signed.detail
        assert not execution.start(request_id=request.pk, actor=SET_UP)

        closed(made, dina)
        sweeping.sweep()
        request.refresh_from_db()
        assert (request.state, request.approvals.count()) == ("executing", 1)

    @pytest.mark.parametrize(("blocks", "state"), [(False, "executing"), (True, "approved")])
    def test_what_is_approved_on_a_condition_goes_ahead_unless_it_blocks(
        self, world, version, ask, sign, rules, asha, bram, blocks, state
    ):
        world.agent("eu-1")
        rules(**ASKED)
        request = ask(version, by=asha)
        recorded(version, bram, condition_of=request.pk, blocks=blocks)
        assert sign(request, bram).state == state
