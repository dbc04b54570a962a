"""The child that tries a version before the agent loads it.

A model file can crash, hang or eat all memory of the process that opens it.
Here that hurts nobody: this process has limits of its own, dies with its
parent, is the first the kernel kills for memory, and can write no file. It
says what it found in one line of JSON.
"""

import ctypes
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
    passed: int = 0
    total: int = 0
    max_error: float = 0.0


def limit(task: Task) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (task.memory_bytes, task.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (task.seconds, task.seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    os.nice(5)
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:  # no such file, or not allowed: the limits above still hold
        return


def examine(task: Task) -> Finding:
    # Imported under the limits: the runtime itself counts too.
    from serving_agent.errors import Reason, VersionFailure  # noqa: PLC0415
    from serving_agent.manifests import parse_golden, parse_manifest  # noqa: PLC0415
    from serving_agent.memory import give_back, resident_bytes  # noqa: PLC0415
    from serving_agent.onnx_session import open_session, run_golden  # noqa: PLC0415

    try:
        manifest = parse_manifest(Path(task.manifest).read_bytes())
        golden = parse_golden(Path(task.golden_file).read_bytes())
        before = resident_bytes()
        session = open_session(Path(task.model_file), manifest)
        result = run_golden(session, manifest, golden)
    except VersionFailure as failure:
        return Finding(reason=failure.reason, detail=failure.detail[:1000])
    except MemoryError:
        return Finding(reason=Reason.OUT_OF_MEMORY, detail="the limit of memory was reached")
    give_back()
    return Finding(
        reason="" if result.passed == result.total else Reason.GOLDEN_MISMATCH,
        detail=result.detail,
        memory_bytes=max(0, resident_bytes() - before),
        passed=result.passed,
        total=result.total,
        max_error=min(result.max_error, 1e300),
    )


def main() -> None:
    task = msgspec.json.decode(sys.argv[1], type=Task)
    # Whatever the runtime prints goes to stderr; only the finding goes to stdout.
    answer = os.dup(1)
    os.dup2(2, 1)
    limit(task)
    os.write(answer, msgspec.json.encode(examine(task)) + b"\n")


if __name__ == "__main__":
    main()
