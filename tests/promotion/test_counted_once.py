"""A transaction counts once for a dark version, in whichever files it comes, in whatever order."""

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promotion.models import DarkSeen, DarkTally, PredictionBatch
from promotion.services import counting, predictions
from registry.models import Blob
from tests.promotion.test_predictions import NOW, packed, row


@pytest.fixture
def pair(world):
    old, new = world.version(), world.version()
    return {"digest": new.digest, "champion_digest": old.digest}


def upload(rig, rows):
    data = packed(rows)
    blob, _ = Blob.objects.get_or_create(
        sha256=hashlib.sha256(data).hexdigest(),
        defaults={"size": len(data), "created_by": "tests"},
    )
    table = predictions.read("dark", data)
    return predictions.accept(agent=rig.agent, kind="dark", blob=blob, table=table)


def scored():
    return {(t.version.digest, t.champion.digest): t.scored for t in DarkTally.objects.all()}


@pytest.mark.django_db
class TestOneAfterTheOther:
    @pytest.fixture
    def rig(self, world):
        return world.agent("eu-dark", tier="dark")

    def test_of_two_files_that_overlap_each_transaction_counts_once(self, rig, pair):
        upload(rig, [row(n, **pair) for n in range(10)])
        upload(rig, [row(n, **pair, score=0.1) for n in range(5, 15)])
        tally = DarkTally.objects.get()
        assert (tally.scored, tally.stricter) == (15, 10)
        assert sum(tally.histogram) == sum(tally.champion_histogram) == 15

    def test_of_two_agents_too(self, world, rig, pair):
        other = world.agent("eu-dark-2", tier="dark")
        for one in (rig, other):
            upload(one, [row(n, **pair, agent=one.agent.name) for n in range(7)])
        assert DarkTally.objects.get().scored == 7

    def test_an_error_counts_once_and_its_second_delivery_is_no_score(self, rig, pair):
        upload(rig, [row(1, **pair, score=None, error="it broke")])
        upload(rig, [row(1, **pair)])
        tally = DarkTally.objects.get()
        assert (tally.scored, tally.errors) == (0, 1)

    def test_each_version_counts_it(self, world, rig, pair):
        third = world.version()
        both = [row(1, **pair), row(1, **{**pair, "digest": third.digest})]
        for rows in (both, both[::-1], both[:1]):
            upload(rig, rows)
        assert sorted(scored().values()) == [1, 1]

    def test_beside_another_champion_it_does_not_count_again(self, world, rig, pair):
        third = world.version()
        upload(rig, [row(1, **pair), row(2, **pair)])
        upload(rig, [row(n, **{**pair, "champion_digest": third.digest}) for n in (2, 3)])
        assert scored() == {
            (pair["digest"], pair["champion_digest"]): 2,
            (pair["digest"], third.digest): 1,
        }

    @pytest.mark.parametrize(
        ("at", "counts"),
        [
            (NOW - counting.WINDOW + timedelta(hours=2), 1),
            (NOW - counting.WINDOW - timedelta(hours=1), 0),
            (NOW + timedelta(hours=1.5), 1),
            (NOW + timedelta(days=1), 0),
            (None, 0),
        ],
        ids=["almost a week ago", "before", "a clock ahead", "tomorrow", "no time"],
    )
    def test_what_may_have_been_counted_and_forgotten_does_not_count(self, rig, pair, at, counts):
        upload(rig, [row(1, **pair, at=at)])
        assert sum(scored().values()) == counts

    def test_a_week_is_remembered_and_no_more(self, rig, pair, monkeypatch):
        upload(rig, [row(1, **pair), row(2, **pair, at=NOW - timedelta(days=2))])
        assert DarkSeen.objects.count() == 2
        monkeypatch.setattr(counting, "WINDOW", timedelta(days=1))
        upload(rig, [row(3, **pair)])
        assert [len(seen.keys) for seen in DarkSeen.objects.all()] == [2 * 8]

    @settings(
        max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(st.lists(st.lists(st.integers(0, 20), max_size=8), max_size=6))
    def test_however_they_are_delivered(self, rig, pair, files):
        for known in (DarkTally, DarkSeen, PredictionBatch):
            known.objects.all().delete()
        for numbers in files:
            upload(rig, [row(n, **pair) for n in numbers])
        expected = len({n for numbers in files for n in numbers})
        assert sum(scored().values()) == expected


@pytest.mark.django_db(transaction=True)
def test_uploads_at_once_count_each_transaction_once(world):
    """Versions and champions in many orders: nobody waits for one another in a circle."""
    rigs = [world.agent(f"eu-dark-{n}", tier="dark") for n in range(3)]
    champions, darks = ([world.version() for _ in range(2)] for _ in range(2))
    chance = random.Random(7)
    files = []
    for _ in range(24):
        rows = [
            row(
                n,
                digest=dark.digest,
                champion_digest=champions[n % 2].digest,
                at=NOW + timedelta(minutes=7 * n),
                seq=chance.randrange(10**9),
            )
            for n in chance.sample(range(8), 5)
            for dark in darks
        ]
        chance.shuffle(rows)
        files.append((chance.choice(rigs), rows))

    def accept(file):
        try:
            upload(*file)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(accept, files))
    given = {row["transaction_id"] for _, rows in files for row in rows}
    assert sum(scored().values()) == 2 * len(given)
