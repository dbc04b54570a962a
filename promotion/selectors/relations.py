"""One version between what it comes from and what comes from it.

All of it is read in a fixed number of queries; of each list at most so many, and the
answer says when there are more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from governance.access import Sight
from promotion.models import DarkTally, Rollout
from promotion.selectors import made_from, retiring, tallies, version_page
from promotion.selectors.made_from import Made, Standing
from promotion.selectors.retiring import Effect, Impact
from promotion.selectors.tallies import Tally
from registry import selectors as registry
from registry.models import Attestation, DatasetUse, ModelVersion, ParentLink

MOST = 200
LATEST = 50


@dataclass(frozen=True, slots=True)
class Kin:
    """A version that this one comes from, or that comes from it."""

    made: Made
    steps: int
    link: ParentLink | None
    """What says so, for the nearest."""

    @property
    def version(self) -> ModelVersion:
        return self.made.version


@dataclass(frozen=True, slots=True)
class Relations:
    """Everything around one version that is seen."""

    version: ModelVersion
    data: list[DatasetUse]
    members: Mapping[str, object]
    attested: list[Attestation]
    ancestors: list[Kin]
    descendants: list[Kin]
    links: list[ParentLink]
    places: list[Standing]
    rollouts: list[Rollout]
    tallies: list[Tally]
    impacts: list[Impact]
    effects: list[Effect]
    is_cut: bool

    @property
    def title(self) -> str:
        """The answer this page gives."""
        name = f"{self.version.model.name} version {self.version.number}"
        made = f"is made of {_many(len(self.data), 'data set')}"
        if self.ancestors:
            made += f" and {_many(len(self.ancestors), 'version')}"
        if not self.descendants:
            return f"{name} {made}; nothing comes from it"
        live = sum(bool(kin.made.answering) for kin in self.descendants)
        if len(self.descendants) == 1:
            more = "and answers callers" if live else "and answers nobody"
            return f"{name} {made}; 1 version comes from it, {more}"
        below = f"{len(self.descendants)} versions come from it"
        answer = "answers" if live == 1 else "answer"
        return f"{name} {made}; {below}, {live or 'none'} of which {answer} callers"


def relations(name: str, number: int, sight: Sight, *, now: datetime) -> Relations:
    """Read what is around a version.

    Raises:
        NotFound: no such version, or none that is seen.
    """
    version = version_page.find(name, number, sight)
    places = list(sight.of_group(version.model.group))
    up = registry.ancestors(version.pk, most=MOST + 1)
    down = registry.descendants(version.pk, most=MOST + 1)
    links = _links({version.pk, *up, *down})
    rows = {row.pk: row for row in _versions([*up, *down], sight)}
    standing = made_from.standings([version.pk, *rows], sight, now=now)
    near = {link.parent_id: link for link in links if link.child_id == version.pk}
    near |= {link.child_id: link for link in links if link.parent_id == version.pk}
    seen = {pk: Made(row, [], standing.get(pk, [])) for pk, row in rows.items()}
    children = _kin(down, seen, near)
    at = [place.pk for place in places]
    return Relations(
        version=version,
        data=list(
            DatasetUse.objects.current().filter(version=version).select_related("attestation")
        ),
        members=registry.members_of(version.manifest, version.attestations.all()),
        attested=[a for a in version.attestations.all() if a.kind == Attestation.Kind.LINEAGE],
        ancestors=_kin(up, seen, near),
        descendants=children,
        links=[one for one in links if {one.child_id, one.parent_id} <= {version.pk, *rows}],
        places=standing.get(version.pk, []),
        rollouts=list(_rollouts(version, at)[:LATEST]),
        tallies=tallies.tallies_of(_tallies(version, at))[:LATEST],
        impacts=retiring.impacts(version, retiring.around(version, places), places),
        effects=retiring.of_children([one.made for one in children]),
        is_cut=max(len(up), len(down)) > MOST,
    )


def _kin(
    found: Mapping[UUID, int], seen: Mapping[UUID, Made], near: Mapping[UUID, ParentLink]
) -> list[Kin]:
    shown = list(found.items())[:MOST]
    return [Kin(seen[pk], steps, near.get(pk)) for pk, steps in shown if pk in seen]


def _links(pks: set[UUID]) -> list[ParentLink]:
    rows = ParentLink.objects.filter(child__in=pks, parent__in=pks)
    return list(rows.select_related("attestation").order_by("pk"))


def _versions(pks: list[UUID], sight: Sight) -> QuerySet[ModelVersion]:
    groups = sight.reach.groups()
    seen = Q() if groups is None else Q(model__group__in=groups)
    return ModelVersion.objects.filter(seen, pk__in=pks).select_related("model").defer("manifest")


def _rollouts(version: ModelVersion, at: list[UUID]) -> QuerySet[Rollout]:
    mine = Q(request__deployment__version=version) | Q(outgoing__version=version)
    rows = Rollout.objects.filter(mine, request__environment__in=at)
    return rows.select_related(
        "request__deployment__version", "request__environment", "request__model"
    ).order_by("-started_at")


def _tallies(version: ModelVersion, at: list[UUID]) -> QuerySet[DarkTally]:
    return DarkTally.objects.filter(Q(version=version) | Q(champion=version), environment__in=at)


def _many(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
