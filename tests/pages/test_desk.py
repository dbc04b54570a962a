"""The auditor's desk in a browser: who gets in, what each page answers, and what is refused."""

import csv
import io
from collections.abc import Callable

import pytest
from django.test import Client

from governance.models import AccessLog, User
from promotion.models import Request
from promotion.selectors import audit_page
from tests.pages.factory import World

PAGES = ("desk", "population", "samples", "rights", "duties", "owed", "verify")
LISTS = ("", "desk/", "population/", "samples/", "rights/", "duties/", "owed/")


@pytest.fixture
def auditor(waiting: Request, rosa: User, browser: Callable[..., Client]) -> Client:
    return browser(rosa)


def text(page: Client, address: str) -> str:
    answer = page.get(address)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def rows(page: Client, address: str) -> list[dict[str, str]]:
    answer = page.get(address)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Disposition"].endswith('.csv"')
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


@pytest.mark.parametrize("name", PAGES)
def test_only_auditors_get_in_and_it_is_noted(
    auditor: Client, asha: User, browser: Callable[..., Client], name: str
) -> None:
    assert browser(asha).get(f"/audit/{name}/").status_code == 403
    assert auditor.get(f"/audit/{name}/").status_code == 200
    if name != "verify":
        assert AccessLog.objects.filter(kind="log.read", principal="rosa").count() == 1


def test_the_desk_gathers_what_an_auditor_looks_at_first(auditor: Client) -> None:
    shown = text(auditor, "/audit/desk/")
    for said in (
        "none missing",
        "changes a day, UTC",
        "Duties of one person",
        "nobody signed what they asked for or made",
        "No review is owed",
        "The access log is sealed by the hour",
        "Verify the log",
    ):
        assert said in shown, said


def test_the_population_counts_every_entry_once(auditor: Client) -> None:
    counted = rows(auditor, "/audit/population/?as=csv")
    head = auditor.get("/audit/population/?as=json").json()
    assert sum(int(row["count"]) for row in counted) == head["count"] == head["last"]
    assert head["complete"] is True
    assert "by type" in text(auditor, "/audit/population/").lower()


def test_a_sample_is_drawn_again_by_its_address(auditor: Client, world: World) -> None:
    asked = "since=2026-01-01&until=2099-12-31&n=5&seed=one"
    listed = auditor.get(f"/audit/samples/?{asked}&as=json").json()
    size = listed["population"]["size"]
    for number in range(5):
        world.model(f"later-{number}")
    again = auditor.get(f"/audit/samples/?{asked}&size={size}&as=json").json()

    assert again["drawn"] == listed["drawn"]
    shown = text(auditor, f"/audit/samples/?{asked}&size={size}")
    assert all(f"#entry-{seq}" in shown for seq in listed["drawn"])
    assert "5 of" in shown


def test_a_seed_nobody_chose_is_filled_in_and_another_each_time(auditor: Client) -> None:
    one, other = (text(auditor, "/audit/samples/") for _ in range(2))
    assert one.split('name="seed" value="')[1][:16] != other.split('name="seed" value="')[1][:16]


def test_the_log_is_searched_by_all_that_it_has(auditor: Client, waiting: Request) -> None:
    for query in (
        "action=request.opened",
        "action=request.",
        "actor=asha@bank",
        "text=RISK-311",
        f"request={waiting.pk}",
        f"text=request:{waiting.pk}",
        "model=credit-default&version=2",
        "object=model:credit-default",
        "environment=prod-eu&since=2026-01-01&until=2099-12-31",
    ):
        assert "asked for its promotion" in text(auditor, f"/audit/?{query}"), query
    for query in ("action=request.failed", "actor=bram", "text=nothing", "until=2026-01-01"):
        assert "No entry fits" in text(auditor, f"/audit/?{query}"), query


def test_a_cell_that_a_spreadsheet_would_run_is_text(auditor: Client, world: World) -> None:
    world.model("evil", purpose="x", owner="=HYPERLINK(0)")
    for row in rows(auditor, "/audit/?as=csv"):
        assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) for cell in row.values())


def test_a_file_that_would_leave_entries_out_is_not_given(
    auditor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_page, "MOST_EXPORTED", 3)
    answer = auditor.get("/audit/?as=csv")
    assert answer.status_code == 413
    assert "shorter period" in answer.content.decode()


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("form", ["csv", "json"])
def test_every_list_is_a_file_too(auditor: Client, name: str, form: str) -> None:
    answer = auditor.get(
        f"/audit/{name}?as={form}&seed=one" if "sam" in name else f"/audit/{name}?as={form}"
    )
    assert answer.status_code == 200
    assert f'.{form}"' in answer["Content-Disposition"]
    assert AccessLog.objects.get(kind="log.read").detail.count(f"as={form}") == 1


@pytest.mark.parametrize(
    "address",
    [
        "population/?since=0000-01-01",
        "population/?since=2026-02-30",
        "population/?until=9999-12-31",
        "population/?since=2026-03-02&until=2026-03-01",
        f"population/?size={10**30}",
        "population/?size=-1",
        "population/?other=1",
        "population/?since=2026-01-01&since=2026-01-02",
        "population/?as=xlsx",
        "samples/?n=0",
        "samples/?n=501",
        f"samples/?n={10**9}",
        "samples/?n=x",
        "samples/?seed=a%20b",
        f"samples/?seed={'a' * 65}",
        "samples/?who=nobody",
        "samples/?kind=%27;DROP",
        f"samples/?size={10**18}",
        "samples/bundle/",
        "rights/?at=yesterday",
        "rights/?permission=fly",
        "duties/?person=%E2%80%AE",
        "owed/?since=2026-01-01",
        "?action=x",
        "?version=2",
        f"?model=a&version={2**31}",
        "?request=7",
        "?other=1",
        f"bundle/?since={10**30}",
        "bundle/",
    ],
)
def test_what_is_no_question_is_refused_and_says_so(auditor: Client, address: str) -> None:
    answer = auditor.get(f"/audit/{address}")
    assert 400 <= answer.status_code < 500, answer.status_code


@pytest.mark.parametrize("first", ["x", "-1", "1" * 40, "1.5", "\u0661"])
def test_a_stretch_that_begins_nowhere_is_refused(auditor: Client, first: str) -> None:
    assert auditor.post("/audit/verify/", {"first": first}).status_code == 422


def test_verifying_says_what_was_checked_and_is_noted(auditor: Client) -> None:
    answer = auditor.post("/audit/verify/")
    shown = answer.content.decode()
    assert answer.status_code == 200
    assert "are whole" in shown
    for said in ("chain", "payloads", "checkpoints", "guards", "access log", "verify.py"):
        assert said in shown, said
    assert AccessLog.objects.filter(kind="log.read", detail="page=verify").count() == 1


def test_verifying_changes_nothing_and_is_no_link(auditor: Client) -> None:
    assert "What was checked" not in text(auditor, "/audit/verify/")
    assert auditor.get("/audit/verify/?first=1").status_code == 400
