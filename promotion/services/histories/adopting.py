"""Makes the tables say what agents serve, when those know better."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import QuerySet

from governance.audit.actions import Action
from governance.errors import Conflict
from promotion import history
from promotion.history import Witness
from promotion.models import Deployment, Target
from promotion.services.journal import Journal
from promotion.verdicts import Denied
from registry.models import ModelVersion

CAUSE = "history adopted"


def adopt(
    target: Target,
    witnesses: Iterable[Witness],
    *,
    generation: int,
    journal: Journal,
    now: datetime,
) -> list[Deployment]:
    """Change what differs from what agents serve; return the deployments that changed.

    Raises:
        Conflict: agents do not agree, or serve a version that is not registered here.
    """
    served = history.agree(witnesses)
    if isinstance(served, Denied):
        raise Conflict(served.reason, code=served.rule)
    if target.tier == Target.Tier.LIVE:
        wanted = {digest: model for model, digest in served.champions.items()}
        return _adopt_champions(target, wanted, generation=generation, journal=journal, now=now)
    return _adopt_dark(target, served.dark, journal=journal, now=now)


def locked(target: Target) -> QuerySet[Deployment]:
    """The deployments of the target's environment, to be held."""
    rows = Deployment.objects.select_for_update(of=("self",), no_key=True)
    related = rows.select_related("version__model", "model", "environment")
    return related.filter(environment=target.environment_id).order_by("model__name", "pk")


def retire(deployment: Deployment, *, journal: Journal, now: datetime) -> Deployment:
    """Let a version answer nobody; a former champion's files are kept for rollback."""
    if deployment.state == Deployment.State.DARK:
        deployment.reject()
    else:
        deployment.retire()
    return _save(deployment, Action.DEPLOYMENT_RETIRED, journal=journal, now=now)


def _adopt_champions(
    target: Target,
    wanted: Mapping[str, str],
    *,
    generation: int,
    journal: Journal,
    now: datetime,
) -> list[Deployment]:
    """The champions that do not answer give the role up first; then the others take it."""
    rows = _rows(target, wanted, journal=journal)
    champions = [row for row in rows.values() if row.role == Deployment.Role.CHAMPION]
    gone = [row for row in champions if row.version.digest not in wanted]
    changed = [retire(row, journal=journal, now=now) for row in gone]
    for digest in wanted:
        row = rows[digest]
        if row.role != Deployment.Role.CHAMPION:
            row.switched_generation = generation
            changed.append(_crown(row, journal=journal, now=now))
    return changed


def _crown(deployment: Deployment, *, journal: Journal, now: datetime) -> Deployment:
    action = Action.DEPLOYMENT_PROMOTED
    if deployment.state == Deployment.State.RETIRED and deployment.was_champion():
        deployment.restore(now)
        action = Action.DEPLOYMENT_RESTORED
    else:
        if deployment.state == Deployment.State.RETIRED:
            deployment.retest()
            _save(deployment, Action.DEPLOYMENT_DARKENED, journal=journal, now=now)
        if deployment.state != Deployment.State.PRODUCTION:
            deployment.promote()
        deployment.take_championship(now)
    return _save(deployment, action, journal=journal, now=now)


def _adopt_dark(
    target: Target, wanted: Mapping[str, str], *, journal: Journal, now: datetime
) -> list[Deployment]:
    changed = []
    for row in _rows(target, wanted, journal=journal).values():
        is_wanted = row.version.digest in wanted
        if row.state == Deployment.State.DARK and not is_wanted:
            changed.append(retire(row, journal=journal, now=now))
        elif is_wanted and row.state in {Deployment.State.TRAINED, Deployment.State.RETIRED}:
            if row.state == Deployment.State.RETIRED:
                row.retest()
            else:
                row.deploy_dark()
            changed.append(_save(row, Action.DEPLOYMENT_DARKENED, journal=journal, now=now))
    return changed


def _rows(target: Target, wanted: Mapping[str, str], *, journal: Journal) -> dict[str, Deployment]:
    """Return the environment's deployments by digest, opening those that got lost.

    Raises:
        Conflict: ``not_registered_here``.
    """
    rows = {row.version.digest: row for row in locked(target)}
    missing = {digest: model for digest, model in wanted.items() if digest not in rows}
    found = ModelVersion.objects.filter(digest__in=missing).select_related("model")
    versions = {row.digest: row for row in found if row.model.name == missing[row.digest]}
    if unknown := sorted(missing.keys() - versions.keys()):
        names = ", ".join(f"{missing[digest]} {digest[:12]}" for digest in unknown)
        message = f"Agents serve what is not registered here: {names}. Register it again."
        raise Conflict(message, code="not_registered_here", digests=unknown)
    for digest, version in versions.items():
        row = Deployment.objects.create(
            version=version, model=version.model, environment=target.environment
        )
        journal.deployment(Action.DEPLOYMENT_OPENED, row, None, cause=CAUSE)
        rows[digest] = row
    return rows


def _save(deployment: Deployment, action: Action, *, journal: Journal, now: datetime) -> Deployment:
    deployment.changed_at = now
    deployment.save()
    journal.deployment(action, deployment, None, cause=CAUSE)
    return deployment
