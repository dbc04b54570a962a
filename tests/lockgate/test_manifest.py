"""What the client packs is what the service takes."""

import json
import math
from dataclasses import replace

import pytest

from lockgate.errors import BadPack
from lockgate.manifest import (
    Dataset,
    Score,
    Signature,
    Training,
    build_manifest,
    canonical,
    file_entry,
    guarded,
    read_pack,
    tensor,
    write_pack,
)
from registry import manifests

SIGNATURE = Signature(
    inputs=[{"name": "X", "datatype": "FP32", "shape": [-1, 2]}],
    outputs=[{"name": "y", "datatype": "FP32", "shape": [-1, 1]}],
    score=Score("y", column=0, threshold=None),
)
ENTRIES = [
    file_entry("model.onnx", b"model", role="model"),
    file_entry("golden.json", b"golden", role="golden"),
]


def build(**changes):
    given = {
        "model": "credit-default",
        "files": ENTRIES,
        "signature": SIGNATURE,
        "authors": ["asha"],
        "training": Training(commit="4f2c9e1", run="ci/1", parameters={"trees": 3}, seed=1),
        "datasets": [Dataset("d", "ab" * 32, "2018-04-01", "2018-05-01T00:00:00Z", "s3://b/k")],
        "metrics": {"auc": 0.7},
    }
    return build_manifest(**{**given, **changes})


def test_the_service_reads_what_the_client_writes():
    read = manifests.parse(build(), model="credit-default")
    assert [file.role for file in read.files] == ["golden", "model"]
    assert read.authors == ("asha",)


def test_the_same_facts_are_the_same_bytes():
    assert build() == build(files=ENTRIES[::-1], metrics={"auc": 0.7})
    assert build() != build(metrics={"auc": 0.71})


def test_guards_are_set_by_name_and_read_by_the_service():
    features = [{"name": "age", "min": 18, "max": 99}, {"name": "limit", "min": 0}]
    named = replace(SIGNATURE, inputs=[{**SIGNATURE.inputs[0], "features": features}])

    signature = guarded(named, {"age": "refuse", "limit": "clip"})

    assert [one["guard"] for one in signature.inputs[0]["features"]] == ["refuse", "clip"]
    assert "guard" not in named.inputs[0]["features"][0]
    manifests.parse(build(signature=signature), model="credit-default")
    with pytest.raises(BadPack, match="There is no feature agee"):
        guarded(named, {"agee": "refuse"})
    with pytest.raises(BadPack, match="not drop"):
        guarded(named, {"age": "drop"})


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(BadPack):
        build(metrics={"auc": math.nan})


def test_a_tensor_is_flat_and_knows_its_shape():
    assert tensor("X", "FP32", [[1.0, math.nan], [3.0, 4.0]]) == {
        "name": "X", "datatype": "FP32", "shape": [2, 2], "data": [1.0, None, 3.0, 4.0],
    }  # fmt: skip


def test_a_ragged_tensor_is_refused():
    with pytest.raises(BadPack):
        tensor("X", "FP32", [[1.0, 2.0], [3.0]])


def test_a_pack_is_written_and_read(tmp_path):
    write_pack(tmp_path, manifest=build(), files={"model.onnx": b"model", "golden.json": b"golden"})
    raw, manifest, files = read_pack(tmp_path)
    assert raw == build()
    assert manifest["model"] == "credit-default"
    assert {path.name for path in files.values()} == {"model.onnx", "golden.json"}


@pytest.mark.parametrize("name", ["../model.onnx", "/model.onnx", "a/../b", "", ".", "a\\b", "a b"])
def test_a_pack_stays_in_its_folder(tmp_path, name):
    with pytest.raises(BadPack):
        write_pack(tmp_path / "pack", manifest=build(), files={name: b"x"})
    (tmp_path / "manifest.json").write_bytes(
        canonical({"files": [{"path": name, "sha256": "0" * 64}]})
    )
    with pytest.raises(BadPack):
        read_pack(tmp_path)


def test_a_file_that_is_not_what_the_manifest_says_is_refused(tmp_path):
    write_pack(tmp_path, manifest=build(), files={"model.onnx": b"other", "golden.json": b"golden"})
    with pytest.raises(BadPack, match="is not what the manifest says"):
        read_pack(tmp_path)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"files": [1]}', b"\xff"])
def test_a_folder_without_a_manifest_is_no_pack(tmp_path, raw):
    (tmp_path / "manifest.json").write_bytes(raw)
    with pytest.raises(BadPack, match="is no manifest"):
        read_pack(tmp_path)


def test_a_folder_that_is_not_there_is_no_pack(tmp_path):
    with pytest.raises(BadPack, match="No such file"):
        read_pack(tmp_path / "nothing")


def test_the_manifest_is_plain_json():
    assert json.loads(build())["schema"] == "lockgate.manifest/1"
