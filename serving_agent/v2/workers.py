"""Scores what is cheap on the event loop, what is dear in a worker with an end to its queue."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import (
    InvalidArgument,
)

from serving_agent.errors import BadRequest
from serving_agent.loaded import Loaded, rows_of
from serving_agent.v2.admission import Admission
from serving_agent.v2.infer import Call

T = TypeVar("T")
Outputs = list[NDArray[Any]]
QUEUE_PER_THREAD = 32


class Workers:
    """Threads with one queue. All of it is called on the event loop."""

    def __init__(self, name: str, threads: int, admission: Admission) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = threads * QUEUE_PER_THREAD
        self._admission = admission
        self._queued = 0

    async def run(self, loaded: Loaded, call: Call) -> Outputs:
        """Score here what is cheap, in a worker what is dear: that costs more than a small tree.

        Raises:
            BadRequest: the model does not take these inputs, or too much waits already.
        """
        rows = rows_of(call.inputs)
        if loaded.is_dear(rows):
            return await outcome(self.begin(work_of(loaded, call)))
        try:
            return loaded.run(call.feeds, rows=rows)
        except InvalidArgument as exc:
            raise _not_taken(exc) from exc

    def begin(
        self, do: Callable[[], T], *, then: Callable[[], None] | None = None
    ) -> asyncio.Future[T]:
        """Put work into the queue. ``then`` is called once nobody works on it any more.

        Raises:
            BadRequest: 503, the queue is full.
        """
        if self._queued >= self._most:
            raise self._admission.overloaded("queue", "too many requests at once")
        self._queued += 1
        work = self._pool.submit(do)
        if then is not None:
            work.add_done_callback(lambda _: then())
        future = asyncio.wrap_future(work)
        future.add_done_callback(self._leave_queue)
        return future

    def _leave_queue(self, _: object) -> None:
        self._queued -= 1

    async def check(self, loaded: Loaded, *, seconds: float | None = None) -> bool:
        """Put the golden transaction to a version, and wait so long for it."""
        if not loaded.acquire():
            return False
        if not loaded.is_dear():
            try:
                return loaded.check()
            finally:
                loaded.release()
        try:
            future = self.begin(loaded.check, then=loaded.release)
        except BadRequest:
            loaded.release()
            raise
        done, _ = await asyncio.wait({future}, timeout=seconds)
        if not done:
            future.cancel()
        return bool(done) and future.result()


def work_of(loaded: Loaded, call: Call) -> Callable[[], Outputs]:
    """Say what a worker does; the time it waits for one counts from now."""
    rows = rows_of(call.inputs)
    return partial(loaded.run, call.feeds, rows=rows, asked=time.perf_counter())


async def outcome(future: asyncio.Future[Outputs]) -> Outputs:
    try:
        return await future
    except InvalidArgument as exc:
        raise _not_taken(exc) from exc


def _not_taken(exc: Exception) -> BadRequest:
    return BadRequest(f"the model does not take these inputs: {exc}"[:500])
