"""The large forest: scikit-learn on one core, skl2onnx, and what `lockgate convert` writes.

250 trees of 100,000 nodes, 40 features, in process and over HTTP from a real agent, all in
one run. The baseline is scikit-learn with `n_jobs=1`, which answers single rows fastest.
skl2onnx runs out of memory on this forest, so it stands beside ours on every tenth tree.

    python -m benchmarks.forest --home FOLDER [--cache FOLDER] [--small] [--runs 3]

It prints a table, and then one line of JSON. It fails for wrong answers, not for slowness.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.forest_agent import Agent, calling
from benchmarks.forest_material import FULL, SMALL, Size

BLOCKS = 5
WARM = 200
WARM_UP_SECONDS = 3
GB = 1e9
BOUNDS: dict[str, tuple[float | None, str]] = {
    "single_mean_times_faster": (50, "higher"),
    "single_p99_times_faster": (30, "higher"),
    "http_p99_of_baseline_p99": (0.1, "lower"),
    "resident_gb": (1.5, "lower"),
    "load_peak_gb": (2.6, "lower"),
    "two_cores_times_rows": (1.7, "higher"),
    "two_cores_times_memory": (1.1, "lower"),
    "wrong_rows": (0, "lower"),
    "cycles_times_resident": (1.1, "lower"),
    "swap_failed": (0, "lower"),
    "swap_p99_times_before": (3, "lower"),
    "batch_times_faster": (None, "higher"),
    "tenth_single_times_skl2onnx": (None, "higher"),
    "tenth_load_times_skl2onnx": (None, "higher"),
    "load_seconds": (None, "lower"),
    "convert_seconds": (None, "lower"),
    "onnx_mb": (None, "lower"),
    "baseline_mean_ms": (None, "lower"),
    "baseline_p99_ms": (None, "lower"),
    "mean_ms": (None, "lower"),
    "p99_ms": (None, "lower"),
    "http_p50_ms": (None, "lower"),
    "http_p99_ms": (None, "lower"),
}


class Process:
    """A worker of its own, and what it measures."""

    def __init__(self, kind: str, file: Path, rows: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.forest_worker", kind, str(file), str(rows)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def measure(self, name: str, *arguments: Any) -> Any:
        """Let it measure something."""
        told, said = self._process.stdin, self._process.stdout
        if told is None or said is None:
            raise RuntimeError("a worker is told and says things")
        told.write(json.dumps([name, *arguments]) + "\n")
        told.flush()
        if not (line := said.readline()):
            sys.exit(f"the worker died while it measured {name}: {self._process.wait()}")
        return json.loads(line)

    def end(self) -> None:
        """End it."""
        self._process.communicate()


@dataclass
class Run:
    """One run's figures, by name, and lines for people."""

    figures: dict[str, list[float]] = field(default_factory=dict)

    def note(self, **measured: float) -> None:
        """Add one measurement of each."""
        for name, value in measured.items():
            self.figures.setdefault(name, []).append(float(value))


