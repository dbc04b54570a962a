"""``lockgate convert`` and ``lockgate pack``: a folder to register, or a refusal with a code."""

import json
import pickle

import joblib
import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lockgate.convert import trees
from lockgate.manifest import read_pack
from registry import manifests

NAMES = ["limit", "age", "months"]
MAKE_VERSION = ["--model", "credit-default", "--author", "asha"]


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(7).normal(size=(500, 3)).round(1)


@pytest.fixture(scope="module")
def forest(rows):
    return RandomForestClassifier(5, random_state=1).fit(rows, rows[:, 0] > rows[:, 1])


@pytest.fixture
def place(tmp_path, rows, forest):
    """A folder with an estimator and a sample."""
    joblib.dump(forest, tmp_path / "model.joblib")
    columns = {name: rows[:, at] for at, name in enumerate(NAMES)}
    pq.write_table(pa.table({**columns, "label": rows[:, 0] > 0}), tmp_path / "rows.parquet")
    return tmp_path


@pytest.fixture
def run(lockgate, place):
    """Run a command on the folder's files, and give its exit code, answer and errors."""

    def call(command, first="model.joblib", *arguments, sample="rows.parquet", drop="label"):
        files = [str(place / first)] + [str(place / "out/model.onnx")] * (command == "convert")
        left_out = ["--drop", drop] if drop else []
        given = ["--sample", str(place / sample), *left_out, *arguments]
        code, out, err = lockgate("--json", command, *files, *given)
        return code, json.loads(out) if out else None, err

    return call


def test_a_forest_becomes_a_version(run, place):
    code, said, _ = run("convert", "model.joblib", *MAKE_VERSION, "--metric", "auc=0.7")

    assert code == 0
    assert (said["rows"], said["identical"], said["largest_difference"]) == (500, 500, 0.0)
    raw, manifest, files = read_pack(place / "out")
    read = manifests.parse(raw, model="credit-default")
    assert {path.name for path in files.values()} == {"model.onnx", "golden.json", "profile.json"}
    golden, problems = manifests.check_golden(
        (place / "out/golden.json").read_bytes(), manifest=read
    )
    assert (golden.transactions, problems) == (20, {})
    assert [each["name"] for each in manifest["inputs"][0]["features"]] == [*NAMES]
    assert (manifest["metrics"], manifest["authors"]) == ({"auc": 0.7}, ["asha"])


def test_progress_is_told(run):
    _, _, errors = run("convert")
    assert "writing 5 trees" in errors
    assert "proving on 500 rows" in errors


def test_without_a_model_there_is_no_manifest(run, place):
    code, said, _ = run("convert")
    assert (code, said["manifest"]) == (0, None)
    assert sorted(path.name for path in (place / "out").iterdir()) == [
        "golden.json",
        "model.onnx",
        "profile.json",
    ]


def test_a_manifest_of_another_version_does_not_stay(run, place):
    run("convert", "model.joblib", *MAKE_VERSION)
    run("convert")
    assert not (place / "out/manifest.json").exists()


def test_columns_are_found_by_name(run, place, rows, forest):
    named = RandomForestClassifier(3, random_state=1).fit(rows[:, ::-1], rows[:, 0] > 0)
    named.feature_names_in_ = np.array(NAMES[::-1], dtype=object)
    joblib.dump(named, place / "model.joblib")

    code, _, _ = run("convert", "model.joblib", *MAKE_VERSION, drop="")

    assert code == 0
    features = json.loads((place / "out/manifest.json").read_bytes())["inputs"][0]["features"]
    assert [each["name"] for each in features] == NAMES[::-1]


def _refused(run, place, code, *told, command="convert", **how):
    ended, said, errors = run(command, **how)
    assert (ended, said) == (1, None)
    assert errors.splitlines()[-1].startswith(f"{code}: ")
    for each in told:
        assert each in errors
    assert not (place / "out").exists()


def test_a_file_that_is_no_estimator_is_refused(run, place):
    (place / "model.joblib").write_bytes(b"\x80garbage")
    _refused(run, place, "bad_estimator", "cannot be opened")


def test_a_file_that_is_not_there_is_refused(run, place):
    (place / "model.joblib").unlink()
    _refused(run, place, "bad_estimator", "No such file")


