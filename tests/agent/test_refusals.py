"""A refused document or version changes nothing about the serving, and is reported."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from .conftest import StartAgent
from .control_plane import ControlPlane, Key, envelope, model, payload
from .versions import Version, golden, make, network, pack, rows, sha256


def signed(plane: ControlPlane, key: Key | None = None, **changes: Any) -> bytes:
    content = payload(plane.generation + 1, [], keys=[plane.key])
    return envelope(json.dumps({**content, **changes}).encode(), key or plane.key)


BAD: list[tuple[str, Callable[[ControlPlane], bytes]]] = [
    ("BAD_SIGNATURE", lambda plane: signed(plane, Key(), may_remove=["credit"])),
    ("WRONG_TARGET", lambda plane: signed(plane, environment="prod", may_remove=["credit"])),
    ("UNKNOWN_SCHEMA", lambda plane: signed(plane, schema="lockgate.desired-state/9")),
    ("UNSUPPORTED", lambda plane: signed(plane, requires=["switch.moon"])),
    ("STALE", lambda plane: signed(plane, generation=1, may_remove=["credit"])),
    ("CHAMPION_REMOVED", signed),
    ("INVALID", lambda plane: signed(plane, models=None)),
    ("OVERSIZED", lambda _: b" " * (4 * 1024 * 1024 + 1)),
]


def test_every_bad_document_is_refused_and_the_serving_goes_on(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    plane.wait_champion(version)
    kept = (agent.home / "state" / "envelope.json").read_bytes()

    for reason, make_bad in BAD:
        plane.publish_raw(make_bad(plane))
        report = plane.wait_refusal(reason)
        assert report["observed_generation"] == 1, reason
        assert agent.infer(rows(1)).headers["lockgate-digest"] == version.digest, reason
        assert (agent.home / "state" / "envelope.json").read_bytes() == kept, reason
        plane.reports.clear()

    following = make(number=2)
    plane.publish(model(champion=following), versions=[following])
    plane.wait_champion(following)
    good = plane.wait_report(lambda r: r["observed_generation"] == plane.generation)
    assert good["refused"] is None


def test_a_refused_document_is_not_downloaded_over_and_over(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    start_agent(poll_seconds="0.1")
    plane.publish_raw(signed(plane, Key()))
    plane.wait_refusal("BAD_SIGNATURE")
    plane.wait_report(lambda r: r["seq"] > 4)

    assert plane.document is not None
    refused = f'"{sha256(plane.document)}"'
    tags = [h.get("if-none-match") for _, path, h in plane.calls if path.endswith("desired-state")]
    assert len(tags) > 5
    assert tags[-3:] == [refused] * 3


def test_damaged_documents_change_nothing(plane: ControlPlane, start_agent: StartAgent) -> None:
    """Fifty of them by wire; thousands are put to the same function in test_documents."""
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent(poll_seconds="0.02")
    plane.wait_champion(version)
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    good = signed(plane, may_remove=["credit"])

    for _ in range(50):
        cut = chance.randrange(60, len(good) - 10)
        plane.publish_raw(good[:cut] + chance.randbytes(6) + good[cut + 6 :])
        plane.wait_report(
            lambda r: r["refused"] is not None and r["observed_generation"] == 1, seconds=5
        )
        response = agent.infer(rows(1))
        assert response.headers["lockgate-digest"] == version.digest, f"seed {seed}"


def replaced(plane: ControlPlane) -> Any:
    """A version whose model file comes with other bytes than the manifest names."""
    version = make(number=2)
    plane.blobs.update(version.blobs)
    other = bytearray(version.blobs[version.files["model"]])
    other[-1] ^= 1
    plane.blobs[version.files["model"]] = bytes(other)
    return version


def replaced_manifest(plane: ControlPlane) -> Any:
    version = make(number=2)
    plane.blobs.update(version.blobs)
    plane.blobs[version.digest] = version.blobs[version.digest].replace(b"credit", b"creditX")
    return version


def provided(version: Any) -> Callable[[ControlPlane], Any]:
    def provide(plane: ControlPlane) -> Any:
        plane.blobs.update(version.blobs)
        return version

    return provide


FAILING: list[tuple[str, str, Callable[[], Callable[[ControlPlane], Any]]]] = [
    ("a file with other bytes", "DIGEST_MISMATCH", lambda: replaced),
    ("a manifest with other bytes", "DIGEST_MISMATCH", lambda: replaced_manifest),
    ("answers other than recorded", "GOLDEN_MISMATCH", lambda: provided(make(number=2, off=0.01))),
    ("a manifest of another model", "INVALID", lambda: provided(make("other", 2))),
    (
        "not an ONNX file",
        "LOAD_FAILED",
        lambda: provided(pack("credit", 2, b"not onnx", golden(network(2)))),
    ),
    (
        "other inputs than the manifest says",
        "LOAD_FAILED",
        lambda: provided(
            pack(
                "credit",
                2,
                network(2),
                golden(network(2)),
                inputs=[{"name": "Y", "datatype": "FP32", "shape": [-1, 4]}],
            )
        ),
    ),
    (
        "golden transactions that are none",
        "INVALID",
        lambda: provided(
            pack(
                "credit",
                2,
                network(2),
                b'{"schema": "lockgate.golden/1", "tolerance": 1, "transactions": []}',
            )
        ),
    ),
    (
        "a file of another size than named",
        "INVALID",
        lambda: provided(reworded(b'"size": ' + str(len(network(2))).encode(), b'"size": 999999')),
    ),
    (
        "a file outside",
        "INVALID",
        lambda: provided(reworded(b'"model.onnx"', b'"../x.onnx"')),
    ),
]


def reworded(old: bytes, new: bytes) -> Version:
    """A version whose manifest says something else, and is named by that."""
    version = make(number=2)
    raw = version.blobs[version.digest].replace(old, new)
    assert raw != version.blobs[version.digest]
    return replace(version, digest=sha256(raw), blobs={**version.blobs, sha256(raw): raw})


@pytest.mark.parametrize(
    ("reason", "prepare"), [f[1:] for f in FAILING], ids=[f[0] for f in FAILING]
)
def test_a_version_that_fails_leaves_the_old_one_answering(
    reason: str,
    prepare: Callable[[], Callable[[ControlPlane], Any]],
    plane: ControlPlane,
    start_agent: StartAgent,
) -> None:
    old = make()
    plane.publish(model(champion=old), versions=[old])
    agent = start_agent()
    plane.wait_champion(old)

    bad = prepare()(plane)
    plane.publish(model(champion=bad, bake=old))
    report = plane.wait_failure(bad, reason)

    roles = {m["digest"]: m["role"] for m in report["models"]}
    assert roles[old.digest] == "champion"
    assert roles[bad.digest] == "load"
    assert agent.infer(rows(1)).headers["lockgate-digest"] == old.digest
    assert report["observed_generation"] == 2


def test_a_version_that_cannot_fit_the_disk_is_refused_and_nothing_is_left(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    old, new = make(), make(number=2)
    plane.publish(model(champion=old), versions=[old])
    agent = start_agent()
    plane.wait_champion(old)
    agent.terminate()
    plane.reports.clear()

    again = start_agent(disk_reserve_bytes=str(2**60))
    plane.publish(model(champion=old, load=[new]), versions=[new])
    plane.wait_failure(new, "DISK_FULL")

    assert again.infer(rows(1)).headers["lockgate-digest"] == old.digest
    assert list((again.home / "incoming").iterdir()) == []


def test_a_golden_mismatch_is_tried_once_in_a_generation(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    bad = make(off=0.01)
    plane.publish(model(champion=bad), versions=[bad])
    agent = start_agent()
    first = plane.wait_failure(bad, "GOLDEN_MISMATCH")
    plane.wait_report(lambda r: r["seq"] >= first["seq"] + 4)

    assert agent.log().count("GOLDEN_MISMATCH") == 1
    plane.publish(model(champion=bad))
    plane.wait_report(
        lambda r: r["observed_generation"] == 2 and r["models"][0]["phase"] == "failed"
    )
    assert agent.log().count("GOLDEN_MISMATCH") == 2


def test_a_version_that_cannot_be_loaded_is_tried_three_times(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    bad = pack("credit", 1, b"not onnx", golden(network(1)))
    plane.publish(model(champion=bad), versions=[bad])
    agent = start_agent()
    plane.wait_failure(bad, "LOAD_FAILED")
    last = plane.reports[-1]["seq"]
    plane.wait_report(lambda r: r["seq"] >= last + 16, seconds=30)

    assert agent.log().count("LOAD_FAILED") == 3


def test_a_slow_or_broken_transfer_is_taken_up_where_it_broke_off(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    asked = []

    def down() -> tuple[int, dict[str, str], bytes]:
        asked.append(1)
        return 503, {"retry-after": "0"}, b"{}"

    path = f"GET /api/v1/blobs/sha256:{version.files['model']}"
    plane.faults[path] = lambda: down() if len(asked) < 2 else None
    agent = start_agent()
    plane.wait_champion(version)

    assert len(asked) == 2
    assert agent.infer(rows(1)).status_code == 200
