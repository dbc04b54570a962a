"""The whole body of a report, and its id."""

import hashlib
import json
from typing import cast

import rfc8785

from governance.audit.actions import Action
from promotion.lineage import (
    aftermath,
    cards,
    controls,
    evidence,
    life,
    proof,
    rights,
    serving,
)
from promotion.lineage.sources import NOT_SUPPLIED, Json, Sources, filled

SCHEMA = "lockgate.lineage/1"
VERIFY = "python3 -I -S verify.py --keys keys.txt BUNDLE.zip"
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
    "that the log was not replaced as a whole: compare its checkpoint with a copy kept elsewhere",
    "that any law or standard is met: it supports whoever has to show that",
]


def build(sources: Sources) -> Json:
    """Make the body. The same sources give the same document, and nothing in it is blank."""
    given = evidence.attested(sources.own, sources.attested)
    asked = life.requests(sources)
    moved = life.causes(sources.beside)
    waived = evidence.waivers(sources.own, asked=asked)
    periods = evidence.dark(sources.own, asked=asked, places=sources.places, waived=waived)
    served = serving.intervals(sources.agents, digest=sources.card.digest)
    body: Json = {
        "schema": SCHEMA,
        "header": _header(sources),
        "inventory": {
            **cards.inventory(sources.card, evidence=given),
            "states": life.states(sources.own) or NOT_SUPPLIED,
        },
        "artifact": cards.artifact(sources.card),
        "origin": cards.origin(sources.card, evidence=given),
        "validation": evidence.validation(sources.card, evidence=given, own=sources.own),
        "dark_evidence": {
            "periods": periods,
            "judged_otherwise": evidence.judged_elsewhere(asked, periods),
            "waivers": waived,
        },
        "lifecycle": {
            "requests": asked,
            "moved_by_others": moved,
            "refused": life.refusals(sources.own),
            "timeline": life.timeline(sources.own),
        },
        "deployment_record": _deployed(sources, asked=asked, served=served),
        "aftermath": _aftermath(sources, asked=asked),
        "access": _access(sources, asked=asked),
        "retirement": aftermath.retirement(sources.own, asked=asked, moved=moved, serving=served),
        "completeness": proof.completeness(sources),
        "controls": controls.mapped((r.seq, r.action) for r in sources.with_payloads()),
    }
    return {**cast("Json", filled(body)), "proof": proof.annex(sources)}


def report_id(body: Json) -> str:
    """Return the SHA-256, in hex, of the body's canonical bytes (RFC 8785)."""
    return hashlib.sha256(canonical(body)).hexdigest()


def canonical(document: Json) -> bytes:
    """Return the canonical bytes (RFC 8785) of a document.

    The proof of a report is thousands of entries as texts. Of texts and whole numbers under
    ASCII names the standard library writes the same bytes, and takes a tenth of the time.
    """
    if not {"body", "proof"} & document.keys():
        return rfc8785.dumps(document)  # type: ignore[arg-type]
    members = (
        b'"%s":%s' % (name.encode(), _member(name, document[name])) for name in sorted(document)
    )
    return b"{%s}" % b",".join(members)


def _member(name: str, value: object) -> bytes:
    if name == "body" and isinstance(value, dict):
        return canonical(value)
    if name == "proof":
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return text.encode()
    return rfc8785.dumps(value)  # type: ignore[arg-type]


def _header(sources: Sources) -> Json:
    published = [r for r in sources.places if r.action == Action.POLICY_PUBLISHED]
    return {
        "system": "Lockgate",
        "scope": {
            "model": sources.card.model,
            "version": sources.card.version,
            "digest": sources.card.digest,
            "environments": _environments(sources),
            "from": _since(sources),
            "as_of": sources.as_of,
        },
        "log": {"size": sources.size, "head": sources.head},
        "policies": [
            {
                "environment": record.environment,
                "number": record.fact("number"),
                "tier": record.text("tier") or "every tier",
                "sha256": record.fact("sha256"),
                "at": record.at,
                "entry": record.seq,
            }
            for record in published
        ],
        "time_source": "the database server's clock, never backwards within the log",
        "verify": VERIFY,
        "says": SAYS,
        "says_not": SAYS_NOT,
    }


def _deployed(sources: Sources, *, asked: list[Json], served: list[Json]) -> Json:
    kinds = {str(request["id"]): str(request["kind"]) for request in asked}
    attempts = serving.rollouts(sources.own, kinds=kinds)
    return {
        "said_by": "agents, as the log recorded it; which version scored one prediction stands"
        " in the decision records that agents upload",
        "serving": served,
        "unknown": serving.gaps(sources.agents, sources.own),
        "rollouts": attempts,
        "refused_states": serving.refused_states(sources.agents, attempts),
    }


def _aftermath(sources: Sources, *, asked: list[Json]) -> Json:
    reviewed = aftermath.live_reviews(sources.own)
    return {
        "incidents": aftermath.incidents(
            sorted((*sources.beside, *sources.places), key=lambda record: record.seq),
            since=_since(sources),
            environments=_environments(sources),
        ),
        "rollbacks": aftermath.rollbacks(sources.own, sources.beside, asked=asked),
        "reviews": aftermath.reviews(asked),
        "live_reviews": reviewed,
        "next_review": reviewed[-1]["next_by"] if reviewed else NOT_SUPPLIED,
        "drift": NOT_SUPPLIED,
    }


def _access(sources: Sources, *, asked: list[Json]) -> Json:
    return {
        "roles": rights.held(
            sources.rights,
            since=_since(sources),
            environments=_environments(sources),
            group=sources.card.group,
        ),
        "tokens": rights.tokens(sources.rights),
        "duties": rights.duties(asked, waived=evidence.waivers(sources.own, asked=asked)),
        "log_reads": NOT_SUPPLIED,
    }


def _environments(sources: Sources) -> list[str]:
    return sorted({record.environment for record in sources.own if record.environment})


def _since(sources: Sources) -> str:
    """When the version was registered: the first entry that is about it alone."""
    mine = [record for record in sources.own if record.version == sources.card.version]
    return mine[0].at if mine else NOT_SUPPLIED
