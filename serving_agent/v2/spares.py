"""Lets the spare answer where the champion cannot.

The same inputs are read anew, for another version may see them otherwise. If
they do not fit the spare, or it fails too, what became of the champion stands.
A caller's mistake is told by the champion and never reaches the spare.
"""

import asyncio
import contextlib
import logging
import time

from serving_agent.errors import BadRequest
from serving_agent.loaded import Loaded, rows_of
from serving_agent.routing import Instead
from serving_agent.runtime import Routes
from serving_agent.seldom import Seldom
from serving_agent.v2 import infer
from serving_agent.v2.workers import Outputs, Workers, outcome, work_of

logger = logging.getLogger(__name__)

Scored = tuple[Loaded, infer.Call, Outputs, Instead | None]
"""Who answered, the call as it was read for that version, and why it was not the champion."""


class _Late(Exception):
    """The deadline passed; the champion may still answer."""

    def __init__(self, answer: asyncio.Future[Outputs]) -> None:
        super().__init__("over its deadline")
        self.answer = answer


class Spares:
    """``factor`` times the latency budget, for each transaction, is how long a champion may take.

    Only work in a thread can be left alone; what runs on the event loop is measured afterwards.
    """

    def __init__(self, workers: Workers, own: Workers, *, factor: float) -> None:
        self._workers, self._own, self._factor = workers, own, factor
        self._worth_a_line = Seldom()

    async def score(
        self, asked: infer.Asked, call: infer.Call, routes: Routes, *, pipeline: bytes | None
    ) -> Scored:
        """Score a call that is the champion's, and has been read for it.

        Raises:
            BadRequest: the caller's fault; 503 if the champion is known to be wrong and the spare
                cannot answer.
        """
        champion, spare = routes.champion, routes.spare
        if champion is None or spare is None:
            raise BadRequest("nothing answers now", status=503)
        if champion is spare:
            return await self._in_place(spare, call, stopped=routes.rule.stopped)
        if champion.is_wrong and not spare.is_wrong:
            found = await self._ask(spare, asked, Instead.GOLDEN, pipeline)
            if found is None:
                raise BadRequest("the champion is wrong, and the spare cannot answer", status=503)
            return found
        return await self._beside(champion, call, spare=spare, asked=asked, pipeline=pipeline)

    async def _in_place(self, spare: Loaded, call: infer.Call, *, stopped: bool) -> Scored:
        instead = Instead.STOPPED if stopped else Instead.MISSING
        outputs = await self._workers.run(spare, call)
        spare.spare_answers[instead] += 1
        return spare, call, outputs, instead

    async def _beside(
        self,
        champion: Loaded,
        call: infer.Call,
        *,
        spare: Loaded,
        asked: infer.Asked,
        pipeline: bytes | None,
    ) -> Scored:
        try:
            return champion, call, await self._in_time(champion, call), None
        except BadRequest:
            raise
        except _Late as late:
            found = await self._ask(spare, asked, Instead.DEADLINE, pipeline)
            if found is None:
                return champion, call, await outcome(late.answer), None
            _let_go(late.answer)
        except Exception:
            found = await self._ask(spare, asked, Instead.ERROR, pipeline)
            if found is None:
                raise
            if self._worth_a_line.due(champion.digest):
                logger.exception("%s failed, the spare answered", _name(champion))
        champion.count(milliseconds=0.0, failed=True)
        return found

    async def check(self, champion: Loaded, spare: Loaded) -> tuple[Loaded, bool]:
        """Tell who answers now, and whether its golden transaction comes out right."""
        with contextlib.suppress(BadRequest):  # Too much waits for the champion.
            if await self._workers.check(champion, seconds=self._seconds(champion, 1)):
                return champion, True
        return spare, await self._own.check(spare)

    async def _in_time(self, champion: Loaded, call: infer.Call) -> Outputs:
        rows, began = rows_of(call.inputs), time.perf_counter()
        seconds = self._seconds(champion, rows)
        if seconds is None or not champion.is_dear(rows) or not champion.acquire():
            outputs = await self._workers.run(champion, call)
            took = time.perf_counter() - began
            champion.over_deadline += seconds is not None and took > seconds
            return outputs
        try:
            # In flight until its worker is done, also when nobody waits for it any more.
            answer = self._workers.begin(work_of(champion, call), then=champion.release)
        except BadRequest:
            champion.release()
            raise
        done, _ = await asyncio.wait({answer}, timeout=seconds)
        if not done:
            champion.over_deadline += 1
            raise _Late(answer)
        return await outcome(answer)

    def _seconds(self, champion: Loaded, rows: int) -> float | None:
        budget = champion.budget_ms
        return None if budget is None else budget * self._factor * max(rows, 1) / 1000

    async def _ask(
        self, spare: Loaded, asked: infer.Asked, instead: Instead, pipeline: bytes | None
    ) -> Scored | None:
        if spare.is_wrong or not spare.acquire():
            return None
        try:
            asked.tail.rewind()
            call = infer.read(asked, spare, pipeline=pipeline)
            outputs = await self._own.run(spare, call)
        except BadRequest:
            return None
        except Exception:
            spare.count(milliseconds=0.0, failed=True)
            if self._worth_a_line.due(spare.digest):
                logger.exception("%s, the spare, failed too", _name(spare))
            return None
        finally:
            spare.release()
        spare.spare_answers[instead] += 1
        return spare, call, outputs, instead


def _name(one: Loaded) -> str:
    return f"{one.model} version {one.version}"


def _let_go(answer: asyncio.Future[Outputs]) -> None:
    """Wait for an answer no longer, and hear of its failure without a word."""
    if not answer.cancel():
        answer.cancelled() or answer.exception()
