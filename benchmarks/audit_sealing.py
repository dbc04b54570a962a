"""How long writers wait for the sealer, beside the same writers without one."""

import sys
import threading
import time
from collections.abc import Callable

WRITERS = 4


def sealing(seconds: float) -> dict[str, float]:
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


def _quantile(took: list[float], share: float) -> float:
    found = sorted(took)
    return found[min(len(found) - 1, int(share * len(found)))]
