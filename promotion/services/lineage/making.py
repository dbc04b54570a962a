"""Makes a report: the body from the log, and a signed statement of who made it when."""

import json
from importlib.metadata import version as version_of

from django.utils import timezone

from governance import access, signing
from governance.actors import Actor
from promotion.lineage import body as bodies
from promotion.lineage.sources import Json
from promotion.selectors import lineage

STATEMENT = "lockgate.lineage-statement/1"
STATEMENT_TYPE = "application/vnd.lockgate.lineage-statement+json"


def report(model: str, version: int, actor: Actor) -> Json:
    """Make the lineage report of one version, as a JSON document.

    ``body`` follows from the log alone; ``statement`` says when and by whom it was made,
    and what agents and dark scores say at this moment; ``envelope`` is the statement's
    exact bytes, signed. Nothing is stored.

    Raises:
        NotFound: ``unknown_model`` or ``unknown_version``.
        Forbidden: the actor is no auditor for this model in all environments.
    """
    found = lineage.find(model, version)
    access.require(actor, access.Permission.AUDIT, group=found.model.group)
    body = bodies.build(lineage.sources(found))
    report_id = bodies.report_id(body)
    now = timezone.now()
    statement: Json = {
        "schema": STATEMENT,
        "report_id": report_id,
        "made_at": lineage.written(now),
        "made_by": {"kind": actor.kind, "id": actor.id, "name": actor.label},
        "software": f"lockgate {version_of('lockgate')}",
        "observed": lineage.observed(found),
    }
    sealed = signing.sign_envelope(bodies.canonical(statement), STATEMENT_TYPE)
    return {
        "schema": bodies.SCHEMA,
        "report_id": report_id,
        "body": body,
        "statement": statement,
        "envelope": json.loads(sealed),
    }
