"""Takes a version through environments, one after the other.

Each is asked for only when agents confirm the one before. Nothing is remembered
here: every step is read from the service, so that a walk which was cut off goes
on where it stood when it is begun again.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lockgate.client import ENDED, Client, Document
from lockgate.errors import ApiError, NotReached
from lockgate.waiting import Patience

PLACES = frozenset({"dark", "production", "retired"})
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One environment, and where the version goes there."""

    environment: str
    to: str

    def __str__(self) -> str:
        return self.environment if self.to == "production" else f"{self.environment}:{self.to}"


def steps_of(text: str, *, to: str) -> list[Step]:
    """Read ``qa,prod-eu:dark,prod-eu``.

    Args:
        to: where a version goes in an environment that does not say it itself.

    Raises:
        ValueError: it names none, one twice, or an unknown place.
    """
    steps = []
    for part in filter(None, re.split(r"[,\s]+", text)):
        environment, _, place = part.partition(":")
        steps.append(Step(environment, place or str(to)))
    if not steps or not all(step.environment and step.to in PLACES for step in steps):
        message = f"{text!r} names no environments, as in qa,prod-eu or qa,prod-eu:dark,prod-eu."
        raise ValueError(message)
    if len(set(steps)) != len(steps):
        message = f"{text!r} names one environment twice."
        raise ValueError(message)
    return steps


def is_there(version: Document, step: Step) -> bool:
    """Tell whether it is decided already that a version is where a step would take it."""
    states = {each["environment"]: each for each in version.get("deployments", ())}
    found = states.get(step.environment)
    if found is None:
        return False
    if step.to == "dark":  # What answers there has gone further than dark.
        return found["state"] in {"dark", "production"}
    if step.to == "production":
        return (found["state"], found["role"]) == ("production", "champion")
    return bool(found["state"] == step.to)


@dataclass(slots=True)
class Walk:
    """A version on its way. ``taken`` says what is known of each step so far."""

    client: Client
    model: str
    version: int
    steps: Sequence[Step]
    reason: str
    ticket: str = ""
    page: Callable[[str], str] = field(default=lambda promotion_id: promotion_id)
    """Where people see a request."""
    taken: list[Document] = field(default_factory=list)

    def begin(self, *, tell: Tell) -> bool:
        """Ask for the first step that is not taken yet, and do not wait.

        Returns:
            whether every step is taken already.

        Raises:
            ApiError: ``gates_not_passed`` and other refusals.
        """
        for step in self.steps:
            found = self._open(step, Patience(0.0), tell=tell)
            if found is not None or not self._is_confirmed(step):
                return False
        return True

    def finish(self, *, seconds: float, tell: Tell) -> None:
        """Take all steps, each when agents confirm the one before.

        Raises:
            ApiError: ``gates_not_passed`` and other refusals.
            NotReached: a request has ended otherwise, or another version answers now.
            WaitedTooLong: the time is up; begun again, it goes on from here.
        """
        patience = Patience(seconds, tell=tell)
        for step in self.steps:
            found = self._open(step, patience, tell=tell)
            if found is not None:
                self._settle(step, str(found["id"]), patience)
            if step.to == "production":
                self._confirm(step, patience)
            self.taken[-1]["reached"] = True
            tell(f"{step}: {'live, confirmed' if step.to == 'production' else step.to}")

    def document(self) -> Document:
        """Say what is known of every step."""
        steps = [*self.taken, *map(_unknown, self.steps[len(self.taken) :])]
        return {
            "model": self.model,
            "version": self.version,
            "steps": steps,
            "done": all(step["reached"] for step in steps),
        }

    def _open(self, step: Step, patience: Patience, *, tell: Tell) -> Document | None:
        """Find the request for a step or make it; None when there is nothing to ask for."""
        known = _unknown(step)
        self.taken.append(known)
        request, is_there = patience.until(
            lambda: (self._unsettled(step), self._is_there(step)),
            lambda _: True,
            what=f"the service's word on {step}",
        )
        if request is None and is_there:
            return None
        if request is None:
            request = self._ask(step)
            tell(f"{step}: asked for, {self.page(request['id'])}")
        else:
            tell(f"{step}: asked for already, {self.page(request['id'])}")
        known.update(promotion=request["id"], state=request["state"])
        return request

    def _unsettled(self, step: Step) -> Document | None:
        return self.client.unsettled(self.model, self.version, step.environment, to=step.to)

    def _ask(self, step: Step) -> Document:
        try:
            return self.client.promote(
                self.model,
                self.version,
                step.environment,
                to=step.to,
                reason=self.reason,
                ticket=self.ticket,
            )
        except ApiError as error:
            # Somebody was quicker by a moment: then theirs is what is waited for.
            if error.code != "request_open" or "request" not in error.context:
                raise
            return self.client.promotion(str(error.context["request"]))

    def _is_there(self, step: Step) -> bool:
        return is_there(self.client.version(self.model, self.version), step)

    def _settle(self, step: Step, promotion_id: str, patience: Patience) -> None:
        known = self.taken[-1]

        def describe(request: Document) -> str:
            known["state"] = request["state"]
            return f"{step}: {progress_of(request)}"

        ended = patience.until(
            lambda: self.client.promotion(promotion_id),
            lambda request: request["state"] in ENDED,
            what=f"promotion {promotion_id} ({step})",
            describe=describe,
        )
        known["state"] = ended["state"]
        if ended["state"] != "done":
            why = f": {ended['detail']}" if ended["detail"] else "."
            message = f"{step}: the request is {ended['state']}{why}"
            raise NotReached(message)

    def _confirm(self, step: Step, patience: Patience) -> None:
        patience.until(
            lambda: self._observed(step),
            lambda model: bool(model["live"]["verdict"] == "confirmed"),
            what=f"the agents' word that version {self.version} answers in {step}",
            describe=lambda model: f"{step}: {confirmation_of(model)}",
        )

    def _is_confirmed(self, step: Step) -> bool:
        if step.to != "production":
            self.taken[-1]["reached"] = True
            return True
        confirmed = self._observed(step)["live"]["verdict"] == "confirmed"
        self.taken[-1]["reached"] = confirmed
        return bool(confirmed)

    def _observed(self, step: Step) -> Document:
        """Say what agents confirm of the model, as long as this version is decided there."""
        environment = self.client.environment_state(step.environment)
        rows = [row for row in environment["models"] if row["model"] == self.model]
        champion = rows[0]["champion"] if rows else None
        if champion is None or champion["version"] != self.version:
            now = f"version {champion['version']}" if champion else "no version"
            message = f"{step}: {now} answers there now, and not version {self.version}."
            raise NotReached(message)
        found: Document = rows[0]
        return found


