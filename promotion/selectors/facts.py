"""Gathers what gates judge by, in a constant number of queries."""

from datetime import datetime

from governance.models import Environment
from promotion.confirmation import Standing, confirm
from promotion.gates.facts import Facts
from promotion.models import DarkTally, Deployment
from promotion.selectors import fleet_facts
from registry.models import ModelVersion


def gather(
    version: ModelVersion,
    environment: Environment,
    *,
    deployment: Deployment | None,
    champion: Deployment | None,
    now: datetime,
) -> Facts:
    """Read everything any gate needs about one version in one environment."""
    tally = _tally(version, environment, champion)
    inspection = version.inspection
    scored = tally.scored if tally else 0
    return Facts(
        inspection=inspection.status,
        inspection_reasons=tuple(map(str, inspection.reasons)),
        answering_in=_answering_in(version, now=now),
        deployment_state=deployment.state if deployment else Deployment.State.TRAINED,
        champion=champion.version.number if champion else None,
        pairs=scored,
        flips=tally.stricter + tally.laxer if tally else 0,
        errors=tally.errors if tally else 0,
        mean_absolute_difference=tally.sum_absolute_difference / scored
        if tally and scored
        else 0.0,
    )


def _tally(
    version: ModelVersion, environment: Environment, champion: Deployment | None
) -> DarkTally | None:
    if champion is None:
        return None
    return DarkTally.objects.filter(
        environment=environment, version=version, champion=champion.version
    ).first()


def _answering_in(version: ModelVersion, *, now: datetime) -> dict[str, int]:
    """Count, per environment, the agents that confirm this version as decided champion."""
    decided = Deployment.objects.filter(
        version=version, role=Deployment.Role.CHAMPION
    ).select_related("environment", "model")
    generations = {d.environment.slug: d.switched_generation for d in decided}
    if not generations:
        return {}
    agents = fleet_facts.facts_by_environment(version.model.name, now=now)
    found = {}
    for slug, generation in generations.items():
        confirmation = confirm(
            agents.get(slug, []),
            digest=version.digest,
            generation=generation,
            now=now,
            lease=fleet_facts.lease(),
        )
        found[slug] = sum(
            finding.standing is Standing.CONFIRMED for finding in confirmation.findings
        )
    return found
