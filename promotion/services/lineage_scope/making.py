"""Makes the report of a scope: the body from the log, and a signed statement around it."""

import json
import tempfile
from importlib.metadata import version as version_of
from typing import IO, BinaryIO

from django.utils import timezone

from governance import access, selectors, signing
from governance.actors import Actor
from governance.audit import bundles, checkpoints
from governance.errors import Conflict, NotFound, TooLarge
from promotion.lineage.body import canonical, report_id
from promotion.lineage.sources import Json, filled
from promotion.lineage_scope import body as bodies
from promotion.lineage_scope.sources import ScopeSources
from promotion.selectors import lineage, lineage_scope, sealed
from promotion.services.lineage_scope.asking import Asked
from promotion.services.lineage_scope.rendering import as_html

STATEMENT = "lockgate.lineage-scope-statement/1"
STATEMENT_TYPE = "application/vnd.lockgate.lineage-scope-statement+json"
LATER = "not compared: the tables are of a later log than this report"
MOST_PROOFS = 40_000
"""Entries that one bundle proves one by one: their proofs are one file of 64 MB at most."""


def report(environment: str, asked: Asked, actor: Actor) -> Json:
    """Make the report of an environment, or of everything, over a period.

    ``body`` follows from the log alone; ``statement`` says when and by whom it was made, how
    far the log is sealed and whether the tables agree with it; ``envelope`` is the
    statement's exact bytes, signed. Nothing is stored.

    Args:
        environment: its name; empty for everything.

    Raises:
        NotFound: there is no such environment.
        Forbidden: the actor is no auditor there, or not everywhere.
        Invalid: ``unknown_size``.
        TooLarge: ``report_too_large``.
    """
    _require(environment, actor)
    return _document(_sources(environment, asked, size=_size(asked)), actor)


def bundle(file: BinaryIO, environment: str, asked: Asked, actor: Actor) -> Json:
    """Write the report with entries and proofs, as far as the log is sealed; return it.

    An environment's bundle proves its own object complete, and each of its other entries, of
    whatever age, to be in the log: of objects that other places share it gives no more than
    what the report names. A period's gives every object that changed in it, whole.

    Raises:
        Conflict: ``not_sealed``, or ``nothing_there``: no entry of it is sealed yet.
        TooLarge: ``report_too_large``, or ``bundle_too_large``.
        As ``report`` does.
    """
    _require(environment, actor)
    newest = checkpoints.newest()
    if newest is None:
        message = "Nothing is sealed yet; the sealer comes by the minute."
        raise Conflict(message, code="not_sealed")
    size = _size(asked)
    sources = _sources(environment, asked, size=min(size or newest.size, newest.size))
    document = _document(sources, actor)
    bundles.write(file, _question(environment, asked, sources, document))
    return document


def bundle_file(environment: str, asked: Asked, actor: Actor) -> tuple[IO[bytes], Json]:
    """Write the bundle into a file that goes when it is closed. Raises as ``bundle`` does."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever answers with it closes it
    try:
        document = bundle(file, environment, asked, actor)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file, document


def _question(
    environment: str, asked: Asked, sources: ScopeSources, document: Json
) -> bundles.Question:
    if not sources.records:
        message = "No entry of this is sealed, so there is nothing to prove."
        raise Conflict(message, code="nothing_there")
    page, others = as_html(document), bodies.cited(document["body"])
    if environment:
        own = frozenset({f"environment:{environment}"})
        others |= lineage_scope.numbers(environment, size=sources.size)
        if len(others) > MOST_PROOFS:
            message = "The environment has too many entries for one bundle: ask for a period."
            raise TooLarge(message, code="bundle_too_large", entries=len(others), most=MOST_PROOFS)
        return bundles.Question(own, others, report=document, page=page)
    if asked == Asked():
        return bundles.Question(report=document, page=page)
    changed = frozenset(one.object for one in sources.chains)
    return bundles.Question(changed, others, report=document, page=page)


def _require(environment: str, actor: Actor) -> None:
    """Let auditors pass: of the environment, or for everything those of all."""
    access.require(actor, access.Permission.VIEW)
    try:
        place = selectors.environment(environment) if environment else None
    except NotFound as error:
        raise NotFound(error.message, code="unknown_environment") from None
    access.require(actor, access.Permission.AUDIT, environment=place)


def _sources(environment: str, asked: Asked, *, size: int | None) -> ScopeSources:
    return lineage_scope.sources(environment, since=asked.since, until=asked.until, size=size)


def _size(asked: Asked) -> int | None:
    at = asked.as_of.at
    return asked.as_of.size if at is None else max(lineage.size_at(at), 1)


def _document(sources: ScopeSources, actor: Actor) -> Json:
    body = bodies.build(sources)
    scope, agree = (
        sources.scope,
        lineage_scope.reconciled(sources.scope.environment, size=sources.size),
    )
    said: Json = {
        "schema": STATEMENT,
        "report_id": report_id(body),
        "question": {
            "environment": scope.environment or "every environment",
            "from": scope.since or "the first entry",
            "until": scope.until or "the last entry",
            "size": sources.size,
        },
        "made_at": lineage.written(timezone.now()),
        "made_by": {"kind": actor.kind, "id": actor.id, "name": actor.label},
        "software": f"lockgate {version_of('lockgate')}",
        "sealing": sealed.sealing(since=sources.starts_after + 1, size=sources.size),
        "entries_against_tables": LATER if agree is None else agree,
    }
    statement = filled(said)
    signed = signing.sign_envelope(canonical(statement), STATEMENT_TYPE)  # type: ignore[arg-type]
    return {
        "schema": bodies.SCHEMA,
        "report_id": said["report_id"],
        "body": body,
        "statement": statement,
        "envelope": json.loads(signed),
    }
