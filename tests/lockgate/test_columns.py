"""Estimators that tell the columns of a table apart: by name, and by text in them."""

import json

import joblib
import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lockgate.convert import convert, to_onnx
from lockgate.errors import BadSample, NotConvertible
from lockgate.manifest import read_pack
from registry import manifests

RANDOM = np.random.default_rng(7)
ROWS = 300
TABLE = pa.table({
    "age": RANDOM.integers(18, 80, ROWS),
    "limit": RANDOM.normal(size=ROWS).round(2),
    "home city": RANDOM.choice(["Uppsala", "Malmö", "Kiruna"], ROWS).tolist(),
    "job": pa.array(RANDOM.choice(["baker", "smith"], ROWS).tolist()).dictionary_encode(),
    "unused": RANDOM.normal(size=ROWS),
})  # fmt: skip
TARGET = (TABLE["limit"].to_numpy() + (TABLE["age"].to_numpy() > 50) > 0.4).astype(int)
NUMBERS, TEXTS = ["age", "limit"], ["home city", "job"]


def _by_name(last, numbers=None):
    parts = [
        ("numbers", numbers or StandardScaler(), NUMBERS),
        ("texts", OneHotEncoder(handle_unknown="ignore"), TEXTS),
    ]
    return make_pipeline(ColumnTransformer(parts), last)


def _fitted(last, numbers=None):
    return _by_name(last, numbers).fit(TABLE.select([*NUMBERS, *TEXTS]), TARGET)


def _sent(table):
    """Return rows as an agent is sent them."""
    numbers = {name: table[name].to_numpy().astype(np.float32) for name in NUMBERS}
    texts = {name: np.array(table[name].to_pylist(), dtype=object) for name in TEXTS}
    return {name: column.reshape(-1, 1) for name, column in (numbers | texts).items()}


@pytest.mark.parametrize(
    ("last", "numbers"),
    [
        (LogisticRegression(), StandardScaler()),
        (RandomForestClassifier(20, random_state=7), SimpleImputer()),
    ],
    ids=lambda each: type(each).__name__,
)
def test_columns_by_name_are_inputs_by_name(last, numbers):
    estimator = _fitted(last, numbers)

    model = to_onnx(estimator, TABLE)

    session = onnxruntime.InferenceSession(model)
    assert [given.name for given in session.get_inputs()] == [*NUMBERS, *TEXTS]
    (found,) = session.run(["probabilities"], _sent(TABLE))
    assert np.abs(found - estimator.predict_proba(TABLE)).max() <= 1e-5


def test_a_search_over_a_pipeline_is_converted_as_what_it_found():
    search = GridSearchCV(_by_name(LogisticRegression()), {"logisticregression__C": [0.1, 1]}, cv=2)
    search.fit(TABLE.select([*NUMBERS, *TEXTS]), TARGET)
    made = convert(search, TABLE)
    assert [given["name"] for given in made.signature.inputs] == [*NUMBERS, *TEXTS]


def test_columns_of_numbers_chosen_by_name_need_no_text():
    parts = ColumnTransformer([("numbers", StandardScaler(), ["limit"])])
    estimator = make_pipeline(parts, LogisticRegression())
    estimator.fit(TABLE.select(["age", "limit"]), TARGET)
    made = convert(estimator, TABLE)
    assert [given["datatype"] for given in made.signature.inputs] == ["FP32", "FP32"]


def test_an_estimator_that_takes_all_columns_alike_takes_them_as_one_tensor():
    estimator = LogisticRegression().fit(TABLE.select(NUMBERS), TARGET)
    made = convert(estimator, TABLE)
    (given,) = made.signature.inputs
    assert (given["name"], given["shape"]) == ("X", [-1, 2])
    assert [each["name"] for each in given["features"]] == NUMBERS


def test_a_pipeline_of_text_becomes_a_version(lockgate, tmp_path):
    joblib.dump(_fitted(LogisticRegression()), tmp_path / "model.joblib")
    pq.write_table(TABLE, tmp_path / "rows.parquet")

    code, said, _ = lockgate(
        "--json", "convert", str(tmp_path / "model.joblib"), str(tmp_path / "out/model.onnx"),
        "--sample", str(tmp_path / "rows.parquet"), "--model", "credit", "--author", "asha",
    )  # fmt: skip

    assert (code, json.loads(said)["rows"]) == (0, ROWS)
    raw, manifest, _ = read_pack(tmp_path / "out")
    given = {each["name"]: each for each in manifest["inputs"]}
    assert given["home city"]["datatype"] == "BYTES"
    (city,) = given["home city"]["features"]
    assert city == {"name": "home city", "categories": ["Kiruna", "Malmö", "Uppsala"]}
    read = manifests.parse(raw, model="credit")
    _, problems = manifests.check_golden((tmp_path / "out/golden.json").read_bytes(), manifest=read)
    assert problems == {}


def test_text_that_is_missing_is_refused_naming_its_column():
    cities = ["Kiruna", None, *["Uppsala"] * (ROWS - 2)]
    holes = TABLE.set_column(2, "home city", pa.array(cities))
    with pytest.raises(BadSample, match=r"'home city' holds text, and 1 of its rows"):
        to_onnx(_fitted(LogisticRegression()), holes)


def test_a_column_of_the_estimator_that_the_table_lacks_is_named():
    with pytest.raises(BadSample, match="no column 'job'"):
        to_onnx(_fitted(LogisticRegression()), TABLE.drop_columns(["job"]))


def test_what_the_model_refuses_is_no_crash():
    """An encoder that knows no other word, and a sample that has one."""
    parts = ColumnTransformer([("texts", OneHotEncoder(), ["job"])])
    estimator = make_pipeline(parts, LogisticRegression()).fit(TABLE.select(["job"]), TARGET)
    other = pa.table({"job": ["baker", "astronaut"]})
    with pytest.raises(NotConvertible):
        to_onnx(estimator, other)


def test_rows_of_text_are_refused_with_a_code():
    estimator = LogisticRegression().fit(np.zeros((ROWS, 2)), TARGET)
    with pytest.raises(BadSample, match="numbers"):
        to_onnx(estimator, [["a", "b"]])