def main() -> None:
    """Make the files, measure in process and over HTTP, and tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache/forest"))
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    size = SMALL if asked.small else FULL
    shutil.rmtree(asked.home, ignore_errors=True)
    asked.home.mkdir(parents=True)
    _say("making the files")
    facts = _make(asked)
    run = Run()
    run.note(convert_seconds=facts["convert_seconds"], onnx_mb=facts["onnx_bytes"] / 1e6)
    place = asked.cache / size.name
    for number in range(asked.runs):
        _say(f"run {number + 1} of {asked.runs}, in process")
        _in_process(run, place, asked.home, size=size)
        _tenth(run, place, asked.home, size=size)
    _say(f"{size.cycles} cycles of loading and unloading")
    _cycles(run, place, asked.home, size=size)
    _over_http(run, place, asked.home, size=size, runs=asked.runs)
    _tell(run, facts, runs=asked.runs)


def _make(asked: argparse.Namespace) -> dict[str, Any]:
    small = ["--small"] if asked.small else []
    command = [sys.executable, "-m", "benchmarks.forest_material"]
    done = subprocess.run(
        [*command, str(asked.cache), str(asked.home), *small],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def _in_process(run: Run, place: Path, home: Path, *, size: Size) -> None:
    """Put the same rows to scikit-learn and to ours, in turns."""
    rows = place / "rows.npy"
    theirs = Process("sklearn", place / "forest.joblib", rows)
    ours = Process("onnx", home / "ours.onnx", rows)
    loads = theirs.measure("load"), ours.measure("load")
    run.note(
        baseline_load_seconds=loads[0]["seconds"],
        baseline_resident_gb=loads[0]["resident"] / GB,
        load_seconds=loads[1]["seconds"],
        load_peak_gb=loads[1]["peak"] / GB,
        resident_gb=loads[1]["resident"] / GB,
    )
    slow, fast = _in_turns(theirs, ours, count=size.single)
    run.note(
        baseline_mean_ms=statistics.fmean(slow), baseline_p99_ms=_p99(slow),
        mean_ms=statistics.fmean(fast), p99_ms=_p99(fast),
        single_mean_times_faster=statistics.fmean(slow) / statistics.fmean(fast),
        single_p99_times_faster=_p99(slow) / _p99(fast),
    )  # fmt: skip
    many = theirs.measure("batch", size.rows // 5, 1)["rows_per_second"]
    one, two = ours.measure("batch", size.rows, 1), ours.measure("batch", size.rows, 2)
    run.note(
        baseline_rows_per_second=many, rows_per_second=one["rows_per_second"],
        rows_per_second_two=two["rows_per_second"],
        batch_times_faster=one["rows_per_second"] / many,
        two_cores_times_rows=two["rows_per_second"] / one["rows_per_second"],
        two_cores_times_memory=two["resident"] / one["resident"],
        wrong_rows=ours.measure("wrong", str(home / "expected.npy")),
    )  # fmt: skip
    theirs.end()
    ours.end()


def _tenth(run: Run, place: Path, home: Path, *, size: Size) -> None:
    """Put every tenth tree, by skl2onnx and by us, side by side."""
    rows = place / "rows.npy"
    plain = Process("onnx", place / "skl2onnx.onnx", rows)
    ours = Process("onnx", home / "tenth.onnx", rows)
    loads = plain.measure("load"), ours.measure("load")
    slow, fast = _in_turns(plain, ours, count=size.single)
    means = statistics.fmean(slow), statistics.fmean(fast)
    run.note(
        plain_tenth_load_seconds=loads[0]["seconds"], tenth_load_seconds=loads[1]["seconds"],
        plain_tenth_peak_gb=loads[0]["peak"] / GB, tenth_peak_gb=loads[1]["peak"] / GB,
        plain_tenth_resident_gb=loads[0]["resident"] / GB,
        tenth_resident_gb=loads[1]["resident"] / GB,
        plain_tenth_mean_ms=means[0], tenth_mean_ms=means[1],
        plain_tenth_p99_ms=_p99(slow), tenth_p99_ms=_p99(fast),
        tenth_single_times_skl2onnx=means[0] / means[1],
        tenth_load_times_skl2onnx=loads[0]["seconds"] / loads[1]["seconds"],
    )  # fmt: skip
    plain.end()
    ours.end()


def _in_turns(slow: Process, fast: Process, *, count: int) -> tuple[list[float], list[float]]:
    """Ask both for single rows, in blocks one after the other, so that both meet the same noise.

    The first rows of a block do not count: the processor's caches hold the other's forest.
    """
    took: tuple[list[float], list[float]] = ([], [])
    for block in range(BLOCKS):
        for process, its in zip((slow, fast), took, strict=True):
            process.measure("single", block * WARM, WARM)
            its.extend(process.measure("single", block * count // BLOCKS, count // BLOCKS))
    return took


def _cycles(run: Run, place: Path, home: Path, *, size: Size) -> None:
    """Load and unload a model again and again, and compare what stays with the start."""
    process = Process("onnx", home / "ballast.onnx", place / "rows.npy")
    process.measure("load")
    start = process.measure("drop")["resident"]
    for _ in range(size.cycles):
        loaded = process.measure("load")["resident"]
        process.measure("single", 0, 10)
        left = process.measure("drop")["resident"]
    run.note(
        cycles_times_resident=left / start, cycles_start_mb=start / 1e6,
        cycles_model_mb=(loaded - left) / 1e6, cycles_end_mb=left / 1e6,
    )  # fmt: skip
    process.end()


def _over_http(run: Run, place: Path, home: Path, *, size: Size, runs: int) -> None:
    """Call a real agent at a steady rate, and swap the forest for another one meanwhile.

    The baseline is asked right before and after each run, so that both meet the same noise.
    """
    rows, expected = place / "rows.npy", home / "expected.npy"
    _say("starting the agent")
    theirs = Process("sklearn", place / "forest.joblib", rows)
    theirs.measure("load")
    agent = Agent(
        home / "agent", onnx=home / "ours.onnx", rows=np.load(rows), expected=np.load(expected)
    )
    try:
        memory = agent.memory()
        run.note(**{f"agent_{name}_gb": value / GB for name, value in memory.items()})
        for number in range(runs):
            _say(f"run {number + 1} of {runs}, over HTTP and through a swap")
            slow = _alone(theirs, count=size.single // 2)
            before = _called(run, agent, rows, expected, size=size)
            slow += _alone(theirs, count=size.single // 2)
            run.note(
                beside_p99_ms=_p99(slow),
                http_p50_ms=statistics.median(before), http_p99_ms=_p99(before),
                http_p99_of_baseline_p99=_p99(before) / _p99(slow),
            )  # fmt: skip
    finally:
        agent.close()
        theirs.end()


def _alone(process: Process, *, count: int) -> list[float]:
    process.measure("single", 0, WARM)
    took: list[float] = process.measure("single", WARM, count)
    return took


def _called(run: Run, agent: Agent, rows: Path, expected: Path, *, size: Size) -> list[float]:
    """Call the agent, and swap its forest; return how long the calls before that took."""
    with calling(agent.url, rows, expected) as answers:
        time.sleep(WARM_UP_SECONDS)
        start = time.perf_counter()
        time.sleep(size.seconds)
        middle = time.perf_counter()
        agent.swap()
        end = time.perf_counter()
    before, during = answers.between(start, middle), answers.between(middle, end)
    run.note(
        swap_p99_ms=_p99(during), swap_p99_times_before=_p99(during) / _p99(before),
        swap_longest_ms=max(during), swap_seconds=end - middle,
        swap_failed=len(answers.failed), http_wrong=answers.wrong, http_calls=len(answers.took),
    )  # fmt: skip
    for line in answers.failed[:3]:
        _say(f"failed: {line}")
    return before


def _tell(run: Run, facts: dict[str, Any], *, runs: int) -> None:
    found = {name: statistics.median(values) for name, values in run.figures.items()}
    worst = {name: max(run.figures[name]) for name in ("wrong_rows", "swap_failed", "http_wrong")}
    found |= worst
    print(f"{facts['trees']} trees, {facts['nodes']:,} nodes, 40 features; median of {runs} runs")
    for line in _table(found, facts):
        print(line)
    figures = {
        name: {"value": _short(found[name]), "bound": bound, "better": better,
               "met": _met(found[name], bound, better)}
        for name, (bound, better) in BOUNDS.items()
    }  # fmt: skip
    print(json.dumps({"bench": "forest", "n": runs, "figures": figures}))
    if found["wrong_rows"] or found["http_wrong"]:
        sys.exit("answers were wrong")
    if not found["http_calls"]:
        sys.exit("nobody was answered")


def _table(found: dict[str, float], facts: dict[str, Any]) -> Iterable[str]:
    yield f"{'in process':38}{'load s':>8}{'peak GB':>9}{'stays GB':>9}{'mean ms':>9}{'p99 ms':>9}"
    rows = (
        ("baseline: scikit-learn, n_jobs=1", "baseline_", ("load_seconds", None, "resident_gb")),
        ("ours", "", ("load_seconds", "load_peak_gb", "resident_gb")),
        ("every tenth tree: skl2onnx", "plain_tenth_", ("load_seconds", "peak_gb", "resident_gb")),
        ("every tenth tree: ours", "tenth_", ("load_seconds", "peak_gb", "resident_gb")),
    )
    for title, prefix, names in rows:
        cells = [found[f"{prefix}{name}"] if name else None for name in names]
        cells += [found[f"{prefix}mean_ms"], found[f"{prefix}p99_ms"]]
        widths = (8, 9, 9, 9, 9)
        texts = ["-" if cell is None else f"{cell:.3f}" for cell in cells]
        yield f"{title:38}" + "".join(
            f"{text:>{width}}" for text, width in zip(texts, widths, strict=True)
        )
    yield (
        f"faster: {found['single_mean_times_faster']:.0f} times by mean,"
        f" {found['single_p99_times_faster']:.0f} times by p99;"
        f" batches of 100: {found['batch_times_faster']:.0f} times"
    )
    yield (
        f"two threads: {found['two_cores_times_rows']:.2f} times the rows/s of one,"
        f" {found['two_cores_times_memory']:.2f} times its memory"
    )
    yield (
        f"converted in {facts['convert_seconds']:.1f} s to {facts['onnx_bytes'] / 1e6:.0f} MB;"
        f" {found['wrong_rows']:.0f} wrong rows"
    )
    yield (
        f"over HTTP, 200 requests/s: p50 {found['http_p50_ms']:.2f} ms, p99"
        f" {found['http_p99_ms']:.2f} ms; {found['http_p99_of_baseline_p99']:.3f} of the"
        f" baseline's p99 in process right then, {found['beside_p99_ms']:.1f} ms;"
        f" agent holds {found['agent_resident_gb']:.2f} GB"
    )
    yield (
        f"through a swap ({found['swap_seconds']:.0f} s): p99 {found['swap_p99_ms']:.2f} ms,"
        f" longest {found['swap_longest_ms']:.1f} ms, {found['swap_failed']:.0f} failed"
    )
    yield (
        f"loaded and unloaded again and again ({found['cycles_model_mb']:.0f} MB):"
        f" {found['cycles_start_mb']:.0f} MB at the start, {found['cycles_end_mb']:.0f} at the end"
    )


def _met(value: float, bound: float | None, better: str) -> bool | None:
    if bound is None:
        return None
    return value >= bound if better == "higher" else value <= bound


def _p99(took: list[float]) -> float:
    return float(np.quantile(took, 0.99))


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
