"""What survives: the process, the disk, the control plane's absence."""

import json
import random
import time
from pathlib import Path

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .versions import make, rows


def test_an_agent_restarts_and_serves_with_the_control_plane_down(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    champion, bake = make(number=1), make(number=2)
    plane.publish(model(champion=champion, bake=bake), versions=[champion, bake])
    first = start_agent()
    plane.wait_champion(champion)
    plane.wait_report(lambda r: len([m for m in r["models"] if m["phase"] == "ready"]) == 2)
    ports = (first.url, first.control_url)
    first.kill()
    plane.stop()

    started = time.monotonic()
    second = start_agent()
    second.wait_ready(seconds=5)

    assert time.monotonic() - started < 5
    assert (second.url, second.control_url) == ports
    assert second.infer(rows(1)).headers["lockgate-digest"] == champion.digest

    plane.start()
    plane.reports.clear()
    plane.publish(model(champion=bake, bake=champion))
    plane.wait_champion(bake)
    assert second.infer(rows(1)).headers["lockgate-digest"] == bake.digest


def test_changed_bytes_on_disk_are_fetched_again(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    plane.wait_champion(version)
    agent.kill()
    flip(agent.home, version.files["model"])
    plane.reports.clear()

    again = start_agent()
    plane.wait_champion(version)

    assert again.infer(rows(1)).status_code == 200
    assert "model.onnx" in again.log()
    assert "DIGEST_MISMATCH: changed on disk" in again.log()


def test_changed_bytes_are_never_served_while_nobody_can_replace_them(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    broken, whole, bake = make("broken", 1), make("whole", 3), make("broken", 2)
    plane.publish(
        model("broken", champion=broken, bake=bake),
        model("whole", champion=whole),
        versions=[broken, whole, bake],
    )
    agent = start_agent()
    plane.wait_report(lambda r: len([m for m in r["models"] if m["phase"] == "ready"]) == 3)
    agent.kill()
    flip(agent.home, broken.files["model"])
    plane.stop()

    again = start_agent()
    again.wait_ready()

    assert again.infer(rows(1), model="broken").status_code == 503
    assert again.infer(rows(1), model="whole").status_code == 200
    assert "DIGEST_MISMATCH: changed on disk" in again.log()
    # Loaded, but not what was decided: it must not step in.
    index = again.http.post("/v2/repository/index").json()
    assert {(one["name"], one["version"], one["reason"]) for one in index} >= {
        ("broken", "2", "bake"),
        ("whole", "3", "champion"),
    }

    plane.reports.clear()
    plane.start()
    plane.wait_champion(broken, seconds=60)


def test_a_manifest_that_changed_on_disk_is_fetched_again(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    plane.wait_champion(version)
    agent.kill()
    flip(agent.home, version.digest)
    plane.reports.clear()

    again = start_agent()
    plane.wait_champion(version)

    assert again.infer(rows(1)).status_code == 200


def test_a_torn_envelope_falls_back_to_the_one_before(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    old, new = make(number=1), make(number=2)
    plane.publish(model(champion=old), versions=[old])
    agent = start_agent()
    plane.wait_champion(old)
    plane.publish(model(champion=new, hold=[old]), versions=[new])
    plane.wait_champion(new)
    plane.wait_report(lambda r: bool(r["events"]))
    agent.kill()
    plane.stop()
    current = agent.home / "state" / "envelope.json"
    current.write_bytes(current.read_bytes()[:-20])

    again = start_agent()
    again.wait_ready()

    assert again.infer(rows(1)).headers["lockgate-digest"] == old.digest


def test_half_written_notes_keep_it_from_nothing(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    plane.wait_champion(version)
    agent.kill()
    plane.stop()
    notes = agent.home / "state"
    for path in (notes / "answering.json", *(notes / "validated").iterdir()):
        path.write_bytes(path.read_bytes()[:-3])
    for name in ("loading.json", "overrides.json"):
        (notes / name).write_bytes(b'[{"generation": 1, "tri')

    again = start_agent()
    again.wait_ready()

    assert again.infer(rows(1)).headers["lockgate-digest"] == version.digest
    assert "overrides.json cannot be read" in again.log()


def test_what_the_disk_gives_back_no_more_keeps_it_from_nothing(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    """Reading a folder fails as reading a lost sector does, also for root."""
    old, new = make(number=1), make(number=2)
    plane.publish(model(champion=old), versions=[old])
    agent = start_agent()
    plane.wait_champion(old)
    plane.publish(model(champion=new, hold=[old]), versions=[new])
    plane.wait_champion(new)
    plane.wait_report(lambda r: bool(r["events"]))
    agent.kill()
    plane.stop()
    notes = agent.home / "state"
    lost = [notes / "envelope.json", notes / "answering.json", *(notes / "validated").iterdir()]
    for path in lost:
        path.unlink()
        path.mkdir()
    for folder in ("blobs", "incoming"):
        (agent.home / folder / "lost+found").mkdir()

    again = start_agent()
    again.wait_ready()

    assert again.infer(rows(1)).headers["lockgate-digest"] == old.digest
    assert "envelope.json cannot be read" in again.log()


def test_a_version_that_kills_the_agent_is_left_alone_after_three_times(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version, other = make(), make("other", 1)
    plane.publish(
        model(champion=version), model("other", champion=other), versions=[version, other]
    )
    agent = start_agent()
    plane.wait_champion(version)
    agent.kill()
    # What three deaths in the middle of a load leave behind.
    loading = agent.home / "state" / "loading.json"
    loading.write_text(json.dumps({"generation": 1, "tries": {version.digest: 3}}))
    plane.reports.clear()

    again = start_agent()
    plane.wait_failure(version, "LOAD_FAILED")
    again.wait_ready()
    assert again.infer(rows(1)).status_code == 503
    assert again.infer(rows(1), model="other").status_code == 200

    plane.publish(model(champion=version), model("other", champion=other))
    plane.wait_champion(version)


def test_a_restart_in_the_middle_of_a_swap_answers_as_before(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    old, new = make(number=1), make(number=2)
    plane.publish(model(champion=old), versions=[old])
    agent = start_agent()
    plane.wait_champion(old)
    # Decided and kept, but the bytes never come.
    plane.publish(model(champion=new, hold=[old]))
    plane.wait_failure(new, "FETCH_FAILED")
    agent.kill()
    plane.stop()

    again = start_agent()
    again.wait_ready()
    assert again.infer(rows(1)).headers["lockgate-digest"] == old.digest

    plane.blobs.update(new.blobs)
    plane.start()
    plane.wait_champion(new, seconds=60)
    plane.wait_report(lambda r: any(e["digest"] == old.digest for e in r["events"]))
    assert again.infer(rows(1)).headers["lockgate-digest"] == new.digest


def test_with_a_full_disk_it_starts_serves_and_refuses_what_it_cannot_keep(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version, new = make(), make(number=2)
    plane.publish(model(champion=version), versions=[version])
    first = start_agent()
    plane.wait_champion(version)
    first.kill()
    plane.reports.clear()

    agent = start_agent(full_disk=True)
    plane.wait_champion(version)
    plane.publish(model(champion=new), versions=[new])
    report = plane.wait_refusal("DISK_FULL")

    assert report["observed_generation"] == 1
    for seed in range(50):
        assert agent.infer(rows(seed)).headers["lockgate-digest"] == version.digest
    assert agent.terminate() == 0


def test_an_agent_killed_at_any_moment_of_a_swap_serves_again(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    versions = [make(number=1), make(number=2)]
    plane.publish(model(champion=versions[0]), versions=versions)
    agent = start_agent()
    plane.wait_champion(versions[0])
    seed = random.randrange(2**32)
    chance = random.Random(seed)

    for turn in range(1, 6):
        # Each turn loads the other version anew, while the one before still answers.
        plane.publish(model(champion=versions[turn % 2], hold=[versions[1 - turn % 2]]))
        time.sleep(chance.uniform(0.0, 1.2))
        agent.kill()
        plane.stop()

        agent = start_agent()
        agent.wait_ready(seconds=10)
        response = agent.infer(rows(1))
        assert response.status_code == 200, f"seed {seed}, turn {turn}: {response.text}"
        plane.start()
        plane.reports.clear()
        plane.wait_champion(versions[turn % 2])


def test_files_leave_the_disk_once_no_slot_names_them(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    old, new = make(number=1), make(number=2)
    plane.publish(model(champion=old), versions=[old])
    agent = start_agent()
    plane.wait_champion(old)

    plane.publish(model(champion=new, hold=[old]), versions=[new])
    held = plane.wait_report(lambda r: bool(r["events"]))
    assert held["held"] == sorted([old.digest, new.digest])
    assert [m["digest"] for m in held["models"]] == [new.digest]

    plane.publish(model(champion=new))
    plane.wait_report(lambda r: r["held"] == [new.digest])
    deadline = time.monotonic() + 5
    while {path.name for path in (agent.home / "blobs").iterdir()} != set(new.blobs):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def flip(home: Path, sha256: str) -> None:
    """Change one byte of a file at rest, and nothing about its size."""
    path = home / "blobs" / sha256
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