def _unknown(step: Step) -> Document:
    return {
        "environment": step.environment,
        "to": step.to,
        "promotion": None,
        "state": None,
        "reached": False,
    }


def progress_of(request: Document) -> str:
    """Say in a line how far a request is."""
    state = str(request["state"])
    if state == "open":
        given = sum(each["decision"] == "approve" for each in request["approvals"])
        needed = request["approvals_needed"]
        return f"waiting for approval, {given} of {needed}{by_risk(request)}"
    if state == "approved":
        return "approved; begins when enough agents are heard and no other rollout runs"
    running = [each for each in request["rollouts"] if not each["ended_at"]]
    if state != "executing" or not running:
        return state
    rollout = running[0]
    words = [
        f"{each['agent']} {_word(each)}"
        for each in rollout["agents"]
        if each["step"] == rollout["step"]
    ]
    detail = f" ({rollout['detail']})" if rollout["detail"] else ""
    return f"{_step_of(rollout)}{detail}{': ' if words else ''}{', '.join(words)}"


def by_risk(request: Document) -> str:
    """Say that risk officers must sign, where they must: counting alone would mislead."""
    lacks = request.get("waits_for") or {}
    return f"; still {lacks['words']}" if lacks.get("by_risk") else ""


def _step_of(rollout: Document) -> str:
    step = str(rollout["step"])
    if step == "stage":
        switch = rollout["switch"] or {}
        share = f", {switch['weight']:.1%} of the calls" if "weight" in switch else ""
        step = f"stage {rollout['stage']}{share}"
    if rollout["halted_at"]:
        return f"{step}, halted: it asks for an operator"
    return f"{step}, paused by an operator" if rollout["paused_at"] else step


def confirmation_of(model: Document) -> str:
    """Say in a line which agents confirm a champion."""
    agents = [each for each in model["live"]["agents"] if each["standing"] != "excused"]
    confirmed = sum(each["standing"] == "confirmed" for each in agents)
    others = [each for each in agents if each["standing"] != "confirmed"]
    why = "".join(f"; {each['agent']} {each['why']}" for each in others)
    return f"confirmed by {confirmed} of {len(agents)} agents{why}"


def _word(step: Document) -> str:
    if step["failed_at"]:
        return f"refused ({step['reason']})"
    return "done" if step["done_at"] else "asked"
