"""The command line, as a pipeline runs it."""

import json
import threading
import time
from collections.abc import Callable

import pytest
from django.db import connections

from governance.actors import Actor
from lockgate.cli.environments import read
from lockgate.errors import BadPack
from registry.models import Inspection, ModelVersion, RegisteredModel
from registry.services import inspections

Outcome = tuple[int, str, str]


@pytest.fixture
def at_service(lockgate, live_server, token, monkeypatch) -> Callable[..., Outcome]:
    def run(*arguments: str) -> Outcome:
        monkeypatch.setenv("LOCKGATE_URL", live_server.url)
        monkeypatch.setenv("LOCKGATE_TOKEN", token)
        return lockgate(*arguments)

    return run


@pytest.fixture
def worker(transactional_db) -> object:
    """Somebody who inspects what is registered, as a worker does."""
    stop = threading.Event()

    def work() -> None:
        actor = Actor.from_task("tests")
        while not stop.is_set():
            for pk in Inspection.objects.filter(status="inspecting").values_list("pk", flat=True):
                inspections.inspect_version(version_id=pk, actor=actor)
            time.sleep(0.05)
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


NEW = ("--owner", "Team Credit", "--purpose", "Approve small credits.")


def test_a_folder_becomes_a_version(at_service, pack, worker):
    code, out, err = at_service("register", str(pack), *NEW)

    assert (code, err) == (0, "")
    digest = ModelVersion.objects.get().digest
    assert out == f"credit-default 1  ready\nsha256:{digest}\n"
    assert RegisteredModel.objects.get().owner == "Team Credit"

    again, out, _ = at_service("--json", "register", str(pack), *NEW)
    assert again == 0
    assert json.loads(out)["number"] == 1


def test_a_rejected_version_ends_with_its_reasons(at_service, pack, worker):
    manifest = json.loads((pack / "manifest.json").read_bytes())
    golden = json.loads((pack / "golden.json").read_bytes())
    golden["tolerance"] = -1
    (pack / "golden.json").write_text(json.dumps(golden))
    from lockgate.manifest import file_entry

    manifest["files"][0] = file_entry("golden.json", pack / "golden.json", role="golden")
    (pack / "manifest.json").write_text(json.dumps(manifest))

    code, out, _ = at_service("register", str(pack), *NEW)

    assert code == 1
    assert "rejected" in out
    assert "golden: tolerance: must be between 0 and 1" in out


def test_what_is_not_waited_for_is_inspecting(at_service, pack):
    code, out, _ = at_service("register", str(pack), *NEW, "--no-wait")
    assert code == 0
    assert "inspecting" in out


def test_waiting_too_long_has_its_own_code(at_service, pack):
    code, _, err = at_service("register", str(pack), *NEW, "--timeout", "0.1")
    assert code == 4
    assert "inspection of credit-default 1" in err


def test_a_model_that_is_not_registered_is_said(at_service, pack):
    code, _, err = at_service("register", str(pack))
    assert code == 1
    assert err == "no_such_model: There is no such model.\n"


def test_a_spoiled_file_is_noticed_before_anything_is_sent(at_service, pack):
    (pack / "model.onnx").write_bytes(b"spoiled")
    code, _, err = at_service("register", str(pack), *NEW)
    assert code == 1
    assert "model.onnx is not what the manifest says" in err
    assert not RegisteredModel.objects.exists()


def test_problems_are_listed_by_their_path(at_service, pack):
    manifest = json.loads((pack / "manifest.json").read_bytes())
    manifest["authors"] = []
    (pack / "manifest.json").write_text(json.dumps(manifest))
    code, _, err = at_service("register", str(pack), *NEW)
    assert code == 1
    assert "  authors: must not be empty\n" in err


def test_a_model_and_its_versions_are_shown(at_service, pack, worker):
    at_service("register", str(pack), *NEW)

    assert at_service("status", "credit-default")[1] == "credit-default 1  ready\n"
    shown = at_service("status", "credit-default", "1")[1].splitlines()
    assert shown[0] == "credit-default 1  ready"
    document = json.loads(at_service("--json", "status", "credit-default")[1])
    assert document["versions"][0]["number"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["status", "m", "--environment", "qa"],
        ["promote", "m", "1"],
        ["promote", "m", "0", "qa", "--to", "dark", "--reason", "R"],
        ["promote", "m", "1", "qa", "--to", "moon", "--reason", "R"],
        ["nonsense"],
    ],
)
def test_wrong_usage_has_its_own_code(at_service, arguments):
    assert at_service(*arguments)[0] == 2


def test_nothing_is_sent_to_nowhere(lockgate):
    code, _, err = lockgate("status", "m")
    assert code == 2
    assert "LOCKGATE_URL" in err

    code, _, err = lockgate("--url", "http://127.0.0.1:9", "status", "m")
    assert code == 2
    assert "LOCKGATE_TOKEN" in err


def test_a_stop_where_there_is_nothing_says_so(at_service):
    code, out, err = at_service("stop", "credit-default", "prod-eu", "--reason", "wrong scores")
    assert (code, out) == (1, "")
    assert "There is no such environment." in err


def test_a_service_that_does_not_answer_has_its_own_code(lockgate, monkeypatch):
    monkeypatch.setattr("lockgate.session.PAUSE_SECONDS", 0.0)
    code, _, err = lockgate("--url", "http://127.0.0.1:9", "--token", "x", "status", "m")
    assert code == 3
    assert err.startswith("127.0.0.1 does not answer")
    assert err.count("\n") == 1


def test_nothing_a_stranger_wrote_reaches_the_terminal_raw(at_service, client, capsys):
    from lockgate.cli.output import clean

    assert clean("a\x1b[31mb\u202ec\n") == "a?[31mb?c?"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "environments: []",
        "environments: {qa: 1}",
        "environments: {1: {}}",
        "environments: {}\nmodels: {}",
        "environments: {qa: {}, qa: {}}",
        "environments: {qa: {kind: qa, kind: production}}",
        "environments: !!python/object/apply:os.system ['true']",
        "environments: {qa: &a [*a]}\n: x",
        "\x00",
        "{" * 2000,
    ],
)
def test_a_file_that_says_it_twice_or_something_else_is_refused(tmp_path, text):
    file = tmp_path / "lockgate.yaml"
    file.write_text(text)
    with pytest.raises(BadPack):
        read(file)


def test_a_file_of_environments_is_read(tmp_path):
    file = tmp_path / "lockgate.yaml"
    file.write_text(
        "environments:\n"
        "  prod-eu: {kind: production, position: 2, targets: {live: {}, dark: {}}, policy: {}}\n"
        "  qa: {kind: qa}\n"
    )
    assert list(read(file)) == ["prod-eu", "qa"]


def test_a_file_that_is_not_there_is_said(at_service, tmp_path):
    code, _, err = at_service("apply", "-f", str(tmp_path / "none.yaml"))
    assert code == 1
    assert "No such file" in err
