"""From a folder to a signed promotion, by the command line and the client alone."""

import json
from collections.abc import Callable, Iterator

import pytest

from lockgate.client import Client
from lockgate.errors import ApiError
from registry.models import Inspection
from registry.services import inspections

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct horse battery"
FILE = """
environments:
  qa:
    kind: qa
    position: 1
    policy: {approvals: 1, approvals_for_dark: 1, bake_seconds: 0.0}
  prod-eu:
    kind: production
    position: 2
    targets:
      live: {mirror_fraction: 0.5}
      dark: {}
    policy: {approvals: 1, approvals_for_dark: 1, bake_seconds: 0.0}
"""


@pytest.fixture
def clients(live_server, make_person, bearer) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def client(name: str, *roles: str) -> Client:
        actor = make_person(name, *roles, password=PASSWORD).actor
        made.append(Client(live_server.url, bearer(actor)))
        return made[-1]

    yield client
    for each in made:
        each.close()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "lockgate.yaml"
    path.write_text(FILE)
    return path


@pytest.fixture
def as_person(lockgate, live_server, monkeypatch):
    def run(client: Client, *arguments: str):
        token = client._session._http.headers["Authorization"].removeprefix("Bearer ")
        monkeypatch.setenv("LOCKGATE_URL", live_server.url)
        monkeypatch.setenv("LOCKGATE_TOKEN", token)
        return lockgate(*arguments)

    return run


def test_environments_are_applied_once(as_person, clients, file):
    ada = clients("ada", "admin")

    code, out, err = as_person(ada, "apply", "-f", str(file), "--dry-run")
    assert (code, err) == (0, "")
    assert "qa  would change" in out
    with pytest.raises(ApiError) as refusal:
        ada.environment_state("qa")
    assert refusal.value.status == 404

    assert "prod-eu  changed" in as_person(ada, "apply", "-f", str(file))[1]
    assert as_person(ada, "apply", "-f", str(file))[1] == "qa  as it is\nprod-eu  as it is\n"
    code, out, _ = as_person(ada, "status", "--environment", "qa")
    assert (code, out) == (0, "qa (qa)\n")


def test_who_does_not_administer_applies_nothing(as_person, clients, file):
    code, _, err = as_person(clients("sam", "submitter"), "apply", "-f", str(file))
    assert code == 1
    assert err.startswith("forbidden: ")


def test_a_folder_is_registered_promoted_and_signed(as_person, clients, file, pack, set_up):
    ada, sam, rita = (
        clients("ada", "admin"),
        clients("sam", "submitter"),
        clients("rita", "approver"),
    )
    as_person(ada, "apply", "-f", str(file))
    register = ("register", str(pack), "--owner", "Team", "--purpose", "Approve.", "--no-wait")
    assert as_person(sam, *register)[0] == 0
    inspections.inspect_version(version_id=Inspection.objects.get().pk, actor=set_up)

    promote = ("promote", "credit-default", "1", "qa", "--to", "dark", "--reason", "First look")
    code, out, _ = as_person(sam, "--json", *promote, "--dry-run")
    tried = json.loads(out)
    assert tried["dry_run"] is True
    assert (code == 0) is tried["would_pass"]
    assert list(sam.promotions()) == []

    code, out, err = as_person(sam, "--json", *promote)
    assert (code, err) == (0, "")
    asked = json.loads(out)
    assert (asked["state"], asked["to"]) == ("open", "dark")
    assert "0 of 1 approvals" in as_person(sam, "status", "--promotion", asked["id"])[1]

    with pytest.raises(ApiError) as refusal:
        sam.approve(asked["id"], content_hash=asked["content_hash"], password=PASSWORD)
    assert refusal.value.status == 403

    signed = rita.approve(asked["id"], content_hash=asked["content_hash"], password=PASSWORD)
    assert [each["name"] for each in signed["approvals"]] == ["rita"]
    assert "approve by rita" in as_person(sam, "status", "--promotion", asked["id"])[1]
    assert sam.version("credit-default", 1)["deployments"][0]["environment"] == "qa"


def test_an_approver_signs_what_was_shown(clients, as_person, file, pack, set_up):
    ada, sam, rita = (
        clients("ada", "admin"),
        clients("sam", "submitter"),
        clients("rita", "approver"),
    )
    as_person(ada, "apply", "-f", str(file))
    as_person(sam, "register", str(pack), "--owner", "T", "--purpose", "P", "--no-wait")
    inspections.inspect_version(version_id=Inspection.objects.get().pk, actor=set_up)
    asked = sam.promote("credit-default", 1, "qa", to="dark", reason="First look")

    with pytest.raises(ApiError) as refusal:
        rita.approve(asked["id"], content_hash="0" * 64, password=PASSWORD)
    assert refusal.value.status in {403, 409}
    withdrawn = sam.withdraw(asked["id"], reason="Not yet")
    assert sam.wait_for_promotion(withdrawn["id"], seconds=1)["state"] == "withdrawn"
