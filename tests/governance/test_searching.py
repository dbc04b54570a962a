"""The log is searched by an index for every filter, also when it is long."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction

from governance import searching
from governance.actors import Actor
from governance.audit import services
from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.searching import Search
from tests.conftest import as_owner

pytestmark = pytest.mark.django_db
ADA = Actor("user", "7", "ada", person="ada")
LONG = 200_000
SEEDED = """
INSERT INTO audit_entry SELECT
    n, timestamptz '2026-01-01' + n * interval '1 minute', '{}', md5(n::text) || md5('a' || n),
    md5('b' || n) || md5('c' || n), 'model:m' || n %% 500, n, 'request:' || n %% 20000, 'user',
    'actor-' || n %% 2000,
    CASE WHEN n %% 1000 = 0 THEN 'waiver.given' ELSE 'request.opened' END, 'm' || n %% 500, n %% 40,
    'env-' || n %% 200, ('00000000-0000-4000-8000-' || lpad(to_hex(n / 8), 12, '0'))::uuid,
    repeat('0', 64), n
FROM generate_series(1000, %s) AS n
"""
PAYLOADS = """
INSERT INTO audit_payload SELECT n, 'salt',
    '{"actor":"a","reason":"reason ' || n %% 7 || CASE WHEN n %% 5000 = 0
        THEN ' fraud ring' ELSE '' END
    || ' ticket RISK-' || n || '"}' FROM generate_series(1000, %s) AS n
"""


@pytest.fixture
def write() -> Callable[..., int]:
    def append(reason: str = "", **more: object) -> int:
        about = {"object": "model:a", "subject": "request:1", "model": "a", **more}
        with transaction.atomic():
            return services.record(
                Action.REQUEST_OPENED, actor=ADA, details={"reason": reason}, **about
            )

    return append


def seqs(**asked: object) -> list[int]:
    return sorted(searching.entries(Search(**asked)).values_list("seq", flat=True))


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("fraud", 1),
        ("FRAUD ring", 1),
        ("fra rin", 1),
        ("risk-311", 1),
        ("Zürich", 1),
        ("ring fraud", 1),
        ("o'neill", 1),
        ("raud", 0),
        ("fraud square", 0),
        ("'", 0),
        ("\\", 0),
        ("& | ! <->", 0),
        (":*", 0),
        ("a" * 200, 0),
    ],
)
def test_words_are_found_by_their_beginnings_and_nothing_in_them_is_syntax(
    write: Callable[..., int], text: str, fits: int
) -> None:
    seq = write("A Fraud ring in Zürich, see RISK-311, says O'Neill")
    write("something else")
    assert seqs(text=text) == [seq] * fits


def test_a_thing_and_a_hash_are_found_exactly(write: Callable[..., int]) -> None:
    one = write(object="model:b", subject="request:2")
    write()
    assert seqs(text="request:2") == [one]
    assert seqs(text="model:b") == [one]
    assert seqs(text=Entry.objects.get(seq=one).hash) == [one]


def test_a_person_is_found_by_any_account_and_by_their_tokens(make_person: Callable) -> None:
    user = make_person("bram", person="Bram de Wit")
    with transaction.atomic():
        seq = services.record(
            Action.TARGET_DEFINED, actor=user.actor, object="environment:qa", subject="target:1"
        )
    for who in ("bram", "BRAM", "bram de wit", str(user.pk)):
        assert seqs(actor=who) == [seq], who
    assert seqs(actor="bra") == []


def test_all_of_one_sort_are_found_by_its_name_and_a_dot(write: Callable[..., int]) -> None:
    seq = write()
    assert seqs(action="request.") == [seq]
    assert seqs(action="request.opened") == [seq]
    assert seqs(action="reques.") == []


@pytest.fixture
def long(write: Callable[..., int]) -> None:
    with as_owner(connection), connection.cursor() as cursor:
        cursor.execute(SEEDED, [LONG])
        cursor.execute(PAYLOADS, [LONG])
        cursor.execute("ANALYZE audit_entry, audit_payload")


ASKED = {
    "action": Search(action="waiver.given"),
    "sort": Search(action="waiver."),
    "actor": Search(actor="actor-77"),
    "object": Search(object="model:m77"),
    "model": Search(model="m77"),
    "version": Search(model="m77", version=37),
    "environment": Search(environment="env-77"),
    "request": Search(request=UUID("00000000-0000-4000-8000-000000001000")),
    "time": Search(since=datetime(2026, 2, 1, tzinfo=UTC), until=datetime(2026, 2, 2, tzinfo=UTC)),
    "words": Search(text="fraud ring"),
    "thing": Search(text="request:77"),
    "hash": Search(text="0" * 64),
    "nobody": Search(actor="nobody"),
    "no words": Search(text="nothing like it"),
}


def test_each_filter_has_an_index_in_a_long_log(long: None) -> None:
    slow, scanned = {}, {}
    for name, asked in ASKED.items():
        found = searching.entries(asked).select_related("payload").order_by("-seq")[:51]
        plan = found.explain()
        if "Seq Scan on audit_" in plan:
            scanned[name] = plan
        began = time.perf_counter()
        list(found)
        slow[name] = round((time.perf_counter() - began) * 1_000, 1)
    print(f"{LONG:,} entries, 51 of them, ms: {slow}")

    assert not scanned
    assert max(slow.values()) < 1_000

    # And they narrow together.
    asked = Search(model="m0", environment="env-0", action="waiver.", text="fraud")
    found = searching.entries(asked).order_by("seq").values_list("seq", flat=True)
    assert list(found) == list(range(5_000, LONG + 1, 5_000))
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    ended = replace(asked, since=begin, until=begin + timedelta(minutes=10_001))
    assert searching.entries(ended).count() == 2
