"""Makes a report: the body from the log, and a signed statement of who made it when."""

import json
from dataclasses import dataclass
from importlib.metadata import version as version_of

from django.utils import timezone

from governance import access, signing
from governance.actors import Actor
from promotion.lineage import body as bodies
from promotion.lineage import life
from promotion.lineage.sources import Json, Sources, filled
from promotion.selectors import lineage, sealed
from promotion.services.lineage.asking import AsOf
from registry.models import ModelVersion

STATEMENT = "lockgate.lineage-statement/1"
STATEMENT_TYPE = "application/vnd.lockgate.lineage-statement+json"
LATER = "not compared: the tables are of a later log than this report"


@dataclass(frozen=True, slots=True)
class Report:
    """A report, and what it was made from."""

    document: Json
    sources: Sources


def report(model: str, version: int, actor: Actor, *, as_of: AsOf | None = None) -> Json:
    """Make the lineage report of one version, as a JSON document.

    ``body`` follows from the log alone; ``statement`` says when and by whom it was made, how
    far the log is sealed, and what agents and dark scores say at this moment; ``envelope``
    is the statement's exact bytes, signed. Nothing is stored.

    Raises:
        NotFound: ``unknown_model``, ``unknown_version`` or ``unknown_version_then``.
        Forbidden: the actor is no auditor for this model in all environments.
        Invalid: ``unknown_size``.
    """
    return make(model, version, actor, as_of=as_of).document


def make(model: str, version: int, actor: Actor, *, as_of: AsOf | None = None) -> Report:
    """Make the report, and keep what it was made from. Raises as ``report`` does."""
    found = lineage.find(model, version)
    access.require(actor, access.Permission.AUDIT, group=found.model.group)
    sources = lineage.sources(found, size=size_of(as_of or AsOf()))
    body = bodies.build(sources)
    statement = _statement(found, sources, report_id=bodies.report_id(body), actor=actor)
    sealed_statement = signing.sign_envelope(bodies.canonical(statement), STATEMENT_TYPE)
    return Report(
        document={
            "schema": bodies.SCHEMA,
            "report_id": statement["report_id"],
            "body": body,
            "statement": statement,
            "envelope": json.loads(sealed_statement),
        },
        sources=sources,
    )


def size_of(as_of: AsOf) -> int | None:
    """Return the size of the log to read; before its first entry there was no version, too."""
    return as_of.size if as_of.at is None else max(lineage.size_at(as_of.at), 1)


def _statement(found: ModelVersion, sources: Sources, *, report_id: str, actor: Actor) -> Json:
    agree = lineage.agree(found, sources, life.states(sources.own))
    statement: Json = {
        "schema": STATEMENT,
        "report_id": report_id,
        "question": {
            "model": sources.card.model,
            "version": sources.card.version,
            "size": sources.size,
        },
        "made_at": lineage.written(timezone.now()),
        "made_by": {"kind": actor.kind, "id": actor.id, "name": actor.label},
        "software": f"lockgate {version_of('lockgate')}",
        "sealing": sealed.sealing(since=sources.own[0].seq, size=sources.size),
        "entries_agree_with_tables": LATER if agree is None else agree,
        "observed": lineage.observed(found),
    }
    answer = filled(statement)
    return answer if isinstance(answer, dict) else statement
