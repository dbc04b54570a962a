"""What ``record()`` adds to the call that opens a promotion."""

import statistics
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager

from benchmarks import accounts

BLOCK = 10
"""Calls in a row of one kind, before it is the other kind's turn."""


def recording(calls: int) -> dict[str, float]:
    """Open promotions, with and without the audit log, in turns."""
    from governance.audit import services as audit
    from governance.audit.models import Entry

    call = _prepared(2 * calls + 2 * BLOCK)
    record = audit.record
    took: dict[bool, list[float]] = {True: [], False: []}
    for is_recording in (True, False):  # Once each, to warm up.
        with _log(audit, record, on=is_recording):
            for _ in range(BLOCK):
                call()
    while min(map(len, took.values())) < calls:
        for is_recording, found in took.items():
            before = Entry.objects.count()
            with _log(audit, record, on=is_recording):
                for _ in range(BLOCK):
                    begun = time.perf_counter()
                    call()
                    found.append((time.perf_counter() - begun) * 1_000)
            written = Entry.objects.count() - before
            if written != (2 * BLOCK if is_recording else 0):
                sys.exit(f"{BLOCK} calls wrote {written} entries")
    p50 = {on: statistics.median(found) for on, found in took.items()}
    return {
        "call_p50_ms": p50[True],
        "baseline_call_without_record_p50_ms": p50[False],
        "record_ratio": p50[True] / p50[False],
    }


@contextmanager
def _log(audit: object, record: object, *, on: bool):  # noqa: ANN202 - a context manager
    """Switch recording off, and with it the guards that miss it: this is no log to be trusted."""
    from django.db import connections

    def guards(word: str) -> None:
        with connections["owner"].cursor() as cursor:
            for table in ("promotion_deployment", "promotion_request"):
                cursor.execute(f"ALTER TABLE {table} {word} TRIGGER audited")

    if on:
        yield
        return
    audit.record = lambda *_, **__: 0  # type: ignore[attr-defined]
    guards("DISABLE")
    try:
        yield
    finally:
        guards("ENABLE ALWAYS")
        audit.record = record  # type: ignore[attr-defined]


def _prepared(versions: int) -> Callable[[], None]:
    """Return the call: it opens a promotion of the next version, over the API."""
    from governance.actors import Actor
    from promotion.services.environments import apply

    actor = Actor.from_task("benchmarks.audit")
    apply(
        slug="prod",
        document={"kind": "production", "position": 1, "policy": {"approvals": 1}},
        actor=actor,
    )
    client = accounts.client(accounts.bearer(role="submitter", actor=actor))
    names = iter(_versions(versions, actor))

    def call() -> None:
        body = {
            "model": next(names),
            "version": 1,
            "environment": "prod",
            "to": "production",
            "reason": "a benchmark",
        }
        answer = client.post("/api/v1/promotions", body, content_type="application/json")
        if answer.status_code != 201:
            sys.exit(f"no promotion: {answer.status_code} {answer.content.decode()}")

    return call


def _versions(count: int, actor: object) -> list[str]:
    """Register models with one version each, as the registry's services leave them."""
    import hashlib
    import secrets

    from django.db import transaction

    from governance.audit import services as audit
    from governance.audit.actions import Action
    from registry.models import Blob, Inspection, ModelVersion, RegisteredModel

    names, run = [], secrets.token_hex(3)
    for number in range(count):
        name = f"bench-{run}-{number}"
        digest = hashlib.sha256(name.encode()).hexdigest()
        with transaction.atomic():
            model = RegisteredModel.objects.create(name=name, owner="bench", purpose="a benchmark")
            blob = Blob.objects.create(sha256=digest, size=10)
            version = ModelVersion.objects.create(
                model=model,
                number=1,
                digest=digest,
                manifest_blob=blob,
                manifest={"model": name, "score": {"threshold": 0.5}},
                authors=["somebody"],
                registered_by="bench",
            )
            Inspection.objects.create(version=version, status=Inspection.Status.READY)
            for action, subject in (
                (Action.MODEL_REGISTERED, f"model:{model.pk}"),
                (Action.VERSION_REGISTERED, f"version:{version.pk}"),
            ):
                audit.record(
                    action,
                    actor=actor,  # type: ignore[arg-type]
                    object=f"model:{name}",
                    subject=subject,
                    model=name,
                )
        names.append(name)
    return names
