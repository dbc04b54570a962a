"""What the API says of versions by their origin, and of what is around one of them."""

from collections.abc import Iterable

from promotion.models import Rollout
from promotion.origins import Origin
from promotion.selectors.made_from import Made, Standing
from promotion.selectors.relations import Kin, Relations
from promotion.selectors.retiring import Effect, Impact
from promotion.selectors.tallies import Tally
from registry.models import Attestation, DatasetUse, ModelVersion, ParentLink

Document = dict[str, object]
MANIFEST: Document = {"kind": "manifest"}
"""Who said it: the manifest, sealed with the version."""


def of_made(made: Made, asked: Origin) -> Document:
    """Say which version it is, what it was made of, and where it is."""
    return {
        **_name(made.version),
        "registered_at": made.version.created_at,
        "data": [_of_use(use) for use in made.uses],
        "is_certain": not made.may_only(asked),
        "environments": [_of_standing(place) for place in made.places],
    }


def of_relations(found: Relations) -> Document:
    """Say what is around a version: up, down, and what retiring it would mean."""
    return {
        "schema": "lockgate.relations/1",
        **_name(found.version),
        "upstream": {
            "data": [_of_use(use) for use in found.data],
            "versions": [_of_kin(kin) for kin in found.ancestors],
            "members": dict(found.members),
            "attested": [_said_by(one) for one in found.attested],
        },
        "downstream": {
            "versions": [_of_kin(kin) for kin in found.descendants],
            "environments": [_of_standing(place) for place in found.places],
            "rollouts": [_of_rollout(rollout) for rollout in found.rollouts],
            "dark_comparisons": [_of_tally(tally) for tally in found.tallies],
        },
        "retiring": {
            "environments": [_of_impact(impact) for impact in found.impacts],
            "effects": _of_effects(found.effects),
        },
        "is_cut": found.is_cut,
    }


def _name(version: ModelVersion) -> Document:
    return {
        "model": version.model.name,
        "version": version.number,
        "digest": version.digest,
    }


def _of_use(use: DatasetUse) -> Document:
    return {
        "id": use.name,
        "digest": use.digest,
        "version": use.edition or None,
        "from": use.begins,
        "to": use.ends,
        "source": use.source or None,
        "licence": use.licence or None,
        "said_by": _said_by(use.attestation),
    }


def _said_by(attestation: Attestation | None) -> Document:
    if attestation is None:
        return MANIFEST
    return {
        "kind": "attestation",
        "id": str(attestation.pk),
        "by": attestation.attested_by,
        "at": attestation.at,
    }


def _of_kin(kin: Kin) -> Document:
    return {
        **_name(kin.version),
        "steps": kin.steps,
        "link": _of_link(kin.link) if kin.link else None,
        "environments": [_of_standing(place) for place in kin.made.places],
    }


def _of_link(link: ParentLink) -> Document:
    return {"relation": link.relation, "said_by": _said_by(link.attestation)}


def _of_standing(place: Standing) -> Document:
    row, champion = place.deployment, place.champion
    return {
        "environment": place.environment.slug,
        "state": row.state,
        "role": row.role,
        "answers": place.answers,
        "live": {
            "verdict": champion.confirmation.verdict,
            "confirmed": len(champion.confirmation.confirmed),
            "agents": champion.confirmation.counted,
        }
        if champion
        else None,
    }


def _of_rollout(rollout: Rollout) -> Document:
    request = rollout.request
    return {
        "id": str(rollout.pk),
        "promotion": str(request.pk),
        "kind": request.kind,
        "version": request.deployment.version.number,
        "environment": request.environment.slug,
        "step": rollout.step_name,
        "started_at": rollout.started_at,
        "ended_at": rollout.ended_at,
    }


def _of_tally(tally: Tally) -> Document:
    row = tally.row
    return {
        "environment": row.environment.slug,
        "dark": row.version.number,
        "champion": row.champion.number,
        "pairs": row.scored,
        "first_at": row.first_at,
        "last_at": row.last_at,
    }


def _of_impact(impact: Impact) -> Document:
    return {
        "environment": impact.environment.slug,
        "state": impact.deployment.state,
        "role": impact.deployment.role,
        "way": impact.way or None,
        "effects": _of_effects(impact.effects),
    }


def _of_effects(effects: Iterable[Effect]) -> list[Document]:
    return [{"code": one.code, "text": one.text, "severe": one.severe} for one in effects]
