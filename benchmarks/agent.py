"""How many requests a second the agent answers, beside MLServer with the same model.

Both serve the same ONNX file, a forest of 100 trees over 30 features that is made here,
on the same machine in the same run; they take turns, so that a busy minute hits both.
MLServer speaks JSON only: the agent's binary tensors are held against its JSON. It runs
as it is installed, and once more without its worker process, which suits so small a model
better; the bounds are for the first.

    python -m benchmarks.agent --home FOLDER [--mlserver VENV] [--runs 5] [--seconds 2]

It prints a table, and then one line of JSON. It fails for wrong answers, not for slowness.
"""

import argparse
import base64
import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.homes import Pack, address_of, answers, make_home, start_agent
from benchmarks.load import Result, Task, whole

MODEL = "forest"
TREES, FEATURES, DEPTH = 100, 30, 8
OUTPUT = "probabilities"
DTYPES = {"FP32": "<f4", "FP64": "<f8"}
ROWS = 32
"""Different requests, sent in turns."""
CONNECTIONS = (1, 16)
BASELINES: dict[str, dict[str, int]] = {"mlserver": {}, "mlserver-0": {"parallel_workers": 0}}
"""MLServer's settings, beside its own."""
FASTER, SOONER = 8.0, 0.2
"""How many times MLServer's requests a second, and which share of its p50, at least."""
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Made:
    """The model, and what its estimator says of some rows."""

    pack: Pack
    onnx: bytes
    rows: NDArray[np.float32]
    expected: NDArray[np.float64]


@dataclass(frozen=True)
class Server:
    """Where one server answers, and how it is asked."""

    name: str
    host: str
    port: int
    path: str
    binary: bool = False


