"""What the log alone tells, and how a moment is written."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import Invalid
from promotion.replay import UNKNOWN, Event, moment, replay

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T08:30:00Z", datetime(2026, 11, 20, 8, 30, tzinfo=UTC)),
        ("2026-11-20t08:30:00z", datetime(2026, 11, 20, 8, 30, tzinfo=UTC)),
        ("2026-11-20 08:30:00Z", datetime(2026, 11, 20, 8, 30, tzinfo=UTC)),
        (" 2026-11-20T09:30:00+01:00 ", datetime(2026, 11, 20, 8, 30, tzinfo=UTC)),
        ("2026-11-20T08:30:00.123456-00:00", datetime(2026, 11, 20, 8, 30, 0, 123456, UTC)),
        ("2026-11-20T12:00:00Z", NOW),
    ],
)
def test_a_moment_is_read_as_rfc_3339_writes_it(text, expected):
    assert moment(text, now=NOW) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not a time"),
        ("yesterday", "is not a time"),
        ("2026-11-20", "is not a time"),
        ("1795000000", "is not a time"),
        ("2026-11-20T08:30Z", "is not a time"),
        ("2026-11-20T08:30:00", "has no zone"),
        ("2026-11-20T08:30:00 01:00", "written %2B"),
        ("2026-02-30T08:30:00Z", "names no moment"),
        ("2026-11-20T24:30:00Z", "names no moment"),
        ("2026-11-20T08:30:60Z", "names no moment"),
        ("2026-11-20T08:30:00+99:00", "names no moment"),
        ("0000-01-01T00:00:00Z", "names no moment"),
        ("0001-01-01T00:00:00+23:00", "names no moment"),
        ("9999-12-31T23:59:59-23:00", "names no moment"),
        ("2026-11-20T12:00:01Z", "lies in the future"),
        ("\u0662026-11-20T08:30:00Z", "is not a time"),
        ("2026-11-20T08:30:00Z\0", "is not a time"),
        ("2" * 100, "is too long"),
    ],
)
def test_what_is_no_moment_is_refused_with_the_reason(text, problem):
    with pytest.raises(Invalid) as caught:
        moment(text, now=NOW)
    assert caught.value.code == "bad_time"
    assert problem in caught.value.context["at"]


@given(st.text(max_size=80))
def test_any_text_is_a_moment_or_refused(text):
    with suppress(Invalid):
        assert moment(text, now=NOW) <= NOW


def event(seq, action, subject, details=None, **more):
    about = {"model": "credit-default", "version": 1, "environment": "prod-eu", "request": None}
    return Event(
        seq=seq,
        at=NOW + timedelta(seconds=seq),
        action=action,
        subject=subject,
        actor="asha",
        details=details,
        **{**about, **more},
    )


def test_an_erased_entry_leaves_what_only_it_told_unknown():
    past = replay(
        [
            event(1, "deployment.opened", "deployment:d", {"state": "trained", "digest": "aa"}),
            event(2, "deployment.promoted", "deployment:d", request="r"),
            event(3, "request.opened", "request:r", request="r"),
            event(4, "request.approved", "approval:a", request="r"),
            event(5, "agent.changed_serving", "agent:g"),
        ]
    )
    deployment, request, agent = past.deployments["d"], past.requests["r"], past.agents["g"]
    assert (deployment.state, deployment.role, deployment.digest) == (UNKNOWN, UNKNOWN, "aa")
    assert (deployment.model, deployment.version, deployment.request) == ("credit-default", 1, "r")
    assert (request.by, request.reason) == ("asha", UNKNOWN)
    assert request.approvals["a"].name == UNKNOWN
    assert agent.answers is None
    assert past.erased == [2, 3, 4, 5]


def test_what_is_none_of_its_business_is_passed_over():
    assert replay([event(1, "token.issued", "token:t", {})]).deployments == {}


def said(*digests):
    return {"after": [{"model": "m", "digest": d, "role": "champion"} for d in digests]}


AGENT_ACTIONS = {
    "agent.enrolled": {"name": "eu-1", "tier": "live"},
    "agent.left": {"name": "eu-1", "tier": "live"},
    "agent.cordoned": {"name": "eu-1", "tier": "live"},
    "agent.uncordoned": {"name": "eu-1", "tier": "live"},
}


@given(
    st.lists(
        st.one_of(
            st.sampled_from(sorted(AGENT_ACTIONS)).map(lambda a: (a, AGENT_ACTIONS[a])),
            st.sampled_from(["aa", "bb"]).map(
                lambda d: (
                    "agent.changed_serving",
                    {"name": "eu-1", "tier": "live", "generation": 3, **said(d)},
                )
            ),
            st.sampled_from(["champion", "bake", ""]).map(
                lambda r: (f"deployment.{r or 'retired'}", {"state": "x", "role": r, "hold": "n"})
            ),
        ),
        max_size=30,
    )
)
def test_the_last_words_tell_as_much_as_the_whole_log(told):
    events = [
        event(n, action, f"{action.partition('.')[0]}:x", {"digest": "aa", **details})
        for n, (action, details) in enumerate(told)
    ]
    last = {(e.subject, e.action): e for e in events}
    assert replay(events) == replay(sorted(last.values(), key=lambda e: e.seq))
