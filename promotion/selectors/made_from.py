"""Which versions were made of what, and where they answer: data, code, features, packages.

A manifest is sealed, so its parts are asked by indexes on it; data sets are rows of their
own, because evidence may add to them later. The number of queries depends on nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, F, Func, JSONField, OuterRef, Prefetch, Q, QuerySet
from django.db.models.fields.json import DataContains

from governance.access import Sight
from governance.models import Environment
from promotion.models import Deployment
from promotion.origins import Origin
from promotion.selectors import observed
from promotion.selectors.decided import Decided
from promotion.selectors.observed import Champion
from registry.models import DatasetUse, ModelVersion

ANSWERING = (Deployment.Role.CHAMPION, Deployment.Role.CANDIDATE)
"""Roles in which a version answers callers."""


class _FeatureNames(Func):
    """The names of all features of a manifest; exactly the expression that has an index."""

    template = "jsonb_path_query_array(%(expressions)s, '$.inputs[*].features[*].name')"


@dataclass(frozen=True, slots=True)
class Standing:
    """A version in one environment: decided, and for a champion what agents say."""

    environment: Environment
    deployment: Deployment
    champion: Champion | None

    @property
    def answers(self) -> bool:
        return self.deployment.role in ANSWERING


@dataclass(frozen=True, slots=True)
class Made:
    """One version, the data it was made of as far as it was asked for, and where it is."""

    version: ModelVersion
    uses: list[DatasetUse]
    places: list[Standing]

    @property
    def answering(self) -> list[Standing]:
        return [place for place in self.places if place.answers]

    @property
    def confirmed(self) -> list[Standing]:
        """Where agents confirm that it is the champion."""
        return [one for one in self.places if one.champion and one.champion.confirmation.is_live()]

    def may_only(self, asked: Origin) -> bool:
        """Whether it is not certain that its data is about the time that was asked for."""
        if asked.since is None and asked.until is None:
            return False
        return not any(use.begins and use.ends for use in self.uses)


def uses(asked: Origin) -> QuerySet[DatasetUse]:
    """Return the uses of data that are asked for, as they are known now."""
    found = DatasetUse.objects.current()
    if asked.dataset:
        found = found.filter(name=asked.dataset)
    if asked.digest:
        found = found.filter(digest=asked.digest)
    if asked.since:
        found = found.filter(Q(ends__isnull=True) | Q(ends__gte=asked.since))
    if asked.until:
        found = found.filter(Q(begins__isnull=True) | Q(begins__lte=asked.until))
    return found


def versions(asked: Origin, sight: Sight) -> QuerySet[ModelVersion]:
    """Return the versions that are asked for and seen, with their data. Two queries."""
    groups = sight.reach.groups()
    rows = ModelVersion.objects.filter(Q() if groups is None else Q(model__group__in=groups))
    if asked.of_data:
        rows = rows.filter(pk__in=uses(asked).values("version"))
    if asked.commit:
        rows = rows.filter(manifest__training__commit=asked.commit)
    if asked.run:
        rows = rows.filter(manifest__training__run=asked.run)
    if asked.feature:
        rows = rows.filter(
            DataContains(_FeatureNames(F("manifest"), output_field=JSONField()), [asked.feature])
        )
    if asked.package:
        rows = rows.filter(_package(asked.package))
    if asked.live:
        rows = rows.filter(Exists(_seen(sight).filter(version=OuterRef("pk"), role__in=ANSWERING)))
    told = uses(asked).select_related("attestation")
    return (
        rows.select_related("model")
        .prefetch_related(Prefetch("dataset_uses", told))
        .defer("manifest")
        .order_by("model__name", "-number")
    )


def standings(pks: Iterable[UUID], sight: Sight, *, now: datetime) -> dict[UUID, list[Standing]]:
    """Return where each of these versions is, in what is seen. Three queries."""
    rows = list(
        _seen(sight)
        .filter(version__in=list(pks))
        .exclude(state=Deployment.State.TRAINED)
        .select_related("model", "version", "environment")
        .defer("version__manifest")
        .order_by("environment__position", "environment__slug")
    )
    agents = observed.present_agents({row.environment_id for row in rows})
    champions = observed.champions(
        map(Decided.of, rows), agents=observed.live_by_environment(agents), now=now
    )
    found: dict[UUID, list[Standing]] = {}
    for row in rows:
        is_champion = row.role == Deployment.Role.CHAMPION
        said = champions.get((row.model.name, row.environment.slug)) if is_champion else None
        found.setdefault(row.version_id, []).append(Standing(row.environment, row, said))
    return found


def made(rows: Iterable[ModelVersion], sight: Sight, *, now: datetime) -> list[Made]:
    """Say of each of these versions where it is."""
    rows = list(rows)
    places = standings([row.pk for row in rows], sight, now=now)
    return [Made(row, list(row.dataset_uses.all()), places.get(row.pk, [])) for row in rows]


def _seen(sight: Sight) -> QuerySet[Deployment]:
    return Deployment.objects.filter(
        sight.reach.rows(), environment__in=[place.pk for place in sight]
    )


def _package(text: str) -> Q:
    name, equal, version = text.partition("==")
    if equal:
        return Q(manifest__environment_lock__contains={name: version})
    return Q(manifest__environment_lock__has_key=name)
