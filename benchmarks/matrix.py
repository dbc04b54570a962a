"""How long the server takes for the environment matrix of a large bank.

200 models in 8 environments, 20,000 versions, two agents an environment that report all of
it. The page is asked for as a browser does, through every middleware; the baseline, in the
same run, is the same facts over REST, one call for each environment.

    python -m benchmarks.matrix --home FOLDER [--runs 40]

It prints a table, and then one line of JSON. It fails for wrong answers, not for slowness.
"""

import argparse
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import accounts

MODELS, ENVIRONMENTS, VERSIONS_EACH = 200, 8, 100
BOUND_MS = 150.0
ACTOR = "benchmarks.matrix"
TITLES = {
    "page": "the matrix page",
    "cpu": "of it on the server's processor",
    "rest": "baseline: the same over REST",
}

SEED = """
INSERT INTO governance_environment (id, slug, kind, position, created_at)
  SELECT gen_random_uuid(), 'place-' || n, CASE WHEN n < 3 THEN 'qa' ELSE 'production' END, n, now()
  FROM generate_series(1, {environments}) n;
INSERT INTO registry_registeredmodel (id, name, "group", owner, purpose, risk_tier, regimes,
    optimising_metric, optimising_direction, satisficing, created_at)
  SELECT gen_random_uuid(), 'model-' || lpad(n::text, 3, '0'), 'group-' || n % 7, 'owner',
    'a model', 'high', '[]', 'auc', 'max', '{{}}', now() FROM generate_series(1, {models}) n;
INSERT INTO registry_blob (sha256, size, created_at, created_by)
  SELECT encode(sha256(convert_to(m.name || '/' || n, 'UTF8')), 'hex'), 4000, now(), 'bench'
  FROM registry_registeredmodel m, generate_series(1, {versions}) n;
INSERT INTO registry_modelversion (id, model_id, number, digest, manifest_blob_id, manifest,
    authors, registered_by, registered_by_person, created_at)
  SELECT gen_random_uuid(), m.id, n,
    encode(sha256(convert_to(m.name || '/' || n, 'UTF8')), 'hex'),
    encode(sha256(convert_to(m.name || '/' || n, 'UTF8')), 'hex'),
    jsonb_build_object('model', m.name, 'features', (SELECT jsonb_agg(jsonb_build_object(
      'name', 'feature_' || f, 'min', 0, 'max', f * 17)) FROM generate_series(1, 60) f)),
    '["asha"]', 'bench', '', now()
  FROM registry_registeredmodel m, generate_series(1, {versions}) n;
INSERT INTO promotion_deployment (id, version_id, model_id, environment_id, state, role, hold,
    champion_at, switched_generation, barred, changed_at)
  SELECT gen_random_uuid(), v.id, v.model_id, e.id,
    CASE v.number WHEN {versions} THEN 'dark' WHEN {versions} - 1 THEN 'production'
      ELSE 'retired' END,
    CASE v.number WHEN {versions} - 1 THEN 'champion' ELSE '' END,
    CASE WHEN v.number >= {versions} - 1 THEN 'none' ELSE 'previous' END,
    now() - interval '1 day', 1, false, now()
  FROM registry_modelversion v, governance_environment e
  WHERE v.number BETWEEN {versions} - 4 AND {versions} - 1
    OR v.number = {versions} AND e.position % 4 = 0;
"""
TABLES = (
    "governance_environment",
    "registry_registeredmodel",
    "registry_modelversion",
    "promotion_deployment",
)


