"""A lineage report as of a size of the log, or a time: what it was then."""

import json

import pytest
from django.utils import timezone

from governance.audit.models import Entry, Head
from governance.errors import Invalid, NotFound
from promotion.lineage import body as bodies
from promotion.lineage import proof
from promotion.services.agents import evict
from promotion.services.lineage import AsOf, as_of, report
from tests.promotion.test_lineage import get
from tests.promotion.test_lineage_sections import MODEL, life  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db


def sizes_of(version):
    seqs = Entry.objects.filter(model=MODEL, model_version=version).order_by("seq")
    return list(seqs.values_list("seq", flat=True))


def test_the_same_size_gives_the_same_bytes_whatever_came_later(life, ada):  # noqa: F811
    """Tell of the life while it goes on, and again afterwards."""
    sizes = sizes_of(2)
    first = {size: report(MODEL, 2, ada, as_of=AsOf(size=size))["body"] for size in sizes[::7]}
    evict(agent_id=life.rigs[0].agent.pk, reason="old", actor=ada.from_task("tests"))
    life.version()
    for size, body in first.items():
        again = report(MODEL, 2, ada, as_of=AsOf(size=size))
        assert bodies.canonical(again["body"]) == bodies.canonical(body)
        assert body["header"]["log"]["size"] == size
        assert proof.faults(again) == []


def test_what_it_was_before_is_what_was_told_then(world, ask, sign, asha, bram, ada):
    world.agent("eu-1")
    request = ask(world.version(), by=asha)
    then = report(MODEL, 1, ada)
    moment = timezone.now()
    sign(request, bram)
    world.settle()

    by_size = report(MODEL, 1, ada, as_of=AsOf(size=then["body"]["header"]["log"]["size"]))
    by_time = report(MODEL, 1, ada, as_of=AsOf(at=moment))
    assert by_size["report_id"] == by_time["report_id"] == then["report_id"]
    assert by_size["body"]["lifecycle"]["requests"][0]["end"]["state"] == "not settled"
    assert by_size["statement"]["entries_agree_with_tables"].startswith("not compared")


def test_before_it_was_registered_there_is_no_report(world, ada):
    before = timezone.now()
    world.version()
    first = sizes_of(1)[0]
    for asked in (AsOf(size=first - 1), AsOf(at=before)):
        with pytest.raises(NotFound) as error:
            report(MODEL, 1, ada, as_of=asked)
        assert error.value.code == "unknown_version_then"


def test_a_log_of_that_size_must_have_been(world, ada):
    world.version()
    with pytest.raises(Invalid) as error:
        report(MODEL, 1, ada, as_of=AsOf(size=Head.objects.get().seq + 1))
    assert error.value.code == "unknown_size"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"as_of": "yesterday"}, "bad_time"),
        ({"as_of": "2026-01-01T00:00:00"}, "bad_time"),
        ({"as_of": "9999-01-01T00:00:00Z"}, "bad_time"),
        ({"as_of": "2026-01-01\x00"}, "bad_time"),
        ({"size": "0"}, "bad_size"),
        ({"size": "-1"}, "bad_size"),
        ({"size": "1e9"}, "bad_size"),
        ({"size": "1" * 30}, "bad_size"),
        ({"size": "1", "as_of": "2026-01-01T00:00:00Z"}, "invalid_query"),
    ],
)
def test_an_odd_question_is_refused(asked, code):
    with pytest.raises(Invalid) as error:
        as_of(asked, now=timezone.now())
    assert error.value.code == code


def test_over_http_by_size_and_by_time(world, ada):
    world.version()
    size = Head.objects.get().seq
    answer = json.loads(get(ada, size=size).content)
    world.version()
    again = json.loads(get(ada, size=size).content)
    assert answer["report_id"] == again["report_id"]
    assert get(ada, size=10**9).status_code == 400
    assert get(ada, sizes=1).status_code == 400
    assert get(ada, as_of="2001-01-01T00:00:00Z").status_code == 404
