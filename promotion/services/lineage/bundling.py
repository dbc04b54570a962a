"""Packs a report with what proves it: the model's chain, every other entry, the verifier.

A bundle ends with the newest checkpoint, so a report in it tells of no entry after that.
"""

from typing import BinaryIO

from governance.actors import Actor
from governance.audit import bundles, checkpoints
from governance.errors import Conflict, NotFound
from promotion.lineage.sources import Json
from promotion.selectors import lineage
from promotion.services.lineage.asking import AsOf
from promotion.services.lineage.making import make, size_of
from promotion.services.lineage.rendering import as_html


def bundle(
    file: BinaryIO, model: str, version: int, actor: Actor, *, as_of: AsOf | None = None
) -> Json:
    """Write the report of one version as a bundle; return the report.

    Without a question it is of all that is sealed.

    Raises:
        Conflict: ``not_sealed``, nothing is, or not yet what is asked for.
        NotFound, Forbidden, Invalid: as for ``report``.
    """
    newest = checkpoints.newest()
    sealed = newest.size if newest else 0
    size = size_of(as_of or AsOf(size=sealed))
    if size is None or not sealed or size > sealed:
        raise _not_sealed(sealed)
    try:
        made = make(model, version, actor, as_of=AsOf(size=size))
    except NotFound as exc:
        if as_of is None and exc.code == "unknown_version_then":
            raise _not_sealed(sealed) from exc  # It is there, and newer than the checkpoint.
        raise
    alone = [r for r in made.sources.with_payloads() if r.object != made.sources.object]
    gone = [record.seq for record in alone if record.payload is None]
    question = bundles.Question(
        objects=frozenset({made.sources.object}),
        others=frozenset([*(record.seq for record in alone), *lineage.tombstones(gone)]),
        report=made.document,
        page=as_html(made.document),
    )
    bundles.write(file, question)
    return made.document


def _not_sealed(sealed: int) -> Conflict:
    message = f"{sealed} entries are sealed so far; the sealer comes by the minute."
    return Conflict(message, code="not_sealed", sealed=sealed)
