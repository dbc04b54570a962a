from datetime import UTC, date, datetime

import pytest

from governance import periods
from governance.errors import Invalid

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


def test_a_day_is_a_day_of_utc_and_the_last_one_lies_within() -> None:
    found = periods.read(since="2026-11-01", until="2026-11-02", now=NOW)
    assert found.since == datetime(2026, 11, 1, tzinfo=UTC)
    assert found.until == datetime(2026, 11, 3, tzinfo=UTC)
    assert (found.first_day, found.last_day) == (date(2026, 11, 1), date(2026, 11, 2))


def test_blank_is_the_last_thirty_days_up_to_now() -> None:
    found = periods.read(since="", until="", now=NOW)
    assert found == periods.Period(datetime(2026, 10, 21, tzinfo=UTC), NOW)


def test_moments_are_exact_and_have_a_zone() -> None:
    found = periods.read(since="2026-11-20T10:00:00+02:00", until="2026-11-20T08:00:01Z", now=NOW)
    assert (found.until - found.since).total_seconds() == 1


@pytest.mark.parametrize(
    "text",
    [
        "0000-01-01",
        "9999-12-31",
        "1998-12-31",
        "2026-02-30",
        "2026-13-01",
        "2026-11-20T10:00:00",
        "2026-11-20T25:00:00Z",
        "2026-11-20T23:59:60Z",
        "0001-01-01T00:00:00+14:00",
        "2026-11-20T10:00:00+99:99",
        "yesterday",
        "\u0662\u0660\u0662\u0666-11-20",
        "2026-11-20\n",
        "1e400",
    ],
)
@pytest.mark.parametrize("name", ["since", "until"])
def test_what_is_no_moment_is_refused_by_name(text: str, name: str) -> None:
    with pytest.raises(Invalid) as refusal:
        periods.read(**{"since": "", "until": "", name: text}, now=NOW)
    assert refusal.value.code == "invalid_query"
    assert name in refusal.value.context


def test_a_period_begins_before_it_ends() -> None:
    with pytest.raises(Invalid):
        periods.read(since="2026-11-03", until="2026-11-02", now=NOW)