def main() -> None:
    """Set a database up, ask for the page again and again, and tell how long it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=40)
    asked = parser.parse_args()
    os.environ["LOCKGATE_HOME"] = str(asked.home.resolve())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    from governance import embedded

    embedded.provide_missing()
    import django

    django.setup()
    page, rest = _prepared()
    importlib.import_module("governance.wsgi")  # what the web process does before it serves
    page(), rest()
    took, used = _timed(page, asked.runs)
    baseline, _ = _timed(rest, max(asked.runs // 4, 5))
    _tell({"page": took, "cpu": used, "rest": baseline}, runs=asked.runs)


def _prepared() -> tuple[Callable[[], None], Callable[[], None]]:
    """Return the page and its baseline, each as one call that checks what it got."""
    from django.core.management import call_command
    from django.test import Client

    from governance.actors import Actor
    from governance.models import Environment, User

    call_command("migrate", verbosity=0)
    if not Environment.objects.filter(slug="place-1").exists():
        _seed()
    caller = accounts.client(accounts.bearer(role="viewer", actor=Actor.from_task(ACTOR)))
    browser = Client()
    browser.force_login(User.objects.get(username="bench"))
    champions = MODELS * ENVIRONMENTS

    def page() -> None:
        _freshen()
        text = browser.get("/").content.decode()
        found = text.count("live (confirmed)")
        if found != champions:
            sys.exit(f"the page shows {found} confirmed champions, not {champions}")

    def rest() -> None:
        found = 0
        for number in range(1, ENVIRONMENTS + 1):
            answer = caller.get(f"/api/v1/environments/place-{number}/state")
            found += sum(bool(model["champion"]) for model in answer.json()["models"])
        if found != champions:
            sys.exit(f"the API tells of {found} champions, not {champions}")

    return page, rest


def _seed() -> None:
    """Fill the tables as their owner, with the guards off: this is no log to be trusted."""
    from django.db import connections

    from governance.actors import Actor
    from governance.models import Environment
    from promotion.models import Target
    from promotion.services.environments import apply

    actor = Actor.from_task(ACTOR)
    sql = SEED.format(models=MODELS, environments=ENVIRONMENTS, versions=VERSIONS_EACH)
    with connections["owner"].cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(sql)
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        cursor.execute("ANALYZE")
    for place in Environment.objects.all():
        kind, position = place.kind, place.position
        apply(slug=place.slug, document={"kind": kind, "position": position}, actor=actor)
        for number in range(2):
            _agent(Target.objects.get(environment=place, tier="live"), number, actor)
    accounts.bearer(role="viewer", actor=actor)


def _agent(target: object, number: int, actor: object) -> None:
    """An agent that answers with every champion."""
    from datetime import timedelta

    from governance.actors import Actor
    from promotion import wire
    from promotion.models import Deployment
    from promotion.services import agents

    slug = target.environment.slug  # type: ignore[attr-defined]
    token = agents.issue_join_token(
        environment=slug,
        tier="live",
        uses=1,
        lifetime=timedelta(hours=1),
        actor=actor,  # type: ignore[arg-type]
    )
    body = {"join_token": token, "name": f"{slug}-{number}"}
    agent = agents.enrol(body=wire.Enrolment.model_validate(body)).agent
    rows = Deployment.objects.filter(environment__slug=slug, role="champion")
    items = [
        {
            "model": row.model.name,
            "version": row.version.number,
            "digest": row.version.digest,
            "role": "champion",
            "phase": "ready",
            "memory_bytes": 38_400_000,
            "load_seconds": 1.24,
            "golden": {"passed": 20, "total": 20, "max_error": 2.6e-7},
            "requests": 96_402,
            "latency": {"count": 96_402, "mean_ms": 0.41, "p50_ms": 0.38, "p99_ms": 1.1},
        }
        for row in rows.select_related("model", "version")
    ]
    said = {
        "schema": wire.SCHEMA,
        "boot_id": "boot",
        "seq": 1,
        "observed_generation": 1,
        "models": items,
    }
    speaker = Actor.from_agent(agent.pk, name=agent.name)
    agents.report(agent=agent, body=wire.Report.model_validate(said), actor=speaker)


def _freshen() -> None:
    """Let all agents have been heard of now: a silent one is another page."""
    from django.utils import timezone

    from promotion.models import AgentReport

    AgentReport.objects.update(at=timezone.now())


def _timed(call: Callable[[], None], runs: int) -> tuple[list[float], list[float]]:
    """Return how long each call took, by the clock and on the processor."""
    took, used = [], []
    for _ in range(runs):
        begun, before = time.perf_counter(), time.process_time()
        call()
        took.append((time.perf_counter() - begun) * 1_000)
        used.append((time.process_time() - before) * 1_000)
    return sorted(took), sorted(used)


def _tell(figures: dict[str, list[float]], *, runs: int) -> None:
    p95 = {name: _quantile(took, 0.95) for name, took in figures.items()}
    print(f"{MODELS} models x {ENVIRONMENTS} environments, {MODELS * VERSIONS_EACH:,} versions")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'':34}{'n':>5}{'median ms':>12}{'p95 ms':>10}")
    for name, title in TITLES.items():
        took = figures[name]
        print(f"{title:34}{len(took):>5}{statistics.median(took):>12.0f}{p95[name]:>10.0f}")
    figure = {"value": round(p95["page"], 1), "bound": BOUND_MS, "better": "lower"}
    line = {
        "bench": "matrix",
        "n": runs,
        "figures": {
            "p95_ms": {**figure, "met": p95["page"] <= BOUND_MS},
            "p95_cpu_ms": {
                "value": round(p95["cpu"], 1), "bound": None, "better": "lower", "met": None,
            },
            "baseline_rest_p95_ms": {
                "value": round(p95["rest"], 1), "bound": None, "better": "lower", "met": None,
            },
        },
    }  # fmt: skip
    print(json.dumps(line))


def _quantile(took: list[float], share: float) -> float:
    return took[min(len(took) - 1, int(share * len(took)))]


if __name__ == "__main__":
    main()
