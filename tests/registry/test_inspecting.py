"""Inspection names what is wrong with a version's files, runs nothing, and always ends."""

import io
import json
import pickle
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from governance.errors import NotFound
from registry.adapters import inspector
from registry.inspecting.limits import Limits


def test_a_version_in_order_has_facts_and_no_reasons(inspect):
    outcome = inspect()

    assert outcome.reasons == []
    assert outcome.facts["nodes"] == 2
    assert outcome.facts["opsets"] == {"ai.onnx": 17}
    assert outcome.facts["golden"] == {"transactions": 2, "tolerance": 1e-5}


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("opened"),))


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Bomb()))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        *((pickle.dumps(Bomb(), protocol=number), "pickle") for number in range(6)),
        (b"cos\nsystem\n(S'true'\ntR.", "pickle"),
        (b"x\x9c\x00\x00", "pickle"),
        (_zip(), "archive"),
        (b"7z\xbc\xaf\x27\x1c\x00", "archive"),
        (b"\x1f\x8b\x08\x00", "archive"),
        (b"\x00" * 257 + b"ustar\x00", "archive"),
        (b"\x89HDF\r\n\x1a\n", "not_onnx"),
        (b"<html><script>alert(1)</script>", "not_onnx"),
        (b"{}", "not_onnx"),
        (b"\x7fELF" + bytes(100), "not_onnx"),
        (b"x", "not_onnx"),
        (b"\x00", "not_onnx"),
        (b"\xff" * 100, "not_onnx"),
        (b"\x08\x0a", "not_onnx"),
    ],
)
def test_what_is_not_onnx_is_called_by_its_name(codes, data, code, tmp_path):
    assert codes(data) == {code}
    assert not Path("opened").exists()


def test_a_file_cut_short_is_not_onnx(codes, files):
    assert codes(files["model.onnx"][:-10]) == {"not_onnx"}


def test_bytes_that_are_no_part_of_onnx_are_refused(codes, files):
    unknown = b"\xaa\x3e\x05hello"  # Field 997, five bytes.
    assert codes(files["model.onnx"] + unknown) == {"not_onnx"}


def test_a_name_that_is_no_text_is_refused(codes, files):
    assert codes(files["model.onnx"].replace(b"MatMul", b"MatM\xff\xfe")) == {"not_onnx"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ir_version": 14}, "unsupported_version"),
        ({"ir_version": 2}, "unsupported_version"),
        ({"ir_version": 2**40}, "unsupported_version"),
        ({"opsets": {"": 27}}, "unsupported_version"),
        ({"opsets": {"": 0}}, "unsupported_version"),
        ({"opsets": {"": 17, "ai.onnx.ml": 6}}, "unsupported_version"),
        ({"opsets": {"": 17, "com.microsoft": 1}}, "custom_operator"),
        ({"opsets": {"": 17, "pyop": 1}}, "custom_operator"),
        ({"nodes": [helper.make_node("PyOp", ["X"], ["probabilities"])]}, "custom_operator"),
        (
            {"nodes": [helper.make_node("Relu", ["X"], ["probabilities"], domain="evil")]},
            "custom_operator",
        ),
        (
            {"nodes": [helper.make_node("Scaler", ["X"], ["probabilities"], domain="ai.onnx.ml")]},
            "custom_operator",  # Its operators are not imported.
        ),
        ({"nodes": [helper.make_node("Relu", ["later"], ["probabilities"])]}, "malformed"),
        ({"nodes": [helper.make_node("Relu", ["X"], ["other"])]}, "malformed"),
        ({"nodes": [helper.make_node("Relu", ["probabilities"], ["probabilities"])]}, "malformed"),
        ({"nodes": [helper.make_node("Relu", ["X"], ["probabilities"])] * 2}, "malformed"),
        ({"nodes": [helper.make_node("MatMul", ["X"], ["probabilities"])]}, "malformed"),
        (
            {
                "functions": [
                    helper.make_function(
                        "mine", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])],
                        [helper.make_opsetid("", 17)],
                    )
                ]
            },
            "custom_operator",
        ),
    ],
)  # fmt: skip
def test_what_the_runtime_does_not_know_is_refused(codes, make_onnx, changes, code):
    assert codes(make_onnx(**changes)) == {code}


def test_operators_imported_twice_are_of_one_version(codes, make_onnx):
    model = make_onnx()
    model.opset_import.add(domain="", version=17)
    assert codes(model) == set()
    model.opset_import.add(domain="ai.onnx", version=18)
    assert codes(model) == {"malformed"}


def test_the_newest_versions_are_known(codes, make_onnx):
    assert codes(make_onnx(ir_version=13, opsets={"": 26})) == set()


SHAPE = "has the shape [-1, 3]"


