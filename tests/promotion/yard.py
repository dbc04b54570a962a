"""Operations on a small world, chosen by numbers, and what must hold after any of them.

The same operations serve a state machine, which picks them one by one, and many threads
that all do so at once. Each uses the services as their callers do, on the real database.
What the services refuse is part of the game; what they raise besides is a failure.
"""

import random
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from threading import Lock
from typing import Any, TypeVar

from django.db import transaction
from django.utils import timezone

from governance.actors import Actor
from governance.errors import GovernanceError
from governance.models import User
from promotion.models import Request, Rollout
from promotion.services import (
    agents,
    environments,
    histories,
    requests,
    rollbacks,
    rollouts,
    spares,
    stops,
    sweeping,
)
from registry.models import ModelVersion
from tests.promotion.conftest import PASSWORD, PROD, SET_UP, Rig, World

MODELS = ("credit-default", "fraud-score")
VERSIONS = 5
T = TypeVar("T")
Names = Sequence[str]


class Yard:
    """A world in which anything may be done, by anybody, in any order."""

    def __init__(
        self, world: World, actors: dict[str, Actor], kill: Callable[[int], str | None]
    ) -> None:
        self.world, self.actors, self._kill = world, actors, kill
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._lock = Lock()
        for model in MODELS:
            for _ in range(VERSIONS):
                world.version(model, authors=("mara",))
        for name in ("eu-1", "eu-2"):
            world.agent(name)
        world.agent("eu-dark", tier="dark")
        self._begin()

    def do(self, name: str, *numbers: int) -> str:
        """Do one operation; return its name, or the code it was refused with."""
        operation: Callable[..., str | None] = getattr(self, name)
        try:
            outcome = operation(*numbers) or "done"
        except GovernanceError as error:
            outcome = error.code
            if outcome == "history_lost":
                self._decide(numbers[-1] if numbers else 0)
        with self._lock:
            self.done[name] += 1
            if outcome != "done":
                self.refused[outcome] += 1
        return outcome

    def _begin(self) -> None:
        """Each model has a champion and one before it, by the way every promotion takes."""
        for model, number in ((model, number) for number in (1, 2) for model in MODELS):
            opened = requests.open_request(
                model=model,
                version=number,
                environment="prod-eu",
                to="production",
                reason="chance",
                actor=self.actors["asha"],
            )
            assert opened.request is not None
            self._sign(opened.request, self.actors["bram"], requests.approve)
            self.world.settle()

    def ask(self, which: int, to: int, who: int) -> None:
        version = _pick(list(ModelVersion.objects.order_by("model__name", "number")), which)
        requests.open_request(
            model=version.model.name,
            version=version.number,
            environment="prod-eu",
            to=_pick(("production", "production", "dark", "retired"), to),
            reason="chance",
            actor=self._who(("asha", "asha", "asha", "bram", "vera"), who),
        )

    def sign(self, which: int, who: int, how: int) -> str | None:
        request = _pick(list(Request.objects.filter(state="open").order_by("pk")), which)
        if request is None:
            return "nothing open"
        self._sign(
            request,
            self._who(("bram", "bram", "dina", "dina", "asha", "vera"), who),
            requests.reject if how % 8 == 0 else requests.approve,
            password="guess" if how % 8 == 1 else PASSWORD,
            content_hash="0" * 64 if how % 8 == 2 else request.content_hash,
        )
        return None

    def withdraw(self, which: int, who: int) -> str | None:
        request = _pick(list(Request.objects.exclude(kind="stop").order_by("pk")), which)
        if request is None:
            return "nothing asked"
        actor = self._who(("asha", "asha", "bram"), who)
        requests.withdraw(request_id=request.pk, reason="chance", actor=actor)
        return None

    def expire(self, which: int) -> str | None:
        request = _pick(list(Request.objects.order_by("pk")), which)
        later = timezone.now() + timedelta(days=30)
        if request is None or not requests.expire(request_id=request.pk, actor=SET_UP, now=later):
            return "nothing expires"
        return None

    def roll_back(self, model: int, to: int, who: int) -> None:
        rollbacks.rollback(
            environment="prod-eu",
            model=_pick(MODELS, model),
            reason="chance",
            to=_pick((None, None, 1, 2, 3), to),
            actor=self._who(("omar", "omar", "omar", "asha"), who),
        )

    def stop(self, model: int) -> None:
        stops.stop(
            environment="prod-eu",
            model=_pick(MODELS, model),
            reason="chance",
            actor=self.actors["omar"],
        )

    def name_spare(self, model: int, version: int) -> None:
        spares.name_spare(
            environment="prod-eu",
            model=_pick(MODELS, model),
            version=1 + version % VERSIONS,
            reason="chance",
            actor=self.actors["omar"],
        )

    def drop_spare(self, model: int) -> None:
        spares.drop_spare(
            environment="prod-eu",
            model=_pick(MODELS, model),
            reason="chance",
            actor=self.actors["omar"],
        )

    def obey(self, which: int) -> str | None:
        """One agent does what it was told last, and says so."""
        rig = self._rig(which)
        if rig is None:
            return "nobody there"
        rig.obey()
        return None

    def everybody(self) -> None:
        """All agents obey once."""
        for rig in list(self.world.rigs):
            rig.obey()

    def refuse(self, which: int, what: int) -> str | None:
        """One agent cannot load one of the versions it is told of."""
        rig = self._rig(which)
        if rig is None:
            return "nobody there"
        version = _pick(list(ModelVersion.objects.order_by("digest")), what)
        rig.broken = {version.digest: "LOAD_FAILED"}
        try:
            rig.obey()
        finally:
            rig.broken = {}
        return None

    def nack(self, which: int) -> str | None:
        """One agent refuses the newest document whole and keeps the one before."""
        rig = self._rig(which)
        if rig is None:
            return "nobody there"
        newest = int(rig.desired()["generation"])
        refused = {"generation": newest, "reason": "INVALID", "detail": "chance"}
        rig.say(max(newest - 1, 0), [], refused=refused)
        return None

    def stale(self, which: int, back: int) -> str | None:
        """A report that was overtaken, of a generation long gone."""
        rig = self._rig(which)
        if rig is None:
            return "nobody there"
        newest = int(rig.desired()["generation"])
        rig.say(max(newest - 1 - back % 5, 0), [])
        return None

    def lie(self, which: int, what: int) -> str | None:
        """One agent claims to answer with a version that nobody told it of."""
        rig = self._rig(which)
        if rig is None:
            return "nobody there"
        version = _pick(list(ModelVersion.objects.select_related("model").order_by("digest")), what)
        item = {
            "model": version.model.name,
            "version": version.number,
            "digest": version.digest,
            "role": "champion",
            "phase": "ready",
        }
        rig.say(int(rig.desired()["generation"]), [item])
        return None

    def run_ahead(self, which: int, _decision: int) -> str | None:
        """One agent has applied what was never published; an operator decides what holds."""
        rig = self._rig(which)
        if rig is None:
            return "nobody there"
        rig.say(int(rig.desired()["generation"]) + 5, [])
        return None

    def join(self, tier: int) -> str | None:
        if len(self.world.rigs) > 6:
            return "enough agents"
        self.world.agent(f"more-{uuid.uuid4().hex[:8]}", tier=_pick(("live", "live", "dark"), tier))
        return None

    def leave(self, which: int) -> str | None:
        """One agent leaves; it may come back by reporting."""
        rig = self._rig(which)
        if rig is None:
            return "nobody there"
        agents.leave(agent_id=rig.agent.pk, actor=rig.actor)
        return None

    def cordon(self, which: int, off: int) -> str | None:
        rig = self._rig(which)
        if rig is None:
            return "nobody there"
        change = agents.uncordon if off % 2 else agents.cordon
        change(agent_id=rig.agent.pk, reason="chance", actor=self.actors["omar"])
        return None

    def sweep(self) -> None:
        sweeping.sweep()

    def kill_worker(self, which: int) -> str | None:
        """The worker dies in the middle of what it does, and another begins."""
        return self._kill(which)

    def run_out_of_time(self, which: int) -> str | None:
        """A rollout's deadline passes, and every agent's lease with it."""
        running = Rollout.objects.filter(ended_at=None).order_by("pk")
        rollout = _pick(list(running), which)
        if rollout is None:
            return "nothing runs"
        later = timezone.now() + timedelta(days=1)
        rollouts.advance(rollout_id=rollout.pk, actor=SET_UP, now=later)
        return None

    def other_rules(self, approvals: int, for_dark: int) -> None:
        policy = {
            **PROD["policy"],  # type: ignore[dict-item]
            "approvals": _pick((0, 1, 1, 2), approvals),
            "approvals_for_dark": for_dark % 2,
            "supersede": {"open": approvals % 3 == 0, "dark": for_dark % 3 == 0},
        }
        environments.apply(slug="prod-eu", document={**PROD, "policy": policy}, actor=SET_UP)

    def _sign(
        self, request: Request, actor: Actor, decide: Callable[..., Request], **changes: str
    ) -> None:
        user = User.objects.get(pk=actor.id)
        user.set_password(PASSWORD)
        arguments = {
            "password": PASSWORD,
            "content_hash": request.content_hash,
            "meaning": "approval",
            "comment": "chance",
            **changes,
        }
        decide(request_id=request.pk, user=user, actor=actor, **arguments)

    def _decide(self, decision: int) -> None:
        """Let an operator say what holds where agents have applied what was never published."""
        for tier in ("live", "dark"):
            with suppress(GovernanceError):  # Most often only one of them was left behind.
                histories.decide(
                    environment="prod-eu",
                    tier=tier,
                    decision=_pick(("adopt", "override"), decision),
                    reason="chance",
                    actor=self.actors["omar"],
                )

    def _rig(self, which: int) -> Rig | None:
        return _pick(list(self.world.rigs), which)

    def _who(self, names: Names, which: int) -> Actor:
        return self.actors[_pick(names, which)]


