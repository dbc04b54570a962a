"""``lockgate origins`` asks both ways, and writes what it is told."""

import json

import pytest

from tests.pages.factory import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ask(lockgate, live_server, token, monkeypatch):
    def ask(*arguments):
        monkeypatch.setenv("LOCKGATE_URL", live_server.url)
        monkeypatch.setenv("LOCKGATE_TOKEN", token)
        return lockgate(*arguments)

    return ask


@pytest.fixture
def bank(transactional_db, token):
    world = World()
    world.environment("qa", "qa")
    world.agent("qa-1", "qa")
    version = world.version(world.model("score", group=""))
    world.champion(version, "qa")
    return version


def test_versions_are_found_by_data_and_by_what_answers(ask, bank):
    code, out, err = ask("origins", "--dataset", "credit-default", "--live")

    assert (code, err) == (0, "")
    assert out == "score 1\n  qa  decided: champion  confirmed by 1 of 1 agents\n"
    assert ask("origins", "--package", "nothing")[:2] == (0, "")


def test_one_version_is_told_with_what_retiring_would_mean(ask, bank):
    code, out, _ = ask("origins", "score", "1")

    assert code == 0
    assert "  made of credit-default  sha256:" in out
    assert "if it were retired\n  qa  Nobody answers: callers get 503" in out
    document = json.loads(ask("--json", "origins", "score", "1")[1])
    assert document["schema"] == "lockgate.relations/1"


@pytest.mark.parametrize("words", [(), ("score",), ("score", "1", "--live")])
def test_a_question_is_of_one_kind(ask, bank, words):
    code, _, err = ask("origins", *words)
    assert code == 2
    assert "Name a model and a version" in err


def test_what_is_no_question_is_said_in_words(ask, bank):
    code, _, err = ask("origins", "--digest", "rubbish")
    assert code == 1
    assert "digest: is not a SHA-256" in err
