"""What the audit log costs: to verify offline, to record, and to seal.

- 1,000,000 entries as a bundle, verified by the verifier alone; the baseline is to unpack, hash
  and parse each line once, which any verifier in Python has to do.
- The call that opens a promotion, with and without ``record()`` and its guards, in turns.
- Writers that append without pause while the sealer seals without pause; the baseline is
  the same without a sealer. How long one waits for the sealer is asked of PostgreSQL.

    python -m benchmarks.audit --home FOLDER [--entries 1000000] [--calls 200] [--seconds 20]

It prints a table, and then one line of JSON. It fails for wrong answers, not for slowness.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

SECONDS_BOUND, MB_BOUND, RATIO_BOUND, BLOCK_BOUND_MS = 30.0, 500.0, 1.10, 50.0
WRITERS = 4
BLOCK = 10
"""Calls in a row of one kind, before it is the other kind's turn."""
BASELINE = """
import hashlib, json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    for name in ("entries.ndjson", "payloads.txt"):
        with archive.open(name) as stream:
            for line in stream:
                hashlib.sha256(line).digest()
                if name == "entries.ndjson":
                    json.loads(line)
"""


def main() -> None:
    """Measure the three one after another."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    asked = parser.parse_args()
    home = asked.home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    os.environ["LOCKGATE_HOME"] = str(home)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    from governance import embedded

    embedded.provide_missing()
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    verified = _verifying(home, asked.entries)
    recorded = _recording(asked.calls)
    sealed = _sealing(asked.seconds)
    _tell(asked, verified | recorded | sealed)


# -- Verifying ---------------------------------------------------------------------------


def _verifying(home: Path, entries: int) -> dict[str, float]:
    """Make a bundle, and verify it as an auditor does."""
    from benchmarks import bundle
    from governance.audit import forging
    from governance.audit.standalone import verify

    path, keys = home / f"bundle-{entries}.zip", home / "keys.txt"
    keys.write_text(forging.keys_text())
    begun = time.perf_counter()
    bundle.write(path, entries)
    print(f"made {path} in {time.perf_counter() - begun:.0f} s, {path.stat().st_size >> 20} MiB")
    alone = [sys.executable, "-I", "-S"]
    command = [*alone, verify.__file__, "--keys", str(keys), str(path)]
    seconds, cpu, megabytes, said = _measured(command)
    if f"PROVEN: {entries} of {entries} entries" not in said:
        sys.exit(f"the bundle is not proven: {said}")
    floor, floor_cpu, _, _ = _measured([*alone, "-c", BASELINE, str(path)])
    cut = home / "cut.zip"
    bundle.write(cut, 2_000, cut=True)
    *_, said = _measured([*alone, verify.__file__, "--keys", str(keys), str(cut)])
    if "entry 2000 is missing" not in said:
        sys.exit(f"a log that was cut is proven: {said}")
    return {
        "verify_s": seconds,
        "verify_cpu_s": cpu,
        "verify_mb": megabytes,
        "baseline_read_s": floor,
        "baseline_read_cpu_s": floor_cpu,
    }


def _measured(command: list[str]) -> tuple[float, float, float, str]:
    """Run a command; return seconds, those of the processor, megabytes at most, and its words."""
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read() if process.stdout else ""
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    cpu = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - begun, cpu, usage.ru_maxrss / 1024, said


# -- Recording ---------------------------------------------------------------------------


def _recording(calls: int) -> dict[str, float]:
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
    from django.conf import settings
    from django.test import Client

    from governance.actors import Actor
    from governance.models import User
    from governance.services import bindings, people, tokens
    from promotion.services.environments import apply

    actor = Actor.from_task("benchmarks.audit")
    apply(
        slug="prod",
        document={"kind": "production", "position": 1, "policy": {"approvals": 1}},
        actor=actor,
    )
    if not User.objects.filter(username="bench").exists():
        user = people.add_person(username="bench", person="bench", password=None, actor=actor)
        bindings.grant_role(to=user, role="submitter", actor=actor)
    user = User.objects.get(username="bench")
    secret = tokens.issue(name="bench", scope="personal", owner=user, actor=actor).secret
    settings.ALLOWED_HOSTS = ["testserver"]
    client = Client(headers={"Authorization": f"Bearer {secret}"})
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


# -- Sealing -----------------------------------------------------------------------------


def _sealing(seconds: float) -> dict[str, float]:
    """Let writers write, first alone and then beside a sealer that seals all the time."""
    from governance import signing
    from governance.audit.sinks import open_sinks
    from governance.sealing import settings
    from governance.sealing.log import connected
    from governance.sealing.sealer import Sealer

    config = settings.load()
    keys = [signing.read_key(path) for path in config.key_files()]
    sealer = Sealer(config.origin, keys, open_sinks(config.sinks))
    with connected(config.database_url) as log:
        sealer.round(log)
    alone = _written(seconds, beside=None)
    rounds, sealed = [], 0

    def seal(over: threading.Event) -> None:
        nonlocal sealed
        while not over.is_set():
            with connected(config.database_url) as log:
                begun = time.perf_counter()
                done = sealer.round(log)
                rounds.append((time.perf_counter() - begun) * 1_000)
                sealed += done.sealed
            if done.trouble:
                sys.exit(f"the sealer: {done.trouble}")

    blocked, over = [0.0], threading.Event()
    watcher = threading.Thread(target=_watch_locks, args=(blocked, over))
    watcher.start()
    beside = _written(seconds, beside=seal)
    over.set()
    watcher.join()
    if sealed < 100 or len(rounds) < 5:
        sys.exit(f"{sealed} entries sealed in {len(rounds)} rounds prove nothing")
    return {
        "sealing_block_ms": max(blocked),
        "writer_max_ms": max(beside),
        "writer_p99_ms": _quantile(beside, 0.99),
        "baseline_unsealed_writer_max_ms": max(alone),
        "baseline_unsealed_writer_p99_ms": _quantile(alone, 0.99),
        "writes": float(len(beside)),
        "rounds": float(len(rounds)),
        "sealed": float(sealed),
    }


def _written(seconds: float, *, beside: Callable[[threading.Event], None] | None) -> list[float]:
    """Append from several threads; return how long each append took, commit included."""
    from django.db import connections, transaction

    from governance.actors import Actor
    from governance.audit import services as audit
    from governance.audit.actions import Action

    actor, over, took = Actor.from_task("benchmarks.audit"), threading.Event(), list[float]()

    def work(number: int) -> None:
        while not over.is_set():
            begun = time.perf_counter()
            with transaction.atomic():
                audit.record(
                    Action.MODEL_REGISTERED,
                    actor=actor,
                    object=f"model:writer-{number}",
                    subject=f"model:{number}",
                    details={"reason": "a benchmark"},
                )
            took.append((time.perf_counter() - begun) * 1_000)
        connections.close_all()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(WRITERS)]
    if beside is not None:
        threads.append(threading.Thread(target=beside, args=(over,)))
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    over.set()
    for thread in threads:
        thread.join()
    return took


def _watch_locks(blocked: list[float], over: threading.Event) -> None:
    """Ask PostgreSQL again and again whether anybody waits for the sealer, and how long."""
    import psycopg
    from django.db import connections

    found = connections["owner"].settings_dict
    asked = """
        SELECT extract(epoch FROM clock_timestamp() - max(state_change)) * 1000
        FROM pg_stat_activity waiting WHERE EXISTS (
            SELECT 1 FROM pg_stat_activity sealing
            WHERE sealing.usename = 'lockgate_sealer'
              AND sealing.pid = ANY(pg_blocking_pids(waiting.pid)))
    """
    url = f"postgresql://{found['USER']}@/{found['NAME']}?host={found['HOST']}"
    with psycopg.connect(url, autocommit=True) as link:
        while not over.wait(0.005):
            row = link.execute(asked).fetchone()
            if row and row[0] is not None:
                blocked.append(float(row[0]))


# -- Telling -----------------------------------------------------------------------------


def _tell(asked: argparse.Namespace, f: dict[str, float]) -> None:
    lines = [
        (f"verify {asked.entries:,} entries, s", f["verify_s"], SECONDS_BOUND),
        ("  baseline: unpack, hash and parse each line, s", f["baseline_read_s"], None),
        ("  of these with the processor: the verifier", f["verify_cpu_s"], None),
        ("  of these with the processor: the baseline", f["baseline_read_cpu_s"], None),
        ("  memory at most, MB", f["verify_mb"], MB_BOUND),
        (f"open a promotion, p50 of {asked.calls}, ms", f["call_p50_ms"], None),
        ("  baseline: without record(), ms", f["baseline_call_without_record_p50_ms"], None),
        ("  ratio", f["record_ratio"], RATIO_BOUND),
        ("a writer waited for the sealer at most, ms", f["sealing_block_ms"], BLOCK_BOUND_MS),
        (f"  append of {WRITERS} writers beside the sealer, p99, ms", f["writer_p99_ms"], None),
        ("  longest, ms", f["writer_max_ms"], None),
        ("  baseline: without a sealer, p99, ms", f["baseline_unsealed_writer_p99_ms"], None),
        ("  longest, ms", f["baseline_unsealed_writer_max_ms"], None),
    ]
    for title, value, bound in lines:
        print(f"{title:58}{value:>10.2f}" + (f"   at most {bound:g}" if bound else ""))
    print(f"{f['writes']:,.0f} writes beside {f['rounds']:,.0f} rounds of sealing")
    bounds = {
        "verify_s": SECONDS_BOUND,
        "verify_mb": MB_BOUND,
        "record_ratio": RATIO_BOUND,
        "sealing_block_ms": BLOCK_BOUND_MS,
    }
    figures = {
        name: {
            "value": round(value, 3),
            "bound": bounds.get(name),
            "better": "lower",
            "met": value <= bounds[name] if name in bounds else None,
        }
        for name, value in f.items()
    }
    print(json.dumps({"bench": "audit", "n": asked.entries, "figures": figures}))


def _quantile(took: list[float], share: float) -> float:
    found = sorted(took)
    return found[min(len(found) - 1, int(share * len(found)))]


if __name__ == "__main__":
    main()
