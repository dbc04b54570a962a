"""A sample is the same for everybody who has the seed, and nobody can steer it."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from governance.actors import Actor
from governance.audit import sampling, services
from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.audit.population import head
from governance.audit.sampling import Population
from governance.models import AccessLog
from governance.periods import Period

pytestmark = pytest.mark.django_db
ADA = Actor("user", "7", "ada", person="ada")


@pytest.fixture
def everything() -> Population:
    with transaction.atomic():
        for number in range(60):
            actor = ADA if number % 3 else Actor.from_task("tests")
            services.record(
                Action.MODEL_REGISTERED if number % 2 else Action.TARGET_DEFINED,
                actor=actor,
                object="model:a",
                subject=f"model:{number}",
                model="a",
                environment="qa" if number % 5 else "prod",
            )
    now = timezone.now()
    return Population(Period(now - timedelta(days=1), now + timedelta(days=1)), head())


def test_anybody_can_draw_it_again_with_sha256_alone(everything: Population) -> None:
    drawn = sampling.draw(everything, seed="one", wanted=7)
    numbers = Entry.objects.values_list("seq", flat=True)
    by_hand = sorted(numbers, key=lambda seq: hashlib.sha256(f"one:{seq}".encode()).digest())

    assert list(drawn.entries) == by_hand[:7]
    assert drawn.count == len(by_hand)


def test_the_same_seed_and_size_give_the_same_sample_whatever_comes_later(
    everything: Population,
) -> None:
    before = sampling.draw(everything, seed="one", wanted=10)
    with transaction.atomic():
        for _ in range(40):
            services.record(
                Action.TARGET_DEFINED, actor=ADA, object="model:a", subject="x", model="a"
            )

    assert sampling.draw(everything, seed="one", wanted=10) == before
    assert sampling.draw(everything, seed="two", wanted=10).entries != before.entries


def test_a_larger_sample_holds_the_smaller_one(everything: Population) -> None:
    small = sampling.draw(everything, seed="one", wanted=5).entries
    assert sampling.draw(everything, seed="one", wanted=20).entries[:5] == small


def test_no_more_is_drawn_than_there_is_and_nothing_twice(everything: Population) -> None:
    drawn = sampling.draw(everything, seed="one", wanted=400)
    assert sorted(drawn.entries) == sorted(Entry.objects.values_list("seq", flat=True))


@pytest.mark.parametrize(
    ("narrower", "fits"),
    [
        ({"kind": "model.registered"}, {"action": "model.registered"}),
        ({"kind": "target"}, {"action": "target.defined"}),
        ({"environment": "prod"}, {"environment": "prod"}),
        ({"model": "a"}, {"model": "a"}),
        ({"model": "none-such"}, {"model": "none-such"}),
        ({"who": "people"}, {"actor_kind": "user"}),
        ({"who": "system"}, {"actor_kind": "task"}),
    ],
)
def test_it_is_drawn_from_what_is_asked_for(
    everything: Population, narrower: dict[str, str], fits: dict[str, str]
) -> None:
    drawn = sampling.draw(replace(everything, **narrower), seed="s", wanted=500)
    assert set(drawn.entries) == set(
        Entry.objects.filter(**fits, seq__lte=everything.size).values_list("seq", flat=True)
    )


def test_a_seed_that_nobody_gave_is_told_and_noted(
    everything: Population, api: Callable, ada: Actor
) -> None:
    client = api(ada)
    one, other = (client.get("/api/v1/audit/samples").json()["seed"] for _ in range(2))
    assert one != other
    noted = AccessLog.objects.filter(kind="log.read").values_list("detail", flat=True)
    assert {f"seed={one}", f"seed={other}"} <= set(noted)


def test_each_change_is_drawn_about_as_often_as_any_other(everything: Population) -> None:
    drawn: Counter[int] = Counter()
    for number in range(300):
        drawn.update(sampling.draw(everything, seed=f"seed-{number}", wanted=10).entries)
    expected = 300 * 10 / everything.size
    squares = sum((drawn[seq] - expected) ** 2 / expected for seq in range(1, everything.size + 1))

    # Chi-square with about 60 degrees of freedom: 0.1 % are above 100.
    assert squares < 100, squares
