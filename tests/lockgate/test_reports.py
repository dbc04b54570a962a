"""``lockgate report`` writes what an auditor takes away, exactly as the service sends it."""

import hashlib
import json

import pytest

from tests.pages.factory import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ask(lockgate, live_server, bearer, ada, monkeypatch):
    def ask(*arguments):
        monkeypatch.setenv("LOCKGATE_URL", live_server.url)
        monkeypatch.setenv("LOCKGATE_TOKEN", bearer(ada))
        return lockgate("report", *map(str, arguments))

    World().environment("qa", "qa")
    return ask


def test_the_json_form_has_the_id_it_names(ask, tmp_path):
    file = tmp_path / "qa.json"
    code, out, err = ask(file, "--environment", "qa")

    assert (code, err) == (0, "")
    assert out == f"{file}: {file.stat().st_size} bytes\n"
    report = json.loads(file.read_bytes())
    body = json.dumps(report["body"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(body.encode()).hexdigest() == report["report_id"]


def test_the_other_forms_and_what_is_refused(ask, tmp_path):
    page = tmp_path / "all.html"
    assert ask(page)[0] == 0
    assert page.read_text().startswith("<!doctype html>")
    assert ask(tmp_path / "qa.pdf")[0] == 2
    code, _, err = ask(tmp_path / "qa.zip")
    assert (code, "not_sealed" in err) == (1, True)
    assert ask(tmp_path / "qa.json", "--from", "yesterday")[0] == 1
    assert not (tmp_path / "qa.zip").exists()
