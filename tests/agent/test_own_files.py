"""What somebody changes on the agent's disk while it serves is reported, and serving goes on."""

from collections.abc import Iterator

import pytest

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .process import AgentProcess
from .versions import Version, make, rows


@pytest.fixture
def version() -> Version:
    return make()


@pytest.fixture
def serving(
    plane: ControlPlane, start_agent: StartAgent, version: Version
) -> Iterator[AgentProcess]:
    """An agent that looks at its files five times a second."""
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent(rehash_seconds="0.2")
    plane.wait_champion(version)
    yield agent
    assert agent.infer(rows(1)).headers["lockgate-digest"] == version.digest


def test_nothing_is_reported_while_documents_come_and_go(
    plane: ControlPlane, serving: AgentProcess, version: Version
) -> None:
    for _ in range(10):
        generation = plane.publish(model(champion=version))
        plane.wait_report(lambda r, wanted=generation: r["observed_generation"] == wanted)
    assert all(report["changed_on_disk"] == [] for report in plane.reports)


def test_a_changed_file_of_a_version_is_named_until_it_is_as_it_was(
    plane: ControlPlane, serving: AgentProcess, version: Version
) -> None:
    path = serving.home / "blobs" / version.files["model"]
    before = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    name = f"blobs/{path.name[:12]}"
    plane.wait_report(lambda report: report["changed_on_disk"] == [name])
    assert f"{name} was changed on disk" in serving.log()

    path.write_bytes(before)
    plane.reports.clear()
    plane.wait_report(lambda report: report["changed_on_disk"] == [])


@pytest.mark.parametrize("name", ["envelope.json", "keys.json"])
def test_a_changed_document_or_key_is_named(
    plane: ControlPlane, serving: AgentProcess, name: str
) -> None:
    (serving.home / "state" / name).write_bytes(b"{}")
    plane.wait_report(lambda report: report["changed_on_disk"] == [f"state/{name}"])


def test_a_new_document_puts_a_changed_one_right(
    plane: ControlPlane, serving: AgentProcess, version: Version
) -> None:
    (serving.home / "state" / "envelope.json").unlink()
    plane.wait_report(lambda report: report["changed_on_disk"] == ["state/envelope.json"])
    plane.reports.clear()
    plane.publish(model(champion=version))
    plane.wait_report(lambda report: report["changed_on_disk"] == [])


def test_a_folder_beside_the_files_stops_no_look(
    plane: ControlPlane, serving: AgentProcess, version: Version
) -> None:
    (serving.home / "blobs" / "0lost+found").mkdir()
    path = serving.home / "blobs" / version.files["golden"]
    path.chmod(0o600)
    path.write_bytes(b"changed")
    plane.wait_report(lambda report: report["changed_on_disk"] == [f"blobs/{path.name[:12]}"])
