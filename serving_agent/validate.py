"""The child that tries versions before the agent loads them.

A model file can crash, hang or eat all memory of the process that opens it.
Here that hurts nobody: this process has limits of its own, dies with its
parent, is the first the kernel kills for memory, and can write no file. Tasks
come in, findings go out, a line of JSON each, one at a time: starting Python
and the runtime takes longer than to try a small model.
"""

import ctypes
import math
import os
import resource
import signal
import sys
from pathlib import Path

import msgspec

PR_SET_PDEATHSIG = 1


class Task(msgspec.Struct):
    manifest: str
    model_file: str
    golden_file: str
    seconds: int
    memory_bytes: int


class Finding(msgspec.Struct):
    """What the child found. ``reason`` is empty when the version is good."""

    reason: str = ""
    detail: str = ""
    memory_bytes: int = 0
    peak_bytes: int = 0
    """What loading it took for a moment, which may be several times what it keeps."""
    passed: int = 0
    total: int = 0
    max_error: float = 0.0


def give_limits() -> None:
    """Take away what no version needs."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    os.nice(5)
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:  # no such file, or not allowed: the limits above still hold
        return


def limit(task: Task) -> None:
    """Limit what this task may take, beyond what the ones before took."""
    resource.setrlimit(resource.RLIMIT_AS, (task.memory_bytes, task.memory_bytes))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime) + task.seconds
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


def examine(task: Task) -> Finding:
    # Imported under the limits: the runtime itself counts too.
    from serving_agent import memory  # noqa: PLC0415
    from serving_agent.errors import Reason, VersionFailure  # noqa: PLC0415
    from serving_agent.manifests import parse_golden, parse_manifest  # noqa: PLC0415
    from serving_agent.onnx_session import open_session, run_golden  # noqa: PLC0415

    try:
        manifest = parse_manifest(Path(task.manifest).read_bytes())
        golden = parse_golden(Path(task.golden_file).read_bytes())
        memory.give_back()
        before = memory.begin_peak()
        session = open_session(Path(task.model_file), manifest)
        result = run_golden(session, manifest, golden)
    except VersionFailure as failure:
        return Finding(reason=failure.reason, detail=failure.detail[:1000])
    except MemoryError:
        return Finding(reason=Reason.OUT_OF_MEMORY, detail="the limit of memory was reached")
    peak = memory.peak_bytes()
    memory.give_back()
    return Finding(
        reason="" if result.passed == result.total else Reason.GOLDEN_MISMATCH,
        detail=result.detail,
        memory_bytes=max(0, memory.resident_bytes() - before),
        peak_bytes=max(0, peak - before),
        passed=result.passed,
        total=result.total,
        max_error=min(result.max_error, 1e300),
    )


def main() -> None:
    # Whatever the runtime prints goes to stderr; only findings go to stdout.
    answer = os.dup(1)
    os.dup2(2, 1)
    give_limits()
    for line in sys.stdin.buffer:
        task = msgspec.json.decode(line, type=Task)
        limit(task)
        os.write(answer, msgspec.json.encode(examine(task)) + b"\n")


if __name__ == "__main__":
    main()
