"""Where models are placed, read once for whatever is shown or decided."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from promotion.models import Placement
from promotion.placement import EVERYWHERE
from promotion.placement import Placement as Rule


def of(model_id: UUID, environment_id: UUID) -> Rule:
    """Return where one model runs in one environment. One query."""
    row = Placement.objects.filter(model=model_id, environment=environment_id).first()
    return row.rule if row else EVERYWHERE


def on(model_id: UUID, target_id: UUID) -> Rule:
    """Return where one model runs on one target. One query."""
    row = Placement.objects.filter(model=model_id, environment__targets=target_id).first()
    return row.rule if row else EVERYWHERE


def by_place(environments: Iterable[str]) -> Mapping[tuple[str, str], Rule]:
    """Return where models were placed, by the names of model and environment. One query."""
    rows = Placement.objects.filter(environment__slug__in=list(environments))
    return {
        (row.model.name, row.environment.slug): row.rule
        for row in rows.select_related("model", "environment")
    }


def of_model(name: str) -> Mapping[str, Rule]:
    """Return where one model was placed, by environment. One query."""
    rows = Placement.objects.filter(model__name=name).select_related("environment")
    return {row.environment.slug: row.rule for row in rows}


def in_environment(environment_id: UUID) -> Mapping[str, Rule]:
    """Return where models were placed in one environment, by name. One query."""
    rows = Placement.objects.filter(environment=environment_id).select_related("model")
    return {row.model.name: row.rule for row in rows}
