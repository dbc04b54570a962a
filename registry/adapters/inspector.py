"""Run an inspection in a process of its own, and make sure that it ends.

The process gets limits, a folder of files to look at, and nothing else: no
environment, no open descriptors. However it ends, there is an answer.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import cast

import registry
from governance.errors import Unavailable
from registry.adapters.store import Store
from registry.inspecting.__main__ import OUT_OF_MEMORY
from registry.inspecting.limits import Limits

logger = logging.getLogger(__name__)

_ROOT = Path(registry.__file__).resolve().parent.parent
_MOST_OUTPUT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """Reasons to reject (none: it is in order) and facts."""

    reasons: list[dict[str, str]]
    facts: dict[str, object]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is inspected: the manifest, and the digests of the two files that are read."""

    model: str
    manifest: str
    onnx: str
    golden: str

    def files(self) -> Mapping[str, str]:
        """Name each file as the inspecting process expects it."""
        return {"manifest.json": self.manifest, "model": self.onnx, "golden.json": self.golden}


def inspect(subject: Subject, *, store: Store, limits: Limits | None = None) -> Outcome:
    """Fetch a version's files and inspect them. Takes seconds to minutes; never in a transaction.

    Raises:
        NotFound: a file is not in the store.
        Unavailable: the store, or starting a process, does not work now.
    """
    with tempfile.TemporaryDirectory(prefix="lockgate-inspection-") as name:
        folder = Path(name)
        size = sum(
            _fetch(sha256, folder / name, store=store) for name, sha256 in subject.files().items()
        )
        return _run(folder, model=subject.model, limits=limits or Limits.for_files(size))


def _fetch(sha256: str, path: Path, *, store: Store) -> int:
    with store.open_read(sha256) as reader:
        try:
            with path.open("wb") as file:
                for piece in reader:
                    file.write(piece)
        except OSError as error:
            message = f"There is no room to inspect: {error.strerror}."
            raise Unavailable(message) from error
        return reader.size


def _run(folder: Path, *, model: str, limits: Limits) -> Outcome:
    arguments = [str(folder), model, str(limits.memory), str(limits.cpu)]
    started = monotonic()
    try:
        process = subprocess.Popen(
            [sys.executable, "-s", "-m", "registry.inspecting", *arguments],
            cwd=_ROOT,
            env={"OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        message = f"No inspection could be started: {error.strerror}."
        raise Unavailable(message) from error
    with process:
        output, errors, in_time = _wait(process, seconds=limits.wall)
    if not in_time:
        return _failed("timeout", f"The inspection took longer than {limits.wall:.0f} seconds.")
    outcome = _outcome(process.returncode, output, errors)
    return Outcome(outcome.reasons, outcome.facts | {"seconds": round(monotonic() - started, 3)})


def _wait(process: subprocess.Popen[bytes], *, seconds: float) -> tuple[bytes, bytes, bool]:
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
        return output, errors, False
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return output, errors, True


def _outcome(code: int, output: bytes, errors: bytes) -> Outcome:
    if code == 0 and len(output) <= _MOST_OUTPUT:
        answer = json.loads(output)
        return Outcome(
            cast("list[dict[str, str]]", answer["reasons"]),
            cast("dict[str, object]", answer["facts"]),
        )
    if code == OUT_OF_MEMORY or b"bad_alloc" in errors or b"MemoryError" in errors:
        return _failed("out_of_memory", "The inspection needed more memory than such files do.")
    if -code in {signal.SIGXCPU, signal.SIGKILL}:
        return _failed("timeout", "The inspection used more time than such files need.")
    logger.error("an inspection died: %r", errors[-2_000:])
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"code {code}"
    return _failed("crashed", f"The inspection died of these files: {name}.")


def _failed(code: str, detail: str) -> Outcome:
    return Outcome([{"code": code, "detail": detail}], {})
