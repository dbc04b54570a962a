"""The protocol as its most used client speaks it: binary tensors by default, over real HTTP."""

from collections.abc import Iterator

import numpy as np
import pytest
from tritonclient.http import (
    InferenceServerClient,
    InferInput,
    InferRequestedOutput,
    InferResult,
)
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .process import AgentProcess
from .protocol import SAMPLES, TYPES
from .versions import expected, make, rows


def connected(agent: AgentProcess) -> InferenceServerClient:
    return InferenceServerClient(agent.url.removeprefix("http://"), concurrency=4)


@pytest.fixture
def triton(agent: AgentProcess) -> Iterator[InferenceServerClient]:
    client = connected(agent)
    yield client
    client.close()


def given(name: str, datatype: str, values: np.ndarray, *, binary: bool = True) -> InferInput:
    tensor = InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def samples(name: str) -> np.ndarray:
    if name == "BYTES":
        return np.array([text.encode() for text in SAMPLES[name]], dtype=np.object_)
    return np.array(SAMPLES[name], dtype=triton_to_np_dtype(name))


def test_it_asks_for_health_and_metadata(triton: InferenceServerClient) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("credit")
    assert triton.is_model_ready("credit", "1")
    assert not triton.is_model_ready("nobody")
    assert not triton.is_model_ready("credit", "7")

    server = triton.get_server_metadata()
    assert server["name"] == "lockgate-serving-agent"
    assert "binary_tensor_data" in server["extensions"]

    about = triton.get_model_metadata("credit")
    assert (about["versions"], about["platform"]) == (["1"], "onnx_onnxruntime")
    assert about["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 4]}]
    assert triton.get_model_metadata("credit", "1") == about

    config = triton.get_model_config("echo")
    kinds = {tensor["name"]: tensor["data_type"] for tensor in config["input"]}
    assert kinds["i_BYTES"] == "TYPE_STRING"
    assert kinds["i_FP16"] == "TYPE_FP16"


def test_it_asks_what_is_there_and_how_much_was_asked(triton: InferenceServerClient) -> None:
    index = triton.get_model_repository_index()
    assert {(one["name"], one["version"], one["state"]) for one in index} == {
        ("credit", "1", "READY"),
        ("echo", "1", "READY"),
        ("gaps", "9", "READY"),
    }

    sent = [given("X", "FP32", rows(3))]
    before = triton.get_inference_statistics("credit")["model_stats"][0]
    triton.infer("credit", sent)
    after = triton.get_inference_statistics("credit", "1")["model_stats"][0]
    assert after["inference_count"] == before["inference_count"] + 1
    assert after["inference_stats"]["success"]["ns"] > before["inference_stats"]["success"]["ns"]
    everything = triton.get_inference_statistics()["model_stats"]
    assert [one["name"] for one in everything] == ["credit", "echo", "gaps"]


@pytest.mark.parametrize("sent", ["bytes", "json"])
@pytest.mark.parametrize("answered", ["bytes", "json"])
def test_it_infers(sent: str, answered: str, triton: InferenceServerClient) -> None:
    inputs = rows(7, count=3)

    result = triton.infer(
        "credit",
        [given("X", "FP32", inputs, binary=sent == "bytes")],
        outputs=[InferRequestedOutput("probabilities", binary_data=answered == "bytes")],
        request_id="t-1",
        model_version="1",
    )

    assert np.allclose(result.as_numpy("probabilities"), expected(make(), inputs), atol=1e-6)
    answer = result.get_response()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("credit", "1", "t-1")
    assert answer["parameters"]["digest"] == make().digest


@pytest.mark.parametrize("sent", ["bytes", "json"])
def test_every_type_comes_back_as_it_went(sent: str, triton: InferenceServerClient) -> None:
    # Of half precision there is no JSON in this client.
    inputs = [
        given(f"i_{name}", name, samples(name), binary=sent == "bytes" or name == "FP16")
        for name in TYPES
    ]
    outputs = [
        InferRequestedOutput(f"o_{name}", binary_data=sent == "bytes" or name == "FP16")
        for name in TYPES
    ]

    result: InferResult = triton.infer("echo", inputs, outputs=outputs)

    for name in TYPES:
        found = result.as_numpy(f"o_{name}")
        if name == "BYTES":
            texts = [one.decode() if isinstance(one, bytes) else one for one in found]
            assert texts == SAMPLES[name]
        else:
            assert found.tolist() == samples(name).tolist(), name


def test_only_what_is_asked_for_comes_back(triton: InferenceServerClient) -> None:
    inputs = [given(f"i_{name}", name, samples(name)) for name in TYPES]

    result = triton.infer("echo", inputs, outputs=[InferRequestedOutput("o_INT8")])

    assert [one["name"] for one in result.get_response()["outputs"]] == ["o_INT8"]
    assert result.as_numpy("o_INT64") is None


def test_it_infers_many_at_once(triton: InferenceServerClient) -> None:
    inputs = [rows(seed) for seed in range(12)]

    asked = [triton.async_infer("credit", [given("X", "FP32", one)]) for one in inputs]

    for sent, later in zip(inputs, asked, strict=True):
        found = later.get_result().as_numpy("probabilities")
        assert np.allclose(found, expected(make(), sent), atol=1e-6)


def test_what_is_wrong_is_said_as_it_expects(triton: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="there is no model 'nobody'") as unknown:
        triton.infer("nobody", [given("X", "FP32", rows(1))])
    assert unknown.value.status() == "404"
    with pytest.raises(InferenceServerException, match="version '9'"):
        triton.infer("credit", [given("X", "FP32", rows(1))], model_version="9")
    with pytest.raises(InferenceServerException, match="'X' is FP32"):
        triton.infer("credit", [given("X", "FP64", rows(1).astype(np.float64))])
    with pytest.raises(InferenceServerException, match="there is no model"):
        triton.get_model_metadata("nobody")
    outputs = [InferRequestedOutput("probabilities", class_count=2)]
    with pytest.raises(InferenceServerException, match="classification"):
        triton.infer("credit", [given("X", "FP32", rows(1))], outputs=outputs)
    with pytest.raises(InferenceServerException, match="Content-Encoding"):
        triton.infer("credit", [given("X", "FP32", rows(1))], request_compression_algorithm="gzip")
    with pytest.raises(InferenceServerException):
        triton.load_model("credit")  # What is loaded is the control plane's decision.


def test_a_token_is_asked_of_it_where_one_is_set(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    version = make()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent(inference_token="s3cret", host="0.0.0.0", advertise_host="127.0.0.1")
    plane.wait_champion(version)
    client = connected(agent)
    inputs = [given("X", "FP32", rows(1))]

    assert client.is_server_live()
    assert client.is_model_ready("credit")
    for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "Basic s3cret"}):
        with pytest.raises(InferenceServerException, match="bearer token") as refused:
            client.infer("credit", inputs, headers=headers)
        assert refused.value.status() == "401"
        with pytest.raises(InferenceServerException, match="bearer token"):
            client.get_model_repository_index(headers=headers)
    asked = client.infer("credit", inputs, headers={"Authorization": "Bearer s3cret"})
    assert asked.as_numpy("probabilities").shape == (1, 2)
    client.close()
