"""A manifest is read strictly, and every mistake is named by its path."""

import json
import string
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import GovernanceError, Invalid, TooLarge
from registry import manifests

MISSING = object()


def spoil(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Put a value where a path points, or take away what is there."""
    spoiled: Any = deepcopy(document)
    *parts, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    place = spoiled
    for part in parts:
        place = place[part]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    return spoiled


def problems(raw: bytes, *, model: str = "credit-default") -> dict[str, Any]:
    with pytest.raises(Invalid) as refusal:
        manifests.parse(raw, model=model)
    assert refusal.value.code == "invalid_manifest"
    return refusal.value.context


def test_a_manifest_in_order_is_read(manifest, encode):
    read = manifests.parse(encode(manifest), model="credit-default")

    assert read.document == manifest
    assert [file.path for file in read.files] == ["model.onnx", "golden.json"]
    assert read.only(manifests.Role.MODEL).path == "model.onnx"
    assert read.inputs[0].shape == (-1, 3)
    assert not read.inputs[0].may_miss
    assert (read.score.output, read.score.column) == ("probabilities", 1)
    assert read.authors == ("person-asha",)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("pipeline_digest", None),
        ("environment_lock", None),
        ("training/run", None),
        ("training/seed", None),
        ("datasets", []),
        ("datasets/0/from", None),
        ("datasets/0/source", "s3://lake/credit/2005"),
        ("inputs/0/features", MISSING),
        ("score/threshold", None),
        ("score/column", None),
        ("files/0/path", "folder/model.onnx"),
        ("authors", ["person-asha", "person-bram"]),
    ],
)
def test_what_may_be_so_may_be_so(manifest, encode, path, value):
    manifests.parse(encode(spoil(manifest, path, value)), model="credit-default")


FIELDS = [
    "schema", "model", "kind", "files", "inputs", "outputs", "score", "authors", "training",
    "pipeline_digest", "datasets", "metrics", "environment_lock", "files/0/path", "files/0/size",
    "files/0/sha256", "files/0/role", "inputs/0/name", "inputs/0/datatype", "inputs/0/shape",
    "inputs/0/features/0/name", "outputs/0/name", "score/output", "training/commit",
    "training/parameters", "datasets/0/id", "datasets/0/digest",
]  # fmt: skip


def dotted(path: str) -> str:
    text = ""
    for part in path.split("/"):
        text += f"[{part}]" if part.isdigit() else f".{part}"
    return text.removeprefix(".")


@pytest.mark.parametrize("path", FIELDS)
def test_a_missing_field_is_named(manifest, encode, path):
    assert problems(encode(spoil(manifest, path, MISSING))) == {dotted(path): "is missing"}


@pytest.mark.parametrize(
    "parent",
    ["", "files/0/", "inputs/0/", "inputs/0/features/0/", "outputs/0/", "score/", "training/",
     "datasets/0/"],
)  # fmt: skip
def test_an_unknown_field_is_named(manifest, encode, parent):
    raw = encode(spoil(manifest, f"{parent}approved_by", "mallory"))
    assert problems(raw) == {dotted(f"{parent}approved_by"): "is not a known field"}


ALLOWED = [
    ("pipeline_digest", None),
    ("environment_lock", None),
    ("environment_lock", {}),
    ("metrics", {}),
    ("training/parameters", {}),
    ("datasets", []),
]


@pytest.mark.parametrize("path", [path for path in FIELDS if path.count("/") < 3])
@pytest.mark.parametrize(
    "value", [None, True, 1.5, "", " ", [], [[]], {}, "<b>x</b>\u0000"], ids=repr
)
def test_no_value_of_a_wrong_kind_is_accepted(manifest, encode, path, value):
    if (path, value) not in ALLOWED:
        assert problems(encode(spoil(manifest, path, value)))


SHA256 = "must be a SHA-256 in 64 lower-case hexadecimal digits"
MOMENT = "must be a day or a time in ISO 8601, such as 2018-04-01T00:00:00Z"
EXACT = "is an integer beyond 2^53, which not every reader keeps exactly"
NAME = "must be 'credit-default', the model this version is registered for"


@pytest.mark.parametrize(
    ("feature", "datatype"),
    [
        ({"min": 0, "max": 1, "guard": "refuse"}, "FP32"),
        ({"min": 0, "guard": "clip"}, "INT64"),
        ({"max": 1, "missing": False, "guard": "pass"}, "FP32"),
        ({"missing": False, "guard": "refuse"}, "FP64"),
        ({"categories": ["a", "b"], "guard": "refuse"}, "BYTES"),
        ({"categories": [1, 2.5], "guard": "pass"}, "FP32"),
        ({"guard": None}, "FP32"),
    ],
)
def test_a_feature_says_what_becomes_of_values_outside(feature, datatype, manifest, encode):
    manifest["inputs"][0] |= {"shape": [-1, 1], "features": [{"name": "a", **feature}]}
    manifest["inputs"][0]["datatype"] = datatype

    assert manifests.parse(encode(manifest), model="credit-default").inputs[0].datatype == datatype


@pytest.mark.parametrize(
    ("feature", "datatype", "problem"),
    [
        ({}, "FP32", {"guard": "needs a range of numbers to clip to"}),
        ({"min": None, "max": None}, "FP32", {"guard": "needs a range of numbers to clip to"}),
        ({"min": 0}, "BYTES", {"guard": "needs a range of numbers to clip to"}),
        ({"min": 0}, "BOOL", {"guard": "needs a range of numbers to clip to"}),
        ({"min": 0, "categories": [1]}, "FP32", {"guard": "cannot clip to categories"}),
        (
            {"guard": "refuse", "categories": ["a"]},
            "FP32",
            {"categories": "must be numbers, as the tensor"},
        ),
        (
            {"guard": "refuse", "categories": ["a", 1]},
            "BYTES",
            {"categories": "must be texts, as the tensor"},
        ),
    ],
)
def test_a_guard_that_no_agent_could_keep_is_named(feature, datatype, problem, manifest, encode):
    feature = {"name": "a", "guard": "clip", **feature}
    manifest["inputs"][0] |= {"shape": [-1, 1], "datatype": datatype, "features": [feature]}

    found = problems(encode(manifest))

    assert found == {f"inputs[0].features[0].{name}": text for name, text in problem.items()}


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("files/0/size", True, "must be an integer"),
        ("files/0/size", 1.0, "must be an integer"),
        ("files/0/size", "1", "must be an integer"),
        ("files/0/size", 0, "must be between 1 and 9007199254740992"),
        ("files/0/size", -1, "must be between 1 and 9007199254740992"),
        ("files/0/size", 2**53 + 1, EXACT),
        ("inputs/0/features/0/missing", 1, "must be true or false"),
        ("inputs/0/features/0/min", True, "must be a number"),
        ("inputs/0/features/0/max", 9_999, "is below the minimum"),
        ("inputs/0/features/1/name", "limit_bal", "stands there twice: 'limit_bal'"),
        ("inputs/0/features/0/guard", "drop", "must be refuse or clip or pass"),
        ("inputs/0/features/0/guard", True, "must be refuse or clip or pass"),
        ("inputs/0/datatype", "fp32", None),
        ("inputs/0/shape", [0, 3], "has an empty dimension; -1 stands for any size"),
        ("inputs/0/shape", [2**31, 3], "holds more than 2147483648 elements"),
        ("inputs/0/shape/1", -2, "must be between -1 and 2147483648"),
        ("inputs/0/shape", [-1] * 9, "has more than 8 items"),
        ("inputs/0/features", [{"name": "age"}], "names 1 features, the shape has 3"),
        ("score/output", "label", "names no output: 'label'"),
        ("score/column", 2, "the output has 2 columns"),
        ("score/threshold", "0.5", "must be a number"),
        ("authors", [], "must not be empty"),
        ("authors/0", " ", "must not be blank"),
        ("model", "credit-default2", NAME),
        ("model", "Credit", "must be lower-case letters, digits and inner hyphens"),
        ("model", "<script>", "must be lower-case letters, digits and inner hyphens"),
        ("model", "cr\u0435dit-default", "must be lower-case letters, digits and inner hyphens"),
        ("kind", "service", "must be onnx"),
        ("kind", "pickle", "must be onnx"),
        ("schema", "lockgate.manifest/2", "must be lockgate.manifest/1"),
        ("files/0/role", "weights", None),
        ("files/0/sha256", "AB" * 32, SHA256),
        ("files/0/sha256", "ab" * 31, SHA256),
        ("files/0/sha256", "sha256:" + "ab" * 32, SHA256),
        ("datasets/0/to", "2004-01-01", "lies before the beginning"),
        ("datasets/0/from", "2005-04-01T00:00:00", "is a time without a zone"),
        ("datasets/0/from", "0000-00-00", MOMENT),
        ("datasets/0/from", "2005-06-30T23:59:60Z", MOMENT),
        ("datasets/0/source", "file:///etc/passwd", "must not be a file address"),
        ("datasets/0/source", "gopher://x", "must not be a gopher address"),
        ("datasets/0/source", " JavaScript:alert(1)", "must not be a JavaScript address"),
        ("metrics/auc", "0.77", "must be a number"),
        ("metrics/auc", None, "must be a number"),
        ("training/commit", "a\x00b", "contains the character U+0000, which is not allowed"),
        ("training/commit", "a\u202eb", "contains the character U+202E, which is not allowed"),
        ("training/commit", "a\ud800b", "contains the character U+D800, which is not allowed"),
        ("training/seed", 1.5, "must be an integer"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_the_reason(manifest, encode, path, value, problem):
    found = problems(encode(spoil(manifest, path, value)))
    assert dotted(path) in found
    if problem:
        assert found[dotted(path)] == problem


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("../model.onnx", "must not lead out of its folder"),
        ("a/../../b", "must not lead out of its folder"),
        ("./model.onnx", "must not lead out of its folder"),
        ("/etc/passwd", "must be relative"),
        ("C:\\model.onnx", "must use / between folders"),
        ("C:model.onnx", "may hold"),
        ("a\\b", "must use / between folders"),
        ("..%2fmodel.onnx", "may hold"),
        ("a//b", "may hold"),
        ("a/", "may hold"),
        (".hidden", "may hold"),
        ("-rf", "may hold"),
        ("name.", "may hold"),
        ("mödel.onnx", "may hold"),
        ("a b", "may hold"),
        ("x" * 256, "is longer than 255"),
        ("\x00", "contains the character U+0000"),
        ("model.onnx\u200b", "contains the character U+200B"),
        ("", "must not be blank"),
    ],
)
def test_a_path_that_could_mean_something_else_is_refused(manifest, encode, path, problem):
    found = problems(encode(spoil(manifest, "files/0/path", path)))
    assert found["files[0].path"].startswith(problem)


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        ("model.onnx", "stands there twice"),
        ("MODEL.onnx", "differs in case alone"),
        ("model.onnx/golden.json", "is a file and a folder"),
    ],
)
def test_two_files_of_one_place_are_refused(manifest, encode, second, problem):
    found = problems(encode(spoil(manifest, "files/1/path", second)))
    assert found == {"files[1].path": problem}


@pytest.mark.parametrize(
    ("roles", "problem"),
    [
        (("model", "model"), "must hold exactly one file of the role model, not 2"),
        (("golden", "golden"), "must hold exactly one file of the role model, not 0"),
        (("model", "other"), "must hold exactly one file of the role golden, not 0"),
    ],
)
def test_there_is_one_model_and_one_golden_file(manifest, encode, roles, problem):
    for file, role in zip(manifest["files"], roles, strict=True):
        file["role"] = role
    assert problems(encode(manifest)) == {"files": problem}


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "is not JSON: Expecting value (line 1, column 1)"),
        (b"{", "is not JSON"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        (b"\xff\xfe{\x00}\x00", "is not UTF-8 at byte 0"),
        (b"[]", "must be an object"),
        (b"null", "must be an object"),
        (b"{} {}", "is not JSON: Extra data"),
        (b"[" * 100_000, "is nested deeper than 32"),
        (b"[" * 40 + b"]" * 40, "is nested deeper than 32"),
        (b"\x80\x04.", "is not UTF-8 at byte 0"),
    ],
)
def test_what_is_no_object_in_json_is_refused(raw, problem):
    assert problems(raw)["manifest"].startswith(problem)


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (b'"auc": 0.77', b'"auc": NaN', "metrics.auc"),
        (b'"auc": 0.77', b'"auc": -Infinity', "metrics.auc"),
        (b'"auc": 0.77', b'"auc": 1e400', "metrics.auc"),
        (b'"auc": 0.77', b'"auc": 0.77, "auc": 0.99', "metrics.auc"),
        (b'"seed": 7', b'"seed": ' + b"7" * 5000, "training.seed"),
        (b'"seed": 7', b'"seed": 7, "se\\u0065d": 8', "training.seed"),
        (b'"kind": "onnx"', b'"kind": "onnx", "kind": "service"', "kind"),
        (b'"path": "model.onnx"', b'"path": "model.onnx", "path": "x"', "files[0].path"),
    ],
)
def test_what_two_readers_read_differently_is_refused(manifest, encode, old, new, path):
    raw = encode(manifest)
    assert old in raw
    assert list(problems(raw.replace(old, new))) == [path]


def test_a_manifest_over_the_limit_is_refused_unread(manifest, encode):
    manifest["environment_lock"] = {"x": "y" * manifests.MANIFEST_BYTES}
    with pytest.raises(TooLarge) as refusal:
        manifests.parse(encode(manifest), model="credit-default")
    assert refusal.value.code == "manifest_too_large"


def test_strange_names_are_shown_so_that_they_can_be_read(manifest, encode):
    found = problems(encode({**manifest, "<script>": 1, "x" * 500: 2, "a.b": 3}))
    assert set(found) == {'"<script>"', '"' + "x" * 60 + '..."', '"a.b"'}


def test_many_problems_are_cut_short(manifest, encode):
    manifest["metrics"] = {f"m{number}": "x" for number in range(900)}
    assert len(problems(encode(manifest))) == 50


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(alphabet=string.printable, max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(value=json_values)
def test_any_json_is_refused_with_a_code(value):
    with pytest.raises(GovernanceError) as refusal:
        manifests.parse(json.dumps(value).encode(), model="credit-default")
    assert refusal.value.code == "invalid_manifest"
    assert refusal.value.context


@given(raw=st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_code(raw):
    with pytest.raises(Invalid):
        manifests.parse(raw, model="credit-default")


@given(data=st.data())
def test_a_manifest_with_any_value_replaced_is_read_or_refused(data, valid_manifest):
    paths = list(_paths(valid_manifest))
    path = data.draw(st.sampled_from(paths))
    spoiled = spoil(valid_manifest, path, data.draw(json_values))
    code, read = outcome(json.dumps(spoiled).encode())

    assert code in {"", "invalid_manifest"}
    if read:
        assert "\\u0000" not in json.dumps(read.document, allow_nan=False)


def outcome(raw: bytes) -> tuple[str, manifests.Manifest | None]:
    try:
        return "", manifests.parse(raw, model="credit-default")
    except GovernanceError as error:
        return error.code, None


def _paths(value: Any, path: str = "") -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, below in items:
        yield f"{path}{key}"
        if isinstance(below, dict | list):
            yield from _paths(below, f"{path}{key}/")
