"""One process with one model in memory, which does as it is told line by line.

    python -m benchmarks.forest_worker KIND FILE ROWS        KIND: sklearn or onnx

Each line on standard input is a JSON array: the name of a measurement, and its arguments.
Each line on standard output is what was measured.
"""

import ctypes
import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving_agent import large_pages

Rows = NDArray[np.float32]
Predict = Callable[[Rows], NDArray[Any]]


def _sklearn(file: str) -> Predict:
    import joblib

    forest = joblib.load(file)
    found: Predict = forest.predict_proba
    return found


def _onnx(file: str) -> Predict:
    """Open a model with the agent's options."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda rows: session.run(["probabilities"], {"X": rows})[0]


LOADERS = {"sklearn": _sklearn, "onnx": _onnx}
IMPORTS = {"sklearn": "sklearn.ensemble", "onnx": "onnxruntime"}


class Worker:
    """What can be measured of a model."""

    def __init__(self, kind: str, file: str, rows: Rows) -> None:
        self.kind, self.file, self.rows = kind, file, rows
        __import__(IMPORTS[kind])
        self.predict: Predict | None = None

    def load(self) -> dict[str, float]:
        """Load the model: seconds, the most memory meanwhile, and what stays."""
        began, before = time.monotonic(), _resident()
        self.predict = LOADERS[self.kind](self.file)
        _give_back()
        if self.kind == "onnx" and _resident() - before > large_pages.WORTH_IT_BYTES:
            large_pages.merge()  # As the agent does.
        seconds = time.monotonic() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {"seconds": seconds, "peak": peak, "resident": _resident()}

    def drop(self) -> dict[str, float]:
        """Let go of the model."""
        self.predict = None
        _give_back()
        return {"resident": _resident()}

    def single(self, first: int, count: int) -> list[float]:
        """Ask for rows one by one; return the milliseconds each took."""
        predict = self._loaded()
        took = []
        for place in range(first, first + count):
            row = self.rows[[place % len(self.rows)]]
            began = time.perf_counter()
            predict(row)
            took.append((time.perf_counter() - began) * 1000)
        return took

    def batch(self, count: int, threads: int) -> dict[str, float]:
        """Ask for many rows in pieces of 100, by so many threads at once."""
        predict = self._loaded()
        pieces = [self.rows[at : at + 100] for at in range(0, count, 100)]
        with ThreadPoolExecutor(threads) as pool:
            began = time.perf_counter()
            list(pool.map(predict, pieces))
            seconds = time.perf_counter() - began
        return {"rows_per_second": count / seconds, "resident": _resident()}

    def wrong(self, expected: str) -> int:
        """Count the rows whose answers differ in any bit from those in a file."""
        predict = self._loaded()
        answers = np.concatenate(
            [predict(self.rows[at : at + 1000]) for at in range(0, len(self.rows), 1000)]
        )
        return int((answers != np.load(expected)).any(axis=1).sum())

    def _loaded(self) -> Predict:
        if self.predict is None:
            sys.exit("nothing is loaded")
        return self.predict


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _give_back() -> None:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def main() -> None:
    """Do as told until standard input ends."""
    kind, file, rows = sys.argv[1:]
    worker = Worker(kind, file, np.load(rows))
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(getattr(worker, name)(*arguments)), flush=True)


if __name__ == "__main__":
    main()