def test_a_pickle_of_something_else_is_refused(run, place):
    (place / "model.joblib").write_bytes(pickle.dumps([1, 2]))
    _refused(run, place, "bad_estimator", "no estimator: list")


def test_an_estimator_of_a_missing_module_is_refused_by_its_name(run, place):
    (place / "model.joblib").write_bytes(b"cnot_installed_here\nThing\n.")
    _refused(run, place, "bad_estimator", "needs not_installed_here")


def test_an_estimator_that_was_not_fitted_is_refused(run, place):
    joblib.dump(RandomForestClassifier(), place / "model.joblib")
    _refused(run, place, "bad_estimator", "was not fitted")


def test_too_many_columns_are_refused(run, place):
    _refused(run, place, "bad_sample", "takes 3 columns, the sample has 4", drop="")


def test_a_column_to_drop_that_is_not_there_is_refused(run, place):
    _refused(run, place, "bad_sample", "no column 'target'", drop="target")


def test_missing_columns_are_named(run, place, forest):
    joblib.dump(forest, place / "model.joblib")
    named = joblib.load(place / "model.joblib")
    named.feature_names_in_ = np.array(["limit", "age", "income"], dtype=object)
    joblib.dump(named, place / "model.joblib")
    _refused(run, place, "bad_sample", "no column 'income'")


@pytest.mark.parametrize("content", [b"", b"limit,age\n1,2\n", b"PAR1 cut short"])
def test_a_sample_that_is_no_parquet_is_refused(run, place, content):
    (place / "rows.parquet").write_bytes(content)
    _refused(run, place, "bad_sample", "is no Parquet file")


def test_a_sample_that_is_not_there_is_refused(run, place):
    _refused(run, place, "bad_sample", "none.parquet", sample="none.parquet")


@pytest.mark.parametrize("values", [["a", "b"], [[1], [2]]])
def test_columns_of_no_numbers_are_refused(run, place, values):
    table = {name: [1.0, 2.0] for name in NAMES} | {"age": values}
    pq.write_table(pa.table(table), place / "rows.parquet")
    _refused(run, place, "bad_sample", "'age'", "not numbers", drop="")


def test_a_sample_without_rows_is_refused(run, place):
    pq.write_table(
        pa.table({name: pa.array([], pa.float32()) for name in NAMES}), place / "e.parquet"
    )
    _refused(run, place, "bad_sample", "rows and columns", sample="e.parquet", drop="")


def test_another_answer_has_an_exit_code_of_its_own_and_writes_nothing(run, place, monkeypatch):
    monkeypatch.setattr(trees, "largest_float32", lambda found: (found - 0.04).astype(np.float32))
    code, _, errors = run("convert")
    assert code == 5
    assert "not_equal: The ONNX model answers" in errors
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    "wrong", [["--model", "m"], ["--author", "asha"], ["--metric", "auc=x", *MAKE_VERSION]]
)
def test_half_a_manifest_is_wrong_usage(run, wrong):
    assert run("convert", "model.joblib", *wrong)[0] == 2


def _onnx(place, estimator, types, **options):
    model = to_onnx(estimator, initial_types=types, options={"zipmap": False}, **options)
    (place / "out").mkdir(exist_ok=True)
    (place / "out/model.onnx").write_bytes(model.SerializeToString())
    return model


@pytest.fixture
def elsewhere(place, rows):
    """An ONNX file made without Lockgate."""
    estimator = LogisticRegression().fit(rows, rows[:, 0] > 0)
    return _onnx(place, estimator, [("given", FloatTensorType([None, 3]))]), estimator


def test_a_file_made_elsewhere_becomes_a_version(run, place, elsewhere):
    code, said, _ = run("pack", "out/model.onnx", *MAKE_VERSION)

    assert (code, said["rows"]) == (0, 500)
    raw, manifest, _ = read_pack(place / "out")
    read = manifests.parse(raw, model="credit-default")
    _, problems = manifests.check_golden((place / "out/golden.json").read_bytes(), manifest=read)
    assert problems == {}
    assert manifest["inputs"][0]["name"] == "given"
    assert manifest["score"] == {"output": "probabilities", "column": 1, "threshold": 0.5}


