"""The matrix's rows, put together without a template: every kind of cell, in words and links."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import UUID

import pytest

from governance.models import Environment
from promotion.confirmation import AgentFacts, confirm
from promotion.selectors.decided import Decided
from promotion.selectors.matrix import Asked, Cell, Dark, Flight, Row
from promotion.selectors.observed import Champion
from promotion.templatetags.cells import matrix_rows
from registry.models import RegisteredModel

NOW = datetime(2026, 11, 5, 14, 2, 11, tzinfo=UTC)
DIGEST, OTHER = "b" * 64, "a" * 64
DECIDED = Decided(
    id=UUID(int=1),
    model="credit-default",
    place="prod-eu",
    version_id=UUID(int=2),
    number=7,
    digest=DIGEST,
    state="production",
    role="champion",
    generation=12,
    since_epoch=NOW.timestamp(),
)
ASKED = Asked(UUID(int=3), "credit-default", "prod-eu", UUID(int=1), 7, "executing")
GOOD = AgentFacts("eu-1", reported_at=NOW, generation=12, champion=DIGEST)
WRONG, SILENT = replace(GOOD, name="eu-2", champion=OTHER), AgentFacts("eu-3")
COMMIT = Flight(ASKED, "commit", 1, 2)


def champion(*agents):
    lease = timedelta(seconds=15)
    found = confirm(agents, digest=DIGEST, generation=12, now=NOW, lease=lease)
    return Champion(DECIDED, found)


def html(model="credit-default", group="", **parts):
    cell = Cell(Environment(slug="prod-eu"), **parts)
    return matrix_rows([Row(RegisteredModel(name=model, group=group), [cell])])


def words(markup):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split())


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({}, "not here"),
        ({"darks": [Dark(8, 0)]}, "nobody answers dark v8 0 pairs"),
        ({"champion": champion(GOOD)}, "decided champion v7 live (confirmed) by 1 of 1 agent"),
        (
            {"champion": champion(GOOD, SILENT), "darks": [Dark(8, 1), Dark(9, 48_201)]},
            (
                "decided champion v7 confirmed by 1 of 2 agents eu-3 has never reported"
                " dark v8 1 pair dark v9 48,201 pairs"
            ),
        ),
        (
            {"champion": champion(GOOD, WRONG)},
            "decided champion v7 partly by 1 of 2 agents eu-2 answers with another version",
        ),
        ({"champion": champion()}, "decided champion v7 unknown by 0 of 0 agents"),
        (
            {"champion": champion(GOOD, WRONG), "flights": [COMMIT]},
            (
                "decided champion v7 switching by 1 of 2 agents eu-2 not yet:"
                " answers with another version v7 commit 1 of 2"
            ),
        ),
        (
            {"champion": champion(GOOD, WRONG), "flights": [replace(COMMIT, halted=True)]},
            (
                "decided champion v7 partly by 1 of 2 agents eu-2 answers with another version"
                " v7 commit 1 of 2"
            ),
        ),
        (
            {"others": [DECIDED._replace(role="bake", number=6)], "waiting": [ASKED]},
            "nobody answers v6 bake v7 waits for approval",
        ),
        (
            {"flights": [Flight(ASKED, "waiting to start", 0, 0)]},
            "nobody answers v7 waiting to start",
        ),
    ],
)
def test_a_cell_says_what_is_decided_and_what_agents_say(parts, said):
    assert words(html(**parts)) == f"credit-default {said}"


def test_everything_leads_to_its_page():
    markup = html(
        champion=champion(GOOD),
        others=[DECIDED._replace(role="spare", number=5)],
        darks=[Dark(8, 3)],
        flights=[COMMIT],
        waiting=[ASKED._replace(id=UUID(int=4))],
    )

    assert re.findall(r'href="([^"]*)"', markup) == [
        "/models/credit-default/",
        "/models/credit-default/versions/7/",
        "/models/credit-default/versions/5/",
        "/models/credit-default/versions/8/",
        f"/promotions/{UUID(int=3)}/",
        f"/promotions/{UUID(int=4)}/",
    ]
    assert 'title="decided: champion since 2026-11-05 14:02:11 UTC"' in markup


def test_models_whose_agents_say_the_same_are_written_once_and_stand_alone():
    """What is shared is the text of a confirmation, never whose it is."""
    shared = champion(GOOD, WRONG)
    still, moving = (
        Cell(Environment(slug="prod-eu"), champion=shared, flights=flights)
        for flights in ([], [COMMIT])
    )
    rows = [Row(RegisteredModel(name=name), [cell]) for name, cell in (("a", still), ("b", moving))]
    first, second = matrix_rows(rows).split("</tr>")[:2]

    assert "eu-2 answers with another version" in words(first)
    assert "eu-2 not yet: answers with another version" in words(second)


def test_what_agents_and_people_write_is_text():
    evil = "<script>alert(1)</script>\"'"
    markup = html(
        model=evil,
        group=evil,
        champion=champion(replace(WRONG, name=evil), GOOD),
        others=[DECIDED._replace(role="bake")],
    )

    assert "<script" not in markup
    assert markup.count("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;") == 4
    assert f"{evil} answers with another version" in unescape(markup)
