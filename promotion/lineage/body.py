"""The whole body of a report, and its id."""

import hashlib

import rfc8785

from promotion.lineage import cards, life, proof, serving
from promotion.lineage.sources import NOT_SUPPLIED, Json, Sources

SCHEMA = "lockgate.lineage/1"
SAYS = [
    "what the version is, to the byte, by SHA-256",
    "who asked for it, who signed for exactly which content, and which rules it passed",
    "when each decision was recorded, and in which order",
    "what agents said they did with it",
    "that no entry about the model is missing up to the size of the log",
]
SAYS_NOT = [
    "that what the manifest says of training and data is true: it is sealed as it was registered",
    "what an agent did while it was silent: an interval ends when an agent says so, or leaves",
    "anything before the version was registered, or after the last entry",
    "that the log was not replaced as a whole: compare its head with a copy kept elsewhere",
]


def build(sources: Sources) -> Json:
    """Make the body. The same sources give the same document."""
    asked = life.requests(sources)
    decided = life.states(sources.own)
    kinds = {str(request["id"]): str(request["kind"]) for request in asked}
    attempts = serving.rollouts(sources.own, kinds=kinds)
    return {
        "schema": SCHEMA,
        "header": _header(sources),
        "inventory": {**cards.inventory(sources.card), "states": decided},
        "artifact": cards.artifact(sources.card),
        "origin": cards.origin(sources.card),
        "validation": cards.validation(sources.card),
        "dark_evidence": life.dark_evidence(asked),
        "lifecycle": {
            "requests": asked,
            "moved_by_others": life.causes(sources.causes),
            "refused": life.refusals(sources.own),
            "timeline": life.timeline(sources.own),
        },
        "deployment_record": {
            "serving": serving.intervals(sources.agents, digest=sources.card.digest),
            "rollouts": attempts,
            "refused_states": serving.refused_states(sources.agents, attempts),
        },
        "completeness": proof.completeness(sources, derived=decided),
        "proof": proof.annex(sources),
    }


def report_id(body: Json) -> str:
    """Return the SHA-256, in hex, of the body's canonical bytes (RFC 8785)."""
    return hashlib.sha256(canonical(body)).hexdigest()


def canonical(document: Json) -> bytes:
    """Return the canonical bytes (RFC 8785) of a document."""
    return rfc8785.dumps(document)  # type: ignore[arg-type]


def _header(sources: Sources) -> Json:
    environments = sorted({record.environment for record in sources.own if record.environment})
    return {
        "system": "Lockgate",
        "scope": {
            "model": sources.card.model,
            "version": sources.card.version,
            "digest": sources.card.digest,
            "environments": environments,
            "from": sources.own[0].at if sources.own else None,
            "as_of": sources.as_of,
        },
        "log": {"size": sources.size, "head": sources.head, "checkpoint": NOT_SUPPLIED},
        "policies": [
            {
                "environment": record.environment,
                "number": record.facts.get("number"),
                "sha256": record.facts.get("sha256"),
                "at": record.at,
                "entry": record.seq,
            }
            for record in sources.policies
        ],
        "time_source": "the database server's clock, never backwards within the log",
        "says": SAYS,
        "says_not": SAYS_NOT,
    }
