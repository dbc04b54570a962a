"""Targets whose history is lost, and what their agents serve meanwhile."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from governance.errors import Conflict, NotFound
from promotion.history import Witness, agree
from promotion.models import Agent, Deployment, Target
from promotion.selectors.fleet_facts import lease
from promotion.selectors.observed import items
from promotion.verdicts import Denied
from registry.models import ModelVersion


def lost(environments: Iterable[UUID]) -> list[Target]:
    """The targets of these environments that wait for an operator's decision."""
    rows = Target.objects.filter(history_lost_at__isnull=False, environment__in=list(environments))
    return list(rows.select_related("environment"))


def lost_target(pk: UUID) -> Target:
    """Read one target that waits for a decision.

    Raises:
        NotFound: no such target.
        Conflict: ``history_not_lost``.
    """
    target = Target.objects.select_related("environment").filter(pk=pk).first()
    if target is None:
        message = "There is no such target."
        raise NotFound(message, code="unknown_target")
    if target.history_lost_at is None:
        message = "No history is lost here; perhaps somebody has decided already."
        raise Conflict(message, code="history_not_lost")
    return target


def witnesses(target: Target, *, now: datetime) -> list[Witness]:
    """What each agent of a target that counts now has applied and does with it."""
    rows = Agent.objects.filter(
        target=target,
        left_at=None,
        cordoned=False,
        report__at__gt=now - lease(),
        report__draining=False,
    )
    return [_witness(agent) for agent in rows.select_related("report").order_by("name")]


def _witness(agent: Agent) -> Witness:
    said = [(str(i.get("role")), str(i.get("phase")), i) for i in items(agent.report)]
    return Witness(
        agent=agent.name,
        generation=agent.report.observed_generation,
        champions={
            str(i["model"]): str(i["digest"])
            for role, phase, i in said
            if role == "champion" and phase == "ready"
        },
        dark={
            str(i["digest"]): str(i["model"])
            for role, phase, i in said
            if role == "dark" and phase != "failed"
        },
        unsettled=tuple(
            sorted(
                {
                    str(i["model"])
                    for role, phase, i in said
                    if role == "champion" and phase in {"fetching", "validating"}
                }
            )
        ),
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """One version that agents and tables do not both have in a target."""

    model: str
    decided: str
    served: str


@dataclass(frozen=True, slots=True)
class Question:
    """What an operator is asked: the two histories, and whether the agents' can be adopted."""

    target: Target
    witnesses: list[Witness]
    differences: list[Difference]
    obstacle: str
    """Why what agents serve cannot be adopted now; empty when it can."""


def question(target: Target, *, now: datetime) -> Question:
    """Hold what agents serve against what is decided. Four queries."""
    found = witnesses(target, now=now)
    served = agree(found)
    if isinstance(served, Denied):
        return Question(target, found, [], served.reason)
    is_live = target.tier == Target.Tier.LIVE
    dark = [(model, digest) for digest, model in served.dark.items()]
    pairs = list(served.champions.items()) if is_live else dark
    rows = Deployment.objects.filter(environment=target.environment_id).select_related(
        "model", "version"
    )
    wanted = {"role": "champion"} if is_live else {"state": "dark"}
    decided = [(row.model.name, row.version.digest) for row in rows.filter(**wanted)]
    numbers = dict(
        ModelVersion.objects.filter(digest__in=[d for _, d in pairs + decided]).values_list(
            "digest", "number"
        )
    )
    lacking = [digest for _, digest in pairs if digest not in numbers]
    obstacle = f"Version {lacking[0][:12]} is not registered here." if lacking else ""
    return Question(target, found, _differences(pairs, decided, numbers), obstacle)


def _differences(
    served: list[tuple[str, str]], decided: list[tuple[str, str]], numbers: Mapping[str, int]
) -> list[Difference]:
    def words(model: str, pairs: list[tuple[str, str]]) -> str:
        digests = [digest for name, digest in pairs if name == model]
        said = [f"version {numbers[d]}" if d in numbers else d[:12] for d in digests]
        return ", ".join(sorted(said)) or "none"

    names = sorted({model for model, _ in served + decided})
    return [
        Difference(name, words(name, decided), words(name, served))
        for name in names
        if words(name, decided) != words(name, served)
    ]
