"""A request that no longer stands ends by itself, and can be asked again."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from governance.audit.models import Entry
from governance.errors import Conflict
from promotion.models import Request
from promotion.selectors import standing
from promotion.services import rollbacks, sweeping


@pytest.fixture
def live(world, promote):
    """Versions 1 and 2 have answered; 2 does."""
    world.agent("eu-1")
    promote()
    promote()
    return world


def rule_of(request):
    entry = Entry.objects.select_related("payload").get(
        action="request.voided", subject=request.subject
    )
    return json.loads(entry.payload.body)["rule"]


def swept(request):
    for _ in range(2):
        sweeping.sweep()
    request.refresh_from_db()
    return request.state


def test_what_still_stands_stays_open(live, ask, asha, rules):
    promotion = ask(live.version(), by=asha)
    rules("qa", approvals=2)  # Another environment's.
    assert swept(promotion) == Request.State.OPEN


def test_another_policy_voids_it_and_the_same_can_be_asked_again(live, ask, asha, rules, replayed):
    version = live.version()
    request = ask(version, by=asha)
    rules(approvals=2)
    with pytest.raises(Conflict):
        ask(version, by=asha)

    assert swept(request) == Request.State.VOIDED
    assert rule_of(request) == "another_policy"
    assert ask(version, by=asha).approvals_needed == 2
    replayed()


def test_a_rollback_voids_what_was_to_replace_the_other(live, ask, asha, omar, replayed):
    request = ask(live.version(), by=asha)
    rollbacks.rollback(environment="prod-eu", model="credit-default", reason="x", actor=omar)

    assert swept(request) == Request.State.VOIDED
    assert rule_of(request) == "another_champion"
    replayed()


def test_a_version_that_went_elsewhere_meanwhile_voids_it(live, ask, sign, asha, bram, rules):
    rules(approvals_for_dark=1)
    version = live.version()
    promotion = ask(version, by=asha)
    live.agent("eu-dark", tier="dark")
    sign(ask(version, to="dark", by=asha), bram)
    live.settle()

    assert swept(promotion) == Request.State.VOIDED
    assert rule_of(promotion) == "another_state"


def test_more_requests_make_no_more_queries(live, ask, asha):
    def counted():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert standing.overtaken(now=timezone.now() + timedelta(minutes=1)) == []
        return len(queries)

    ask(live.version(), by=asha)
    few = counted()
    for _ in range(3):
        ask(live.version(), by=asha)
    assert counted() == few == 3
