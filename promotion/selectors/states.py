"""From deployments and running rollouts to what a target should do."""

import json
from collections.abc import Iterable, Mapping

from promotion import desired
from promotion.models import Deployment, DesiredState, Rollout, Target
from promotion.placement import EVERYWHERE
from promotion.selectors import placements
from registry.models import ModelVersion, VersionFile

_SINGLE = {"champion", "candidate", "bake", "spare"}


def models_of(target: Target, *, minimum_agents: int) -> list[desired.ModelState]:
    """Return what every model should look like on ``target``, from the decided states."""
    states: dict[str, desired.ModelState] = {}
    placed = placements.in_environment(target.environment_id)

    def state_of(deployment: Deployment) -> desired.ModelState:
        model = deployment.model
        placement = placed.get(model.name, EVERYWHERE)
        return states.setdefault(
            model.name,
            desired.ModelState(
                model=model.name,
                latency_budget_ms=model.latency_budget_ms,
                labels=placement.labels,
                minimum_agents=placement.needed(minimum_agents),
            ),
        )

    rows = Deployment.objects.filter(environment=target.environment_id).select_related(
        "model", "version"
    )
    if target.tier == Target.Tier.LIVE:
        held = rows.filter(state=Deployment.State.RETIRED, hold=Deployment.Hold.PREVIOUS)
        answering = rows.filter(state=Deployment.State.PRODUCTION)
        for deployment in answering:
            _place(state_of(deployment), deployment)
        for deployment in held:
            state_of(deployment).hold.append(_ref(deployment.version))
        for rollout in running(target, step=Rollout.Step.STAGE):
            state_of(rollout.request.deployment).switch = rollout.switch
    else:
        for deployment in rows.filter(state=Deployment.State.DARK):
            state_of(deployment).dark.append(_ref(deployment.version))
    for rollout in running(target, step=Rollout.Step.LOAD):
        deployment = rollout.request.deployment
        state = state_of(deployment)
        ref = _ref(deployment.version)
        state.hold = [other for other in state.hold if other != ref]
        state.load.append(ref)
    return list(states.values())


def running(target: Target, *, step: str) -> Iterable[Rollout]:
    """Return the rollouts at ``step``: their version is loaded beside the others, or shares."""
    return Rollout.objects.filter(target=target, step=step, ended_at=None).select_related(
        "request__deployment__version", "request__deployment__model"
    )


def without_champion(target: Target) -> frozenset[str]:
    """Return the models that were answered for on ``target`` once, and are not any more."""
    if target.tier != Target.Tier.LIVE:
        return frozenset()
    rows = Deployment.objects.filter(environment=target.environment_id, champion_at__isnull=False)
    named = set(rows.values_list("model__name", "role"))
    answering = {name for name, role in named if role == Deployment.Role.CHAMPION}
    return frozenset(name for name, _ in named) - answering


def current(target: Target) -> DesiredState | None:
    """Return what ``target`` was told last."""
    return DesiredState.objects.filter(target=target, generation=target.generation).first()


def document(state: DesiredState | None) -> Mapping[str, object]:
    """Return the signed document, or an empty one."""
    if state is None:
        return {}
    parsed: Mapping[str, object] = json.loads(bytes(state.payload))
    return parsed


def names_blob(target: Target, sha256: str) -> bool:
    """Tell whether an agent of ``target`` may read these bytes: named now, or just before.

    The state before counts too, so that a download under way does not fail.
    """
    recent = DesiredState.objects.filter(target=target).order_by("-generation")[:2]
    digests = frozenset[str]().union(*(desired.named(document(state)) for state in recent))
    if sha256 in digests:
        return ModelVersion.objects.filter(digest=sha256).exists()
    return VersionFile.objects.filter(version__digest__in=digests, blob=sha256).exists()


def _ref(version: ModelVersion) -> desired.Ref:
    return desired.Ref(version.number, version.digest)


def _place(state: desired.ModelState, deployment: Deployment) -> None:
    if deployment.role not in _SINGLE:
        message = f"{deployment} has no role"
        raise ValueError(message)
    setattr(state, deployment.role, _ref(deployment.version))