def main() -> None:
    """Make the model, start both servers, let them take turns, and tell how they did."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument(
        "--mlserver", type=Path, help="its virtual environment; without, no baseline"
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    asked = parser.parse_args()
    shutil.rmtree(asked.home, ignore_errors=True)
    asked.home.mkdir(parents=True)
    made = make()
    with ExitStack() as running:
        servers = [
            *running.enter_context(agent(asked.home, made)),
            *(
                running.enter_context(mlserver(asked.home / name, asked.mlserver, made, **more))
                for name, more in BASELINES.items()
                if asked.mlserver
            ),
        ]
        tasks = {server: prepared(server, made) for server in servers}
        found = [measured(tasks, seconds=asked.seconds) for _ in range(asked.runs)]
    tell(found, seconds=asked.seconds)


def make() -> Made:
    """Train the forest, convert it with proof, and pack it as a version."""
    from sklearn.ensemble import RandomForestClassifier

    from lockgate.convert import convert
    from lockgate.manifest import Training, build_manifest, file_entry

    random = np.random.default_rng(7)
    rows = random.normal(size=(4_000, FEATURES)).astype(np.float32)
    labels = (rows[:, :5].sum(axis=1) + random.normal(size=4_000) > 0).astype(int)
    estimator = RandomForestClassifier(TREES, max_depth=DEPTH, random_state=7, n_jobs=1)
    estimator.fit(rows, labels)
    converted = convert(estimator, rows[:1_000])
    files = {"model.onnx": converted.onnx, "golden.json": converted.golden}
    manifest = build_manifest(
        model=MODEL,
        files=[
            file_entry("model.onnx", converted.onnx, role="model"),
            file_entry("golden.json", converted.golden, role="golden"),
        ],
        signature=converted.signature,
        authors=["bench"],
        training=Training("none", "make bench-agent"),
    )
    pack = Pack(MODEL, manifest, tuple(files.values()))
    picked = rows[:ROWS]
    return Made(pack, converted.onnx, picked, estimator.predict_proba(picked))


@contextmanager
def agent(home: Path, made: Made) -> Iterator[list[Server]]:
    """Run the agent as people do: metrics on, every answer in the decision log."""
    make_home(home / "agent", [made.pack])
    with (home / "agent.log").open("wb") as log:
        process = start_agent(home / "agent", log=log)
        try:
            at = urllib.parse.urlsplit(address_of(home / "agent", process))
            path = f"/v2/models/{MODEL}/infer"
            host, port = str(at.hostname), int(at.port or 0)
            yield [
                Server("agent, JSON", host, port, path),
                Server("agent, binary", host, port, path, binary=True),
            ]
        finally:
            stop(process)


@contextmanager
def mlserver(folder: Path, venv: Path, made: Made, **more: int) -> Iterator[Server]:
    """Run MLServer in its own environment."""
    folder.mkdir()
    (folder / "model.onnx").write_bytes(made.onnx)
    shutil.copy(Path(__file__).with_name("mlserver_model.py"), folder)
    http, grpc, metrics = free_ports(3)
    ports = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    settings = {"host": "127.0.0.1", "debug": False, **ports, **more}
    (folder / "settings.json").write_text(json.dumps(settings))
    about = {
        "name": MODEL,
        "implementation": "mlserver_model.Forest",
        "parameters": {"uri": str((folder / "model.onnx").resolve())},
    }
    (folder / "model-settings.json").write_text(json.dumps(about))
    name = "MLServer" + "".join(f", {key}={value}" for key, value in more.items())
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [venv.resolve() / "bin" / "mlserver", "start", "."], cwd=folder, stdout=log, stderr=log
        )
        try:
            wait_ready(f"http://127.0.0.1:{http}/v2/models/{MODEL}/ready", process)
            yield Server(name, "127.0.0.1", http, f"/v2/models/{MODEL}/infer")
        finally:
            stop(process)


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_ready(url: str, process: subprocess.Popen[bytes], *, seconds: float = 60.0) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + seconds
    while not answers(url):
        if time.monotonic() > deadline or process.poll() is not None:
            sys.exit(f"{url} did not come up (ended: {process.poll()}); its log lies in --home")
        time.sleep(0.1)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server that was started here."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def prepared(server: Server, made: Made) -> Task:
    """Make all requests, ask each once, and check the answers against the estimator."""
    requests, bodies = [], []
    for number, row in enumerate(made.rows):
        request = as_binary(server, row, number) if server.binary else as_json(server, row, number)
        body, head = ask(server, request)
        found = read_binary(body, head) if server.binary else read_json(body)
        if not np.allclose(found, made.expected[number], atol=TOLERANCE):
            sys.exit(f"{server.name} answers {found} to row {number}, not {made.expected[number]}")
        requests.append(base64.b64encode(request).decode())
        bodies.append(base64.b64encode(body).decode())
    return Task(server.host, server.port, requests, bodies)


def as_json(server: Server, row: NDArray[np.float32], number: int) -> bytes:
    """Write a request with its numbers as JSON."""
    tensor = {"name": "X", "datatype": "FP32", "shape": [1, FEATURES], "data": row.tolist()}
    asked = {"id": f"t{number}", "inputs": [tensor], "outputs": [{"name": OUTPUT}]}
    return post(server, json.dumps(asked).encode(), "application/json")


def as_binary(server: Server, row: NDArray[np.float32], number: int) -> bytes:
    """Write a request with its numbers as bytes, as tritonclient does."""
    raw = row.astype("<f4").tobytes()
    size = {"binary_data_size": len(raw)}
    tensor = {"name": "X", "datatype": "FP32", "shape": [1, FEATURES], "parameters": size}
    output = {"name": OUTPUT, "parameters": {"binary_data": True}}
    asked = {"id": f"t{number}", "inputs": [tensor], "outputs": [output]}
    content = json.dumps(asked).encode()
    more = f"Inference-Header-Content-Length: {len(content)}\r\n"
    return post(server, content + raw, "application/octet-stream", more)


def post(server: Server, body: bytes, kind: str, more: str = "") -> bytes:
    """Write the bytes of a whole request."""
    head = f"POST {server.path} HTTP/1.1\r\nHost: {server.host}\r\nContent-Type: {kind}\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def ask(server: Server, request: bytes) -> tuple[bytes, bytes]:
    """Send one request; return the answer's body and head."""
    with socket.create_connection((server.host, server.port), timeout=30) as connection:
        connection.sendall(request)
        data = b""
        while (body := whole(data)) is None:
            piece = connection.recv(1 << 16)
            if not piece:
                sys.exit(f"{server.name} hung up after {data[:300]!r}")
            data += piece
    if not data.startswith(b"HTTP/1.1 200"):
        sys.exit(f"{server.name}: {data[:500]!r}")
    return body, data[: len(data) - len(body)]