WEIGHTS: dict[str, tuple[int, int]] = {
    # name: (how often, how many numbers it takes)
    "ask": (10, 3),
    "sign": (12, 3),
    "withdraw": (2, 2),
    "expire": (1, 1),
    "roll_back": (4, 3),
    "stop": (1, 1),
    "name_spare": (4, 2),
    "drop_spare": (1, 1),
    "obey": (14, 1),
    "everybody": (8, 0),
    "refuse": (3, 2),
    "nack": (2, 1),
    "stale": (3, 2),
    "lie": (2, 2),
    "run_ahead": (1, 2),
    "join": (1, 1),
    "leave": (2, 1),
    "cordon": (3, 2),
    "sweep": (3, 0),
    "kill_worker": (2, 1),
    "run_out_of_time": (2, 1),
    "other_rules": (1, 2),
}


def chosen(chance: random.Random) -> tuple[str, list[int]]:
    """Pick an operation and its numbers, the likely ones more often."""
    [name] = chance.choices(list(WEIGHTS), [often for often, _ in WEIGHTS.values()])
    return name, [chance.randrange(1_000) for _ in range(WEIGHTS[name][1])]


def undone(which: int) -> str | None:
    """What a step leaves whose process dies just before the commit, within one transaction."""
    running = Rollout.objects.filter(ended_at=None).order_by("pk")
    rollout = _pick(list(running), which)
    if rollout is None:
        return "nothing runs"
    with transaction.atomic():
        rollouts.advance(rollout_id=rollout.pk, actor=SET_UP)
        transaction.set_rollback(True)
    return None


def _pick(items: Sequence[T], which: int) -> Any:
    return items[which % len(items)] if items else None