@pytest.mark.parametrize(
    ("spoil", "detail"),
    [
        ({"inputs": [{"name": "Y", "datatype": "FP32", "shape": [-1, 3]}]}, "the input 'X'"),
        ({"inputs": [{"name": "X", "datatype": "FP64", "shape": [-1, 3]}]}, "is not FP64"),
        ({"inputs": [{"name": "X", "datatype": "FP32", "shape": [-1, 4]}]}, SHAPE),
        ({"inputs": [{"name": "X", "datatype": "FP32", "shape": [3]}]}, SHAPE),
        ({"inputs": [{"name": "X", "datatype": "FP32", "shape": [-1, -1]}]}, SHAPE),
        ({"outputs": [{"name": "probabilities", "datatype": "INT64", "shape": [-1, 2]}]}, "is not"),
    ],
)  # fmt: skip
def test_a_model_of_another_schema_than_said_is_refused(inspect, manifest, spoil, detail):
    manifest.update(spoil)
    reasons = inspect().reasons
    assert any(r["code"] == "schema_mismatch" and detail in r["detail"] for r in reasons)


def test_an_output_that_is_no_tensor_is_refused(inspect, make_onnx):
    element = helper.make_map_type_proto(
        TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )
    zipped = helper.make_value_info("probabilities", helper.make_sequence_type_proto(element))
    reasons = inspect(make_onnx(outputs=[zipped])).reasons
    assert any("ZipMap" in reason["detail"] for reason in reasons)


def _external(entries: dict[str, str] | list[tuple[str, str]]) -> onnx.TensorProto:
    tensor = TensorProto(
        name="w", dims=[3, 2], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL
    )
    for key, value in entries.items() if isinstance(entries, dict) else entries:
        tensor.external_data.add(key=key, value=value)
    return tensor


FINE = {"location": "weights.bin", "offset": "8", "length": "24"}


@pytest.mark.parametrize(
    "entries",
    [FINE, {"location": "weights.bin"}, {**FINE, "checksum": "abc"}],
)
def test_listed_external_data_is_fine(codes, make_onnx, entries):
    assert codes(make_onnx(initializer=[_external(entries)]), external={"weights.bin": 32}) == set()


@pytest.mark.parametrize(
    "entries",
    [
        {**FINE, "location": "other.bin"},
        {**FINE, "location": "../weights.bin"},
        {**FINE, "location": "/etc/passwd"},
        {**FINE, "location": "folder/../../weights.bin"},
        {**FINE, "location": "C:\\weights.bin"},
        {**FINE, "location": "weights.bin\x00"},
        {**FINE, "location": "model.onnx"},
        {**FINE, "location": ""},
        {},
        {**FINE, "offset": "-8"},
        {**FINE, "offset": "16"},
        {**FINE, "offset": "0x8"},
        {**FINE, "length": str(2**62)},
        {**FINE, "length": "23"},
        {**FINE, "length": "٢٤"},
        {**FINE, "__class__": "x"},
        [("location", "weights.bin"), ("location", "other.bin")],
    ],
)
def test_external_data_anywhere_else_is_refused(codes, make_onnx, entries):
    found = codes(make_onnx(initializer=[_external(entries)]), external={"weights.bin": 32})
    assert found == {"external_data"}


def test_external_data_that_is_not_listed_at_all_is_refused(codes, make_onnx):
    assert codes(make_onnx(initializer=[_external(FINE)])) == {"external_data"}


def test_external_data_nobody_refers_to_is_refused(codes):
    assert codes(external={"weights.bin": 32}) == {"external_data"}


def test_external_data_inside_a_node_is_found(codes, make_onnx):
    constant = helper.make_node("Constant", [], ["w2"])
    attribute = constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR)
    attribute.t.CopyFrom(_external({**FINE, "location": "/etc/passwd"}))
    nodes = [constant, helper.make_node("MatMul", ["X", "w2"], ["probabilities"])]
    assert codes(make_onnx(nodes=nodes)) == {"external_data"}


@pytest.mark.parametrize("dims", [[-1, 2], [2**62, 2**62], [2**32, 2**32]])
def test_impossible_dimensions_are_refused(codes, make_onnx, dims):
    tensor = TensorProto(name="w", dims=dims, data_type=TensorProto.FLOAT, raw_data=b"\x00" * 24)
    assert codes(make_onnx(initializer=[tensor])) == {"malformed"}


def test_fewer_bytes_than_the_dimensions_say_are_refused(codes, make_onnx):
    tensor = TensorProto(name="w", dims=[3, 2], data_type=TensorProto.FLOAT, raw_data=b"\x00" * 20)
    assert codes(make_onnx(initializer=[tensor])) == {"malformed"}


def _field(number: int, data: bytes) -> bytes:
    """Write one length-delimited field in protobuf's wire format."""
    length, size = b"", len(data)
    while size > 0x7F:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + data


