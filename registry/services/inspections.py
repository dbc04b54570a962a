"""Every write to an inspection: its one outcome.

The row's status is the queue. A task only says "look now"; the sweep looks
anyway, and whoever looks twice finds it done.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.errors import NotFound
from registry import selectors, wake
from registry.adapters import inspector, store
from registry.adapters.inspector import Outcome, Subject
from registry.manifests import Role
from registry.models import Inspection, ModelVersion

TASK = "registry.inspect_version"
OVERDUE = timedelta(seconds=5)
"""How long after its registration a version counts as one nobody was woken for."""
MOST_AT_ONCE = 20
RESEND_SECONDS = 10.0
_one_here = threading.BoundedSemaphore(1)
"""A worker has few threads, and others wait for them: it inspects one version at a time."""


def inspect_version(*, version_id: UUID, actor: Actor) -> Inspection:
    """Inspect a version unless it has been, or somebody is at it. Safe to repeat and to lose.

    Takes seconds to minutes, outside of any transaction. While this process inspects
    another version nothing is done: the sweep comes back to it.

    Raises:
        NotFound: no such version.
        Unavailable: the store or the machine does not allow it now; try again.
    """
    inspection = _inspection(version_id)
    if inspection.status != Inspection.Status.INSPECTING:
        return inspection
    with _alone_with(version_id) as alone:
        if not alone:
            return inspection
        outcome = inspector.inspect(_subject(inspection.version), store=store.default())
        return _settle(version_id, outcome, actor=actor)


def sweep_inspections() -> int:
    """Send a task for each version that waits for its inspection too long; return how many."""
    overdue = selectors.inspecting().filter(version__created_at__lt=timezone.now() - OVERDUE)
    waiting = list(overdue.values_list("pk", flat=True)[:MOST_AT_ONCE])
    for version_id in waiting:
        wake.send(TASK, str(version_id), expires=RESEND_SECONDS)
    return len(waiting)


@transaction.atomic
def _settle(version_id: UUID, outcome: Outcome, *, actor: Actor) -> Inspection:
    rows = Inspection.objects.select_for_update(of=("self",), no_key=True).select_related(
        "version__model"
    )
    inspection = rows.get(pk=version_id)

    if inspection.status != Inspection.Status.INSPECTING:
        return inspection

    status = Inspection.Status.REJECTED if outcome.reasons else Inspection.Status.READY
    inspection.status, inspection.finished_at = status, timezone.now()
    inspection.reasons, inspection.facts = outcome.reasons, outcome.facts
    inspection.save(update_fields=["status", "finished_at", "reasons", "facts"])

    version = inspection.version
    audit.record(
        Action.VERSION_INSPECTED,
        actor=actor,
        object=f"model:{version.model.name}",
        subject=f"version:{version.pk}",
        model=version.model.name,
        version=version.number,
        details={"status": status.value, "reasons": outcome.reasons},
    )
    return inspection


def _inspection(version_id: UUID) -> Inspection:
    rows = Inspection.objects.select_related("version__model")
    found = rows.filter(pk=version_id).first()
    if found is None:
        message = "There is no such version."
        raise NotFound(message, code="no_such_version")
    return found


def _subject(version: ModelVersion) -> Subject:
    return Subject(
        model=version.model.name,
        manifest=version.digest,
        onnx=selectors.file(version, Role.MODEL).blob_id,
        golden=selectors.file(version, Role.GOLDEN).blob_id,
    )


@contextmanager
def _alone_with(version_id: UUID) -> Iterator[bool]:
    """Tell whether nobody else inspects this version, and this process no other one."""
    if not _one_here.acquire(blocking=False):
        yield False
        return
    try:
        with _locked(version_id) as alone:
            yield alone
    finally:
        _one_here.release()


@contextmanager
def _locked(version_id: UUID) -> Iterator[bool]:
    """Hold a lock among all processes, without a transaction; it ends with the connection."""
    key = version_id.int % 2**63
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        (alone,) = cursor.fetchone()
        try:
            yield alone
        finally:
            if alone:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])
