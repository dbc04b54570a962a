import json

import pytest
from sklearn.ensemble import RandomForestClassifier

from lockgate.demo import data, packing
from lockgate.demo.training import Recipe, train
from lockgate.manifest import read_pack
from registry import manifests


@pytest.fixture(scope="module")
def parts():
    return data.split(data.read())


@pytest.fixture(scope="module")
def made(parts):
    """A small forest, so that a test of packing is not one of training."""
    recipe = Recipe("ten trees", lambda: RandomForestClassifier(10, random_state=1), "first")
    trained = train(recipe, parts)
    return trained, packing.convert_trained(trained, parts.held_out)


def test_a_version_is_packed_as_the_registry_wants_it(made, tmp_path):
    pack = packing.write(tmp_path / "1", *made)

    manifest = manifests.parse(pack.manifest, model=packing.MODEL)
    golden, problems = manifests.check_golden(pack.files["golden.json"], manifest=manifest)
    assert (golden.transactions, problems) == (20, {})
    assert manifest.authors == (packing.AUTHOR,)
    assert [feature["name"] for feature in _features(pack)] == list(data.feature_names())


def test_the_folder_is_the_version(made, tmp_path):
    pack = packing.write(tmp_path / "1", *made)

    raw, _, files = read_pack(pack.folder)

    assert raw == pack.manifest
    assert {path.name: path.read_bytes() for path in files.values()} == pack.files


def test_the_same_facts_give_the_same_version(made, tmp_path):
    first = packing.write(tmp_path / "1", *made)
    again = packing.write(tmp_path / "2", *made)

    assert first.manifest == again.manifest


def test_other_golden_transactions_make_another_version(made, tmp_path):
    right = packing.write(tmp_path / "1", *made)

    wrong = packing.write(tmp_path / "2", *made, golden=made[1].golden.replace(b"0.", b"0.0", 1))

    assert wrong.files["model.onnx"] == right.files["model.onnx"]
    assert wrong.manifest != right.manifest


def _features(pack):
    return json.loads(pack.manifest)["inputs"][0]["features"]