def _nested(levels: int) -> bytes:
    """A graph in a node's attribute, in a graph in a node's attribute, and so on."""
    graph = _field(1, _field(1, b"X") + _field(4, b"Identity"))
    for _ in range(levels):
        attribute = _field(1, b"then_branch") + _field(6, graph)
        graph = _field(1, _field(1, b"X") + _field(4, b"If") + _field(5, attribute))
    return b"\x08\x0a" + _field(8, b"\x10\x11") + _field(7, graph)


@pytest.mark.parametrize(("levels", "code"), [(20, "too_complex"), (45, "not_onnx")])
def test_deep_nesting_is_refused(codes, levels, code):
    assert code in codes(_nested(levels))


def test_too_many_nodes_are_refused(codes, make_onnx):
    nodes = [helper.make_node("Relu", ["X"], [f"n{i}"]) for i in range(100_001)]
    assert codes(make_onnx(nodes=nodes)) == {"too_complex"}


def test_too_much_metadata_is_refused(codes, make_onnx):
    model = make_onnx()
    model.metadata_props.add(key="<b>", value="x" * 1_100_000)
    assert codes(model) == {"too_complex"}


def test_reasons_can_be_stored_and_shown(inspect, make_onnx):
    name = "evil\x00\x1b[31m\u202e" + "x" * 5000
    nodes = [helper.make_node("Relu", [f"{i}{name}"], [f"y{i}"]) for i in range(50)]
    reasons = inspect(make_onnx(nodes=nodes)).reasons

    assert len(reasons) == 20
    assert all(len(reason["detail"]) < 400 for reason in reasons)
    assert all(reason["detail"].isprintable() for reason in reasons)


def _memory_bomb() -> bytes:
    """Two bytes a node in the file, dozens in memory."""
    return b"\x08\x0a" + _field(8, b"\x10\x11") + _field(7, b"\x0a\x00" * 3_000_000)


def test_a_file_that_eats_memory_is_stopped(codes):
    limits = Limits(memory=400 * 1024**2, cpu=60, wall=60)
    assert codes(_memory_bomb(), limits=limits) == {"out_of_memory"}


def test_a_file_that_eats_memory_is_refused_within_the_usual_limits(codes):
    assert codes(_memory_bomb()) & {"too_complex", "out_of_memory"}


def test_an_inspection_that_takes_too_long_is_killed(codes):
    assert codes(limits=Limits(memory=2**30, cpu=60, wall=0.05)) == {"timeout"}


def test_an_inspection_that_computes_too_long_is_killed(codes):
    golden = b'{"schema": [' + b"1.5," * 8_000_000 + b"1.5]}"
    assert codes(golden=golden, limits=Limits(memory=2**32, cpu=1, wall=60)) == {"timeout"}


def test_the_process_gets_no_secrets_and_cannot_write(tmp_path):
    script = (
        "import os; from registry.inspecting.limits import Limits;"
        "Limits(memory=2**30, cpu=5, wall=0).impose();"
        f"open({str(tmp_path / 'made')!r}, 'w').write('x' * 10_000)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert done.returncode in {1, -signal.SIGXFSZ}
    assert (tmp_path / "made").stat().st_size == 0


def test_files_that_are_not_there_are_no_verdict(store, keep, manifest, encode):
    subject = inspector.Subject("credit-default", keep(encode(manifest)), "0" * 64, "1" * 64)
    with pytest.raises(NotFound):
        inspector.inspect(subject, store=store)


def test_the_known_versions_are_those_of_the_installed_runtime(make_onnx):
    runtime = pytest.importorskip("onnxruntime", reason="the agent's runtime is not installed")
    from registry.inspecting import graphs

    def loads(ir_version: int, opset: int, ml: int) -> bool:
        model = make_onnx(ir_version=ir_version, opsets={"": opset, "ai.onnx.ml": ml})
        try:
            runtime.InferenceSession(model.SerializeToString())
        except Exception:  # noqa: BLE001 - the runtime has no narrower one
            return False
        return True

    newest = graphs.IR_VERSIONS[-1], graphs.OPSETS[""][-1], graphs.OPSETS["ai.onnx.ml"][-1]
    assert loads(*newest)
    for place in range(3):
        beyond = list(newest)
        beyond[place] += 1
        assert not loads(*beyond)


def test_nothing_but_json_comes_out(tmp_path, manifest, encode, files):
    (tmp_path / "manifest.json").write_bytes(encode(manifest))
    (tmp_path / "model").write_bytes(files["model.onnx"])
    (tmp_path / "golden.json").write_bytes(files["golden.json"])
    command = [sys.executable, "-m", "registry.inspecting", str(tmp_path), "credit-default"]
    done = subprocess.run([*command, str(2**30), "30"], check=True, capture_output=True)
    assert set(json.loads(done.stdout)) == {"reasons", "facts"}
    assert done.stderr == b""
