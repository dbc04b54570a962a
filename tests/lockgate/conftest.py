"""A client that speaks to a real server, and a small version to register."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from governance.actors import Actor
from lockgate.cli import main
from lockgate.client import Client
from lockgate.convert import convert
from lockgate.manifest import Training, build_manifest, file_entry, write_pack

Outcome = tuple[int, str, str]


@pytest.fixture
def lockgate(capsys, monkeypatch) -> Callable[..., Outcome]:
    monkeypatch.delenv("LOCKGATE_URL", raising=False)
    monkeypatch.delenv("LOCKGATE_TOKEN", raising=False)

    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        written = capsys.readouterr()
        code = end.value.code
        return (code if isinstance(code, int) else 0), written.out, written.err

    return run


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a converted logistic regression."""
    random = np.random.default_rng(7)
    sample = random.normal(size=(200, 3))
    estimator = LogisticRegression().fit(sample, sample[:, 0] > sample[:, 1])
    converted = convert(estimator, sample, features=["limit_bal", "age", "pay_0"], golden=5)
    files = {"model.onnx": converted.onnx, "golden.json": converted.golden}
    manifest = build_manifest(
        model="credit-default",
        files=[
            file_entry("model.onnx", converted.onnx, role="model"),
            file_entry("golden.json", converted.golden, role="golden"),
        ],
        signature=converted.signature,
        authors=["asha"],
        training=Training(commit="4f2c9e1", seed=7),
        metrics={"auc": 0.9},
    )
    folder = tmp_path_factory.mktemp("pack")
    write_pack(folder, manifest=manifest, files=files)
    return folder


@pytest.fixture
def pack(packed: Path, tmp_path: Path) -> Path:
    """The same, to be spoiled."""
    folder = tmp_path / "pack"
    folder.mkdir()
    for file in packed.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def token(transactional_db: None, asha: Actor, bearer: Callable[[Actor], str]) -> str:
    return bearer(asha)


@pytest.fixture
def client(live_server, token: str) -> Iterator[Client]:
    with Client(live_server.url, token) as client:
        yield client
