"""Local rollback: a former champion answers on this host, whatever the control plane says.

For a host that is cut off. It never fetches: it takes what is in memory or on disk, puts the
golden transactions to it first, and says plainly that the agent now answers otherwise than
was decided. The override stands until the control plane names another champion of that model
(``serving_agent.overrides``) or somebody on the host resumes.
"""

import logging
import threading
import time
import uuid
from collections.abc import Iterator

from serving_agent import overrides, plan
from serving_agent.errors import NotLoaded, RollbackRefused, VersionFailure
from serving_agent.loaded import Loaded
from serving_agent.local_control import Asked, Said
from serving_agent.plan import Role, Wanted
from serving_agent.reconcile import Reconciler
from serving_agent.runtime import Runtime
from serving_agent.state import Override
from serving_agent.store import Store

logger = logging.getLogger(__name__)

LOOK = 0.02
PROOF_SECONDS = 3.0
"""How long a version in memory has for its golden transactions, before it counts as hanging."""


class Rollbacks:
    def __init__(
        self, reconciler: Reconciler, *, runtime: Runtime, store: Store, seconds: float
    ) -> None:
        self._reconciler, self._runtime, self._store = reconciler, runtime, store
        self._seconds = seconds

    def answer(self, asked: Asked, by: str) -> Said:
        """Do what somebody on the host asks."""
        try:
            match asked.action:
                case "rollback":
                    return Said(done=True, text=self._roll_back(asked, by))
                case "resume":
                    return Said(done=True, text=self._resume(asked.model, by))
                case "status":
                    return Said(done=True, text=self._status())
        except RollbackRefused as exc:
            return Said(done=False, text=str(exc))

    def _roll_back(self, asked: Asked, by: str) -> str:
        generation, decided = self._reconciler.decided(asked.model)
        champion = next((one for one in decided if one.slot == Role.CHAMPION), None)
        if champion is None:
            raise RollbackRefused(f"no champion of {asked.model!r} was decided for this agent")
        chosen = self._chosen(decided, champion, asked.version)
        self._prove(chosen)
        override = Override(
            id=str(uuid.uuid4()),
            model=chosen.model,
            version=chosen.version,
            digest=chosen.digest,
            instead=champion.digest,
            generation=generation,
            at=time.time(),
            reason=asked.reason,
            by=by,
        )
        kept = self._reconciler.override(override)
        logger.warning("%s rolls %s back to version %d", by, chosen.model, chosen.version)
        self._wait(chosen, override)
        return "\n".join(_confirmation(chosen, champion, generation, kept=kept))

    def _chosen(self, decided: list[Wanted], champion: Wanted, number: int | None) -> Wanted:
        name = champion.model
        if number == champion.version:
            raise RollbackRefused(f"version {number} of {name} is what was decided: resume it")
        chosen = overrides.former(decided, number=number)
        if chosen is None:
            what = f"version {number} is no" if number else "there is no"
            raise RollbackRefused(f"{what} former champion of {name} that this agent keeps")
        if chosen.digest not in self._store.held() and self._loaded(chosen) is None:
            raise RollbackRefused(f"the files of {name} version {chosen.version} are not all here")
        return chosen

    def _loaded(self, wanted: Wanted) -> Loaded | None:
        there = (one for one in self._runtime.loaded() if (one.model, one.digest) == wanted.key)
        return next(there, None)

    def _prove(self, chosen: Wanted) -> None:
        """Put its golden transactions to a version in memory. One on disk is tried when it loads.

        Raises:
            RollbackRefused: it answers them otherwise, or not at all.
        """
        loaded = self._loaded(chosen)
        if loaded is None:
            return
        said: list[str] = []

        def prove() -> None:
            try:
                loaded.prove()
            except NotLoaded:  # It left meanwhile, and comes back from disk.
                said.append("")
            except VersionFailure as exc:
                said.append(str(exc))
            else:
                said.append("")

        thread = threading.Thread(target=prove, name="golden", daemon=True)
        thread.start()
        thread.join(PROOF_SECONDS)
        if said != [""]:
            why = said[0] if said else f"it did not answer within {PROOF_SECONDS:g} s"
            raise RollbackRefused(f"version {chosen.version} fails its golden transactions: {why}")

    def _wait(self, chosen: Wanted, override: Override) -> None:
        """Return once it answers.

        Raises:
            RollbackRefused: it cannot, and then nothing has changed.
        """
        deadline = time.monotonic() + self._seconds
        while self._answering(chosen.model) != chosen.digest:
            if self._reconciler.overrides.of(chosen.model) != override:
                raise RollbackRefused("something else was decided meanwhile")
            if why := self._reconciler.failure(chosen.key):
                self._reconciler.resume(chosen.model, how="failed")
                raise RollbackRefused(f"version {chosen.version} cannot answer: {why}")
            if time.monotonic() > deadline:
                raise RollbackRefused(
                    f"version {chosen.version} does not answer yet: it goes on loading, and answers"
                    f" once it can, unless you resume {chosen.model}"
                )
            time.sleep(LOOK)

    def _answering(self, model: str) -> str | None:
        routes = self._runtime.table.models.get(model)
        return routes.champion.digest if routes and routes.champion else None

    def _resume(self, model: str, by: str) -> str:
        if self._reconciler.overrides.of(model) is None:
            raise RollbackRefused(f"{model!r} is not rolled back on this host")
        self._reconciler.resume(model, how="resumed")
        logger.warning("%s lets %s follow the control plane again", by, model)
        return f"{model} follows again what was decided."

    def _status(self) -> str:
        lines = [self._line(model) for model in sorted(self._runtime.known)]
        return "\n".join(lines) or "no model was decided for this agent"

    def _line(self, model: str) -> str:
        _, decided = self._reconciler.decided(model)
        champion = next((one for one in decided if one.slot == Role.CHAMPION), None)
        routes = self._runtime.table.models.get(model)
        now = routes.champion if routes else None
        answers = f"version {now.version} answers" if now else "nobody answers"
        named = f"decided is version {champion.version}" if champion else "no champion is decided"
        slots = (Role.BAKE, Role.SPARE, plan.HOLD)
        back = sorted(one.version for one in decided if one.slot in slots)
        kept = f"former champions kept: {', '.join(map(str, back))}" if back else "none kept"
        override = self._reconciler.overrides.of(model)
        taken = f"; ROLLED BACK HERE by {override.by}: {override.reason}" if override else ""
        return f"{model}: {answers}; {named}; {kept}{taken}"


def _confirmation(
    chosen: Wanted, champion: Wanted, generation: int, *, kept: bool
) -> Iterator[str]:
    """Say what is so now, and that it is not what was decided."""
    name = chosen.model
    yield f"{name} version {chosen.version} answers here now ({chosen.digest[:12]})."
    decided = f"version {champion.version}, by generation {generation}"
    yield f"This is NOT what was decided: that is {decided}."
    yield "It stays so until the control plane names another champion of this model, or until"
    yield f"`serving_agent resume {name}`. Other models follow what is decided. It is reported"
    yield "and recorded once the control plane can be reached."
    if not kept:
        yield "It could not be written to disk, so it will NOT outlive a restart of this agent."
