"""From files on disk to a version in memory: checked, tried in a child, opened, measured."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from serving_agent import large_pages, memory
from serving_agent.attempts import TRIES
from serving_agent.errors import CrashLoop
from serving_agent.loaded import Loaded
from serving_agent.manifests import Manifest
from serving_agent.onnx_session import RUNTIME_VERSION, open_session
from serving_agent.plan import Wanted
from serving_agent.state import State
from serving_agent.store import Store
from serving_agent.validate import Finding
from serving_agent.validation import Limits, Validator


@dataclass(frozen=True, slots=True)
class Tried:
    """A version that a child has found good."""

    wanted: Wanted
    manifest: Manifest
    path: Path
    finding: Finding

    @property
    def need_bytes(self) -> int:
        """What must be free for it to load, if only for a moment."""
        return max(self.finding.memory_bytes, self.finding.peak_bytes)


class Loader:
    """Used by the working thread alone: one version after the other."""

    def __init__(self, *, state: State, store: Store, limits: Limits, dear_ms: float) -> None:
        self._state, self._store, self._dear_ms = state, store, dear_ms
        self._validator = Validator(limits)

    def rest(self) -> None:
        """Keep no child while there is nothing to try."""
        self._validator.end()

    def try_out(self, wanted: Wanted, *, still: Callable[[], bool]) -> Tried:
        """Check a version's files, and let a child load it.

        Raises:
            VersionFailure: it is not good, and why.
            Abandoned: ``still`` said that nobody wants it any more.
        """
        manifest = self._store.manifest(wanted.digest, model=wanted.model)
        self._store.verify(manifest)
        path = self._store.model_path(wanted.digest, manifest)
        finding = self._state.finding(wanted.digest, runtime=RUNTIME_VERSION)
        if finding is None:
            golden = self._store.blobs / manifest.only("golden").sha256
            files = (self._store.blobs / wanted.digest, path, golden)
            finding = self._validator.validate(files, wanted=still)
            self._store.verify(manifest)  # The child may have taken minutes.
            self._state.save_finding(wanted.digest, finding, runtime=RUNTIME_VERSION)
        return Tried(wanted, manifest, path, finding)

    def open(self, tried: Tried, *, generation: int) -> Loaded:
        """Load a version into this very process, and measure what it takes.

        Raises:
            CrashLoop: loading it has ended this process before, and more than once.
            VersionFailure: it does not open, or does not reproduce its golden transactions.
        """
        wanted, manifest = tried.wanted, tried.manifest
        if self._state.begin_loading(wanted.digest, generation=generation) >= TRIES:
            raise CrashLoop(f"loading it ended the agent {TRIES} times")
        try:
            memory.give_back()
            started, before = time.perf_counter(), memory.resident_bytes()
            loaded = Loaded(
                wanted,
                manifest=manifest,
                session=open_session(tried.path, manifest),
                golden=self._store.golden(manifest),
                dear_ms=self._dear_ms,
            )
            loaded.warm_up()
            memory.give_back()
            if memory.resident_bytes() - before > large_pages.WORTH_IT_BYTES:
                large_pages.merge()
            loaded.load_seconds = time.perf_counter() - started
            loaded.memory_bytes = max(0, memory.resident_bytes() - before)
            loaded.need_bytes = tried.need_bytes
        finally:
            self._state.end_loading(wanted.digest, generation=generation)
        return loaded
