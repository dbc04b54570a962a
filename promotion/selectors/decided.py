"""Deployments as plain rows: pages hold thousands of them against what agents say."""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import FloatField, QuerySet
from django.db.models.functions import Cast, Coalesce, Extract

from promotion.models import Deployment


class Decided(NamedTuple):
    """One version in one environment, as it was decided."""

    id: UUID
    model: str
    place: str
    version_id: UUID
    number: int
    digest: str
    state: str
    role: str
    generation: int
    """The one by which it last became champion."""
    since_epoch: float
    """When it became champion, or else what it is. A ``datetime`` of each took longest of all."""

    @property
    def since(self) -> datetime:
        return datetime.fromtimestamp(self.since_epoch, UTC)

    @classmethod
    def of(cls, row: Deployment) -> "Decided":
        """Take what is already read; its model, version and environment with it."""
        return cls(
            id=row.pk,
            model=row.model.name,
            place=row.environment.slug,
            version_id=row.version_id,
            number=row.version.number,
            digest=row.version.digest,
            state=row.state,
            role=row.role,
            generation=row.switched_generation,
            since_epoch=(row.champion_at or row.changed_at).timestamp(),
        )


def decided(rows: QuerySet[Deployment]) -> list[Decided]:
    """Read no more of each than this. One query."""
    found = rows.values_list(
        "id",
        "model__name",
        "environment__slug",
        "version_id",
        "version__number",
        "version__digest",
        "state",
        "role",
        "switched_generation",
        Cast(Extract(Coalesce("champion_at", "changed_at"), "epoch"), FloatField()),
    )
    return [Decided._make(row) for row in found]