def _with_scores(place, rows, scores):
    columns = {name: rows[:, at] for at, name in enumerate(NAMES)}
    pq.write_table(pa.table({**columns, "label": scores}), place / "scored.parquet")


def test_scores_of_training_are_proved(run, place, rows, elsewhere):
    _with_scores(place, rows, elsewhere[1].predict_proba(rows)[:, 1])
    how = {"sample": "scored.parquet", "drop": ""}
    assert run("pack", "out/model.onnx", "--expected", "label", **how)[0] == 0

    scores = elsewhere[1].predict_proba(rows)[:, 1]
    scores[42] += 0.01
    _with_scores(place, rows, scores)
    code, _, errors = run("pack", "out/model.onnx", "--expected", "label", **how)
    assert code == 5
    assert "1 of 500 rows differently" in errors
    assert "rows 42." in errors


def test_columns_of_text_meet_inputs_of_their_names(run, place, rows):
    mixed = np.empty((500, 2), dtype=object)
    mixed[:, 0], mixed[:, 1] = rows[:, 0], np.array(["car", "flat"])[(rows[:, 1] > 0).astype(int)]
    parts = ColumnTransformer([("n", StandardScaler(), [0]), ("t", OneHotEncoder(), [1])])
    estimator = make_pipeline(parts, LogisticRegression()).fit(mixed, rows[:, 0] > 0)
    types = [("amount", FloatTensorType([None, 1])), ("kind", StringTensorType([None, 1]))]
    _onnx(place, estimator, types)
    # As pandas writes a column of categories.
    kinds = pa.array(mixed[:, 1].tolist()).dictionary_encode()
    table = {"kind": kinds, "amount": rows[:, 0]}
    pq.write_table(pa.table(table), place / "mixed.parquet")

    code, _, _ = run("pack", "out/model.onnx", *MAKE_VERSION, sample="mixed.parquet", drop="")

    assert code == 0
    raw, manifest, _ = read_pack(place / "out")
    assert [each["datatype"] for each in manifest["inputs"]] == ["FP32", "BYTES"]
    read = manifests.parse(raw, model="credit-default")
    _, problems = manifests.check_golden((place / "out/golden.json").read_bytes(), manifest=read)
    assert problems == {}
    profile = json.loads((place / "out/profile.json").read_bytes())
    assert {each["value"] for each in profile["features"][1]["categories"]} == {"car", "flat"}


def test_weights_in_a_file_of_their_own_are_part_of_the_version(run, place, rows):
    weights = np.ones((3, 2_000), dtype=np.float32) / 1000
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("MatMul", ["given", "weights"], ["wide"]),
            onnx.helper.make_node("ReduceMean", ["wide"], ["score"], keepdims=1),
        ],
        "g",
        [onnx.helper.make_tensor_value_info("given", 1, [None, 3])],
        [onnx.helper.make_tensor_value_info("score", 1, None)],
        [numpy_helper.from_array(weights, "weights")],
    )
    graph.node[1].attribute.extend([onnx.helper.make_attribute("axes", [1])])
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8
    )
    (place / "out").mkdir()
    onnx.save(model, place / "out/model.onnx", save_as_external_data=True, location="weights.bin")

    code, _, errors = run("pack", "out/model.onnx", *MAKE_VERSION)

    assert code == 0, errors
    _, manifest, _ = read_pack(place / "out")
    roles = {each["path"]: each["role"] for each in manifest["files"]}
    assert roles["weights.bin"] == "external_data"


def test_a_zipmap_is_refused(run, place, elsewhere):
    model = to_onnx(elsewhere[1], initial_types=[("given", FloatTensorType([None, 3]))])
    (place / "out/model.onnx").write_bytes(model.SerializeToString())
    code, _, errors = run("pack", "out/model.onnx")
    assert code == 1
    assert "not_convertible: " in errors
    assert "ZipMap" in errors


def test_what_is_no_onnx_is_refused(run, place, elsewhere):
    (place / "out/model.onnx").write_bytes(b"\x80\x04 pickle")
    code, _, errors = run("pack", "out/model.onnx")
    assert (code, "not_convertible: " in errors) == (1, True)