def read_json(body: bytes) -> Any:
    """Read the probabilities of an answer."""
    return next(o["data"] for o in json.loads(body)["outputs"] if o["name"] == OUTPUT)


def read_binary(body: bytes, head: bytes) -> Any:
    """Read the probabilities of an answer with binary tensors."""
    announced = int(head.lower().split(b"inference-header-content-length: ")[1].split(b"\r\n")[0])
    (output,) = json.loads(body[:announced])["outputs"]
    return np.frombuffer(body[announced:], dtype=DTYPES[output["datatype"]])


Cell = tuple[str, int]


def measured(tasks: dict[Server, Task], *, seconds: float) -> dict[Cell, Result]:
    """Let every server answer once with each number of connections, in turns."""
    found = {}
    for connections in CONNECTIONS:
        for server, task in tasks.items():
            given = {**asdict(task), "connections": connections, "seconds": seconds}
            ended = subprocess.run(
                [sys.executable, "-m", "benchmarks.load"],
                input=json.dumps(given).encode(),
                stdout=subprocess.PIPE,
                check=True,
            )
            result = Result(**json.loads(ended.stdout))
            if result.wrong or not result.answered:
                sys.exit(f"{server.name}: {result.wrong} wrong of {result.answered} answers")
            found[server.name, connections] = result
    return found


@dataclass(frozen=True)
class Median:
    """Over the runs: requests a second, and quantiles in milliseconds."""

    rate: float
    p50: float
    p95: float
    p99: float
    n: int


def median_of(results: list[Result]) -> Median:
    """Take the median of each figure."""
    rate = statistics.median(one.answered / one.seconds for one in results)
    p50, p95, p99 = (
        statistics.median(float(np.percentile(one.milliseconds, share)) for one in results)
        for share in (50, 95, 99)
    )
    return Median(rate, p50, p95, p99, sum(one.answered for one in results))


def tell(found: list[dict[Cell, Result]], *, seconds: float) -> None:
    """Print the table and the line."""
    medians = {cell: median_of([one[cell] for one in found]) for cell in found[0]}
    print(
        f"{TREES} trees, depth {DEPTH}, {FEATURES} features;"
        f" medians of {len(found)} runs of {seconds:g} s each"
    )
    titles = ("connections", "requests/s", "p50 ms", "p95 ms", "p99 ms", "n")
    print(f"{'':32}" + "".join(f"{title:>12}" for title in titles))
    for (name, connections), one in medians.items():
        quantiles = "".join(f"{q:>12.3f}" for q in (one.p50, one.p95, one.p99))
        print(f"{name:32}{connections:>12}{one.rate:>12,.0f}{quantiles}{one.n:>12,}")
    print(json.dumps({"bench": "agent", "n": len(found), "figures": figures(medians)}))


def figures(medians: dict[Cell, Median]) -> dict[str, Any]:
    """Put down every cell, and how the agent compares with the baselines that ran."""
    found: dict[str, Any] = {}
    for (name, connections), one in medians.items():
        key = f"{key_of(name)}_{connections}"
        found[f"{key}_requests_s"] = figure(one.rate, better="higher")
        found[f"{key}_p50_ms"] = figure(one.p50, better="lower")
    baselines = [name for name, _ in medians if name.startswith("MLServer")]
    for name in dict.fromkeys(baselines):
        bounds = (FASTER, SOONER) if name == "MLServer" else (None, None)
        for kind in ("JSON", "binary"):
            many, alone = medians[f"agent, {kind}", 16], medians[f"agent, {kind}", 1]
            key = f"{kind.lower()}_against_{key_of(name)}"
            times, share = many.rate / medians[name, 16].rate, alone.p50 / medians[name, 1].p50
            found[f"{key}_times_the_requests_s"] = figure(times, better="higher", bound=bounds[0])
            found[f"{key}_share_of_the_p50"] = figure(share, better="lower", bound=bounds[1])
    return found


def key_of(name: str) -> str:
    """Write a server's name as a key of JSON."""
    return re.sub("[^a-z0-9]+", "_", name.lower())


def figure(value: float, *, better: str, bound: float | None = None) -> dict[str, Any]:
    """Write one figure; without a bound it is only told."""
    met = None
    if bound is not None:
        met = value >= bound if better == "higher" else value <= bound
    return {"value": round(value, 4), "bound": bound, "better": better, "met": met}


if __name__ == "__main__":
    main()
