"""A version's relations as boxes and lines."""

from collections.abc import Iterator

from django.urls import reverse

from promotion import family
from promotion.family import Box, Picture
from promotion.selectors.made_from import Made, Standing
from promotion.selectors.relations import Kin, Relations

FARTHEST = 2
"""Generations that are drawn to each side; the tables list them all."""


def picture(found: Relations) -> Picture:
    """Draw data sets, ancestors, the version, descendants and where it is."""
    return family.draw(_boxes(found), _edges(found))


def _boxes(found: Relations) -> Iterator[Box]:
    for use in found.data:
        address = reverse("data_set", args=[use.digest])
        note = "said later" if use.attestation_id else "data set"
        yield Box(f"data-{use.name}", -1, use.name, note, "data", address)
    yield from (_of(kin, -kin.steps) for kin in _near(found.ancestors))
    own = found.version
    yield Box(str(own.pk), 0, f"{own.model.name} {own.number}", "this version", "own")
    for place in found.places:
        slug = place.environment.slug
        address = reverse("as_of", args=[slug])
        yield Box(f"at-{slug}", 1, slug, _said(place), "place", address)
    yield from (_of(kin, kin.steps) for kin in _near(found.descendants))


def _edges(found: Relations) -> Iterator[tuple[str, str, bool]]:
    own = str(found.version.pk)
    for use in found.data:
        yield f"data-{use.name}", own, use.attestation_id is not None
    for link in found.links:
        yield str(link.parent_id), str(link.child_id), link.attestation_id is not None
    for place in found.places:
        yield own, f"at-{place.environment.slug}", False


def _near(kin: list[Kin]) -> list[Kin]:
    return [one for one in kin if one.steps <= FARTHEST]


def _of(kin: Kin, column: int) -> Box:
    made, version = kin.made, kin.version
    address = reverse("relations", args=[version.model.name, version.number])
    name = f"{version.model.name} {version.number}"
    return Box(str(version.pk), column, name, _where(made), "version", address)


def _where(made: Made) -> str:
    if made.answering:
        places = ", ".join(place.environment.slug for place in made.answering)
        return f"answers in {places}"
    return made.places[0].deployment.state if made.places else "trained"


def _said(place: Standing) -> str:
    row = place.deployment
    if place.champion is None:
        return f"decided: {row.role or row.state}"
    word = "live (confirmed)" if place.champion.confirmation.is_live() else "not confirmed"
    return f"champion, {word}"