@pytest.mark.parametrize(
    ("more", "drop", "told"),
    [
        ([], "", "takes 3 columns, the sample has 4"),
        (["--output", "nothing"], "label", "no output of numbers"),
        (["--expected", "nothing"], "label", "no column 'nothing'"),
    ],
)
def test_what_does_not_fit_the_file_is_refused(run, elsewhere, more, drop, told):
    code, _, errors = run("pack", "out/model.onnx", *more, drop=drop)
    assert code == 1
    assert told in errors


def _of_two(place, *, shape=(None, 2), kind=TensorProto.FLOAT, op="Identity"):
    """An ONNX file made elsewhere: the sum of two columns, after an operation on each."""
    nodes = [
        onnx.helper.make_node("Cast", ["given"], ["numbers"], to=TensorProto.FLOAT),
        onnx.helper.make_node(op, ["numbers"], ["each"]),
        onnx.helper.make_node("ReduceSum", ["each", "axes"], ["score"], keepdims=1),
    ]
    gives = onnx.helper.make_tensor_value_info("score", TensorProto.FLOAT, [shape[0], 1])
    takes = onnx.helper.make_tensor_value_info("given", kind, shape)
    axes = numpy_helper.from_array(np.array([1]), "axes")
    graph = onnx.helper.make_graph(nodes, "g", [takes], [gives], [axes])
    opset = onnx.helper.make_opsetid("", 17)
    (place / "out").mkdir()
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), place / "out/model.onnx"
    )


def _two_columns(place, first, second=(1, 2, 3)):
    pq.write_table(pa.table({"a": list(first), "b": list(second)}), place / "two.parquet")


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        (TensorProto.INT64, [0.5, 1.5, -2.5]),
        (TensorProto.INT8, [1, 2, 300]),
        (TensorProto.UINT16, [1, 2, -3]),
        (TensorProto.BOOL, [0, 1, 7]),
        (TensorProto.FLOAT, [1.0, 2.0, 1e39]),
        (TensorProto.FLOAT16, [1.0, 2.0, 70_000.0]),
    ],
)
def test_a_sample_is_never_rounded_to_fit_the_model(run, place, kind, first):
    _of_two(place, kind=kind)
    _two_columns(place, first, (0, 1, 1))
    code, _, errors = run("pack", "out/model.onnx", sample="two.parquet", drop="")
    assert (code, "bad_sample: The column 'a'" in errors) == (1, True)
    assert not (place / "out/golden.json").exists()


@pytest.mark.parametrize(
    ("kind", "datatype"),
    [(TensorProto.INT8, "INT8"), (TensorProto.UINT16, "UINT16"), (TensorProto.FLOAT16, "FP16")],
)
def test_every_type_that_agents_serve_is_packed(run, place, kind, datatype):
    _of_two(place, kind=kind)
    _two_columns(place, [1, 2, 3])
    code, _, errors = run("pack", "out/model.onnx", *MAKE_VERSION, sample="two.parquet", drop="")
    assert code == 0, errors
    raw, manifest, _ = read_pack(place / "out")
    assert manifest["inputs"][0]["datatype"] == datatype
    read = manifests.parse(raw, model="credit-default")
    _, problems = manifests.check_golden((place / "out/golden.json").read_bytes(), manifest=read)
    assert problems == {}


def test_integers_are_kept_to_the_last_digit(run, place):
    _of_two(place, kind=TensorProto.INT64)
    _two_columns(place, [2**53 + 1, 1, 2])
    assert run("pack", "out/model.onnx", sample="two.parquet", drop="")[0] == 0
    assert str(2**53 + 1) in (place / "out/golden.json").read_text()


def test_rows_the_model_has_no_number_for_are_named(run, place):
    _of_two(place, op="Log")
    _two_columns(place, [1.0, 2.0, -3.0])
    code, _, errors = run("pack", "out/model.onnx", sample="two.parquet", drop="")
    assert code == 1
    assert "bad_sample: Its output 'score' is no number for 1 of 3 rows: 2." in errors


def test_a_model_of_a_fixed_number_of_rows_is_refused_with_a_remedy(run, place):
    _of_two(place, shape=(1, 2))
    _two_columns(place, [1.0, 2.0, 3.0])
    code, _, errors = run("pack", "out/model.onnx", sample="two.parquet", drop="")
    assert code == 1
    assert "not_convertible: 'given' takes exactly 1 at once: export it for any number" in errors
