"""A version that crashes, hangs or eats memory does so in a child."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serving_agent.errors import Abandoned, Reason, VersionFailure
from serving_agent.validate import Finding
from serving_agent.validation import CHILD, Files, Limits, Validator

from .versions import Version, make, network, pack, rows, scores, tensor

GIB = 1024**3
LIMITS = Limits(seconds=30, memory_bytes=8 * GIB)


def files(version: Version, folder: Path) -> Files:
    for sha256, content in version.blobs.items():
        (folder / sha256).write_bytes(content)
    model_file, golden = version.files["model"], version.files["golden"]
    return folder / version.digest, folder / model_file, folder / golden


def always() -> bool:
    return True


def child(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def validate(
    paths: Files,
    *,
    limits: Limits,
    wanted: Callable[[], bool],
    command: tuple[str, ...] = CHILD,
) -> Finding:
    """Try one version in a child of its own."""
    validator = Validator(limits, command=command)
    try:
        return validator.validate(paths, wanted=wanted)
    finally:
        validator.end()


def test_a_good_version_is_measured(tmp_path: Path) -> None:
    version = make(ballast=1_000_000)

    finding = validate(files(version, tmp_path), limits=LIMITS, wanted=always)

    assert (finding.passed, finding.total) == (5, 5)
    assert finding.max_error < 1e-5
    assert finding.memory_bytes > 0.8 * 1_000_000 * 4 * 4
    assert finding.peak_bytes >= finding.memory_bytes


def test_wrong_answers_are_a_golden_mismatch_with_the_distance(tmp_path: Path) -> None:
    with pytest.raises(VersionFailure, match=r"g0 is off by 0\.01") as failure:
        validate(files(make(off=0.01), tmp_path), limits=LIMITS, wanted=always)

    assert failure.value.reason is Reason.GOLDEN_MISMATCH


def test_a_nan_answer_is_no_match_for_a_number(tmp_path: Path) -> None:
    onnx_bytes = network(1)
    inputs = rows(1)
    answer = scores(onnx_bytes, inputs)
    gap = tensor("X", inputs)
    gap["data"][0] = None
    golden = {
        "schema": "lockgate.golden/1",
        "tolerance": 1e9,
        "transactions": [
            {"id": "g", "inputs": [gap], "outputs": [tensor("probabilities", answer)]}
        ],
    }
    version = pack("credit", 1, onnx_bytes, json.dumps(golden).encode())

    with pytest.raises(VersionFailure) as failure:
        validate(files(version, tmp_path), limits=LIMITS, wanted=always)
    assert failure.value.reason is Reason.GOLDEN_MISMATCH

    golden["transactions"][0]["outputs"][0]["data"] = [None, None]  # type: ignore[index]
    matching = pack("credit", 1, onnx_bytes, json.dumps(golden).encode())
    finding = validate(files(matching, tmp_path), limits=LIMITS, wanted=always)
    took = {"memory_bytes": finding.memory_bytes, "peak_bytes": finding.peak_bytes}
    assert finding == Finding(passed=1, total=1, **took)


def test_too_little_memory_is_said_so(tmp_path: Path) -> None:
    version = make(ballast=6_000_000)
    limits = Limits(seconds=30, memory_bytes=290 * 1024**2)

    with pytest.raises(VersionFailure) as failure:
        validate(files(version, tmp_path), limits=limits, wanted=always)

    assert failure.value.reason is Reason.OUT_OF_MEMORY


ENDINGS = [
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", Reason.LOAD_FAILED, "SIGSEGV"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", Reason.OUT_OF_MEMORY, "killed"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", Reason.TIMEOUT, "processor"),
    ("raise MemoryError", Reason.OUT_OF_MEMORY, "MemoryError"),
    ("raise ValueError('odd')", Reason.LOAD_FAILED, "odd"),
    ("import os; os._exit(3)", Reason.LOAD_FAILED, "ended with 3"),
    ("import time; time.sleep(60)", Reason.TIMEOUT, "no result"),
    ("print('not json')", Reason.LOAD_FAILED, "finding"),
    ("pass", Reason.LOAD_FAILED, "finding"),
]


@pytest.mark.parametrize(("code", "reason", "said"), ENDINGS)
def test_every_ending_has_a_reason(code: str, reason: Reason, said: str, tmp_path: Path) -> None:
    limits = Limits(seconds=1.5, memory_bytes=8 * GIB)
    paths = files(make(), tmp_path)

    with pytest.raises(VersionFailure, match=said) as failure:
        validate(paths, limits=limits, wanted=always, command=child(code))

    assert failure.value.reason is reason


def test_a_version_nobody_wants_any_more_is_given_up_at_once(tmp_path: Path) -> None:
    started = time.monotonic()

    with pytest.raises(Abandoned):
        validate(
            files(make(), tmp_path),
            limits=LIMITS,
            wanted=lambda: time.monotonic() - started < 0.5,
            command=child("import time; time.sleep(60)"),
        )

    assert time.monotonic() - started < 2


@pytest.fixture
def validator() -> Iterator[Validator]:
    validator = Validator(LIMITS)
    yield validator
    validator.end()


def test_one_child_tries_many_versions_and_measures_each(
    validator: Validator, tmp_path: Path
) -> None:
    versions = [make(number=number, ballast=1_000_000) for number in range(1, 4)]
    children = []
    for version in versions:
        finding = validator.validate(files(version, tmp_path), wanted=always)
        children.append(validator.pid)
        assert 0.8 < finding.memory_bytes / (1_000_000 * 4 * 4) < 3

    assert len(set(children)) == 1


def test_a_child_that_saw_something_bad_tries_nothing_else(
    validator: Validator, tmp_path: Path
) -> None:
    validator.validate(files(make(), tmp_path), wanted=always)
    first = validator.pid

    with pytest.raises(VersionFailure):
        validator.validate(files(make(off=0.5), tmp_path), wanted=always)

    assert validator.pid is None
    validator.validate(files(make(), tmp_path), wanted=always)
    assert validator.pid not in (None, first)
