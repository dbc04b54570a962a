"""How long the lineage report of one version takes in a log of a million entries.

The log is written straight into its tables, chained as ``audit_append`` would: 10,000 versions
of 100 models, with what agents said in between. Then one version more is registered, asked for,
signed and rolled out by our own services, and its report is asked for over the API. The
baseline is to read and parse the entries of the same model's chain, once each.
"""

import hashlib
import json
import secrets
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

from benchmarks import accounts

BOUND_S = 3.0
MODELS, VERSIONS, AGENTS, RUNS = 100, 100, 3, 5
BATCH = 50_000
SLUG, MODEL = "bench-eu", "bench-model-000"
COPIED = {
    "audit_entry": (
        *("seq", "at", "leaf", "hash", "prev_hash", "object", "object_seq", "subject"),
        *("actor_kind", "actor_id", "action", "model", "model_version", "environment", "request"),
        *("payload_sha256", "xid"),
    ),
    "audit_payload": ("seq", "salt", "body"),
}
STEPS = (
    *("version.registered", "version.inspected", "deployment.opened", "request.opened"),
    *("request.approved", "request.started", "rollout.started", "rollout.advanced"),
    *("deployment.promoted", "rollout.finished", "request.executed", "deployment.retired"),
)


def reporting(entries: int) -> dict[str, float]:
    """Fill the log up to so many entries, tell of the newest version, and time the report."""
    from governance.actors import Actor
    from promotion.lineage import proof

    actor = Actor.from_task("benchmarks.audit")
    rigs, version = _world(actor)
    begun = time.perf_counter()
    _fill(entries, [str(rig) for rig in rigs])
    print(f"filled the log to {entries} entries in {time.perf_counter() - begun:.0f} s")
    number = _life(version, rigs, actor)
    caller = accounts.client(accounts.bearer(role="auditor", actor=actor))
    took, document = [], {}
    caller.get(f"/api/v1/models/{MODEL}/versions/1/lineage")  # Once, to load what it needs.
    for _ in range(RUNS):
        begun = time.perf_counter()
        answer = caller.get(f"/api/v1/models/{MODEL}/versions/{number}/lineage")
        took.append(time.perf_counter() - begun)
        document = json.loads(answer.content)
    body = document["body"]
    wrong = proof.faults(document) or not body["completeness"]["is_gapless"]
    states = [row["state"] for row in body["inventory"]["states"].values()]
    if wrong or states != ["production"] or len(body["deployment_record"]["serving"]) != AGENTS:
        sys.exit(f"the report is wrong: {wrong or states}")
    baseline = [_read(f"model:{MODEL}") for _ in range(RUNS)]
    return {
        "report_s": max(took),
        "report_p50_s": statistics.median(took),
        "report_chain": float(body["completeness"]["entries_of_the_model"]),
        "report_mb": len(answer.content) / 1e6,
        "baseline_read_chain_s": statistics.median(baseline),
    }


def _read(name: str) -> float:
    from governance.audit.models import Entry

    begun = time.perf_counter()
    rows = Entry.objects.filter(object=name).order_by("seq").values_list("leaf", "hash")
    for leaf, _ in rows:
        json.loads(leaf)
    return time.perf_counter() - begun


# -- The log ------------------------------------------------------------------------------


def _fill(entries: int, agents: list[str]) -> None:
    """Append entries as the log's owner, from where it ends."""
    from django.db import connections

    from governance.audit.models import Head, ObjectHead

    head = Head.objects.get()
    ends = {row.object: (row.seq, row.hash) for row in ObjectHead.objects.all()}
    owner = connections["owner"]
    with owner.cursor() as cursor:
        log = _Log(head.seq, head.hash, ends, at=head.at)
        count = entries - head.seq
        rows = log.rows(count, agents)
        while batch := list(islice(rows, BATCH)):
            for table, copied in (("audit_entry", batch), ("audit_payload", log.payloads)):
                columns = ", ".join(COPIED[table])
                with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                    for row in copied:
                        copy.write_row(row)
            log.payloads.clear()
        cursor.execute(
            "UPDATE audit_head SET seq = %s, hash = %s, at = %s", [log.seq, log.hash, log.at]
        )
        cursor.executemany(
            "INSERT INTO audit_object_head (object, seq, hash) VALUES (%s, %s, %s)"
            " ON CONFLICT (object) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
            [(name, *end) for name, end in log.ends.items()],
        )
        cursor.execute("ANALYZE")


class _Log:
    """A log as it grows."""

    def __init__(self, seq: int, hash_: str, ends: dict[str, tuple[int, str]], *, at: Any) -> None:
        self.seq, self.hash, self.ends, self.at = seq, hash_, ends, at
        self.payloads: list[tuple[int, bytes, str]] = []

    def rows(self, count: int, agents: list[str]) -> Iterator[tuple[object, ...]]:
        for number in range(count):
            fields, payload = _told(number, of=count, agents=agents)
            salt = secrets.token_bytes(16)
            name = str(fields["object"])
            object_seq, last = self.ends.get(name, (0, "0" * 64))
            self.seq, self.at = self.seq + 1, self.at + timedelta(microseconds=1)
            fields |= {
                "at": f"{self.at:%Y-%m-%dT%H:%M:%S.%f}Z",
                "object_seq": object_seq + 1,
                "payload_sha256": hashlib.sha256(salt + payload.encode()).hexdigest(),
                "prev_hash": self.hash,
                "prev_object_hash": last,
                "seq": self.seq,
            }
            leaf = json.dumps(fields, sort_keys=True, separators=(",", ":"))
            before, self.hash = self.hash, hashlib.sha256(b"\0" + leaf.encode()).hexdigest()
            self.ends[name] = object_seq + 1, self.hash
            self.payloads.append((self.seq, salt, payload))
            stored = fields | {"at": self.at, "leaf": leaf, "hash": self.hash, "xid": 1}
            stored["prev_hash"] = before
            yield tuple(stored[column] for column in COPIED["audit_entry"])


def _told(number: int, *, of: int, agents: list[str]) -> tuple[dict[str, Any], str]:
    """Three of four entries are about versions, one is of what agents and targets said."""
    turn = number * MODELS * VERSIONS // of
    model, version = f"bench-model-{turn % MODELS:03d}", turn // MODELS + 1
    digest = hashlib.sha256(f"{model} {version}".encode()).hexdigest()
    fields: dict[str, Any] = {
        "actor_id": f"person-{number % 50}",
        "actor_kind": "user",
        "environment": SLUG,
        "model": model,
        "model_version": version,
        "object": f"model:{model}",
        "request": f"00000000-0000-4000-8000-{turn:012d}",
        "v": 1,
    }
    payload: dict[str, Any] = {
        "actor": f"person-{number % 50}",
        "digest": digest,
        "reason": "again",
    }
    if number % 4:
        action = STEPS[number // 4 % len(STEPS)]
        fields |= {"action": action, "subject": f"{action.partition('.')[0]}:{number}"}
    else:
        agent = agents[number // 4 % len(agents)]
        fields |= {"model": None, "model_version": None, "request": None}
        fields |= {"action": "agent.changed_serving", "subject": f"agent:{agent}"}
        fields["object"] = f"agent:{agent}"
        serving = [{"model": model, "digest": digest, "role": "champion"}]
        payload |= {"name": "bench", "tier": "live", "before": [], "after": serving}
    return fields, json.dumps(payload, sort_keys=True, separators=(",", ":"))


# -- The version --------------------------------------------------------------------------


SEED = """
INSERT INTO registry_registeredmodel (id, name, "group", owner, purpose, risk_tier, regimes,
    optimising_metric, optimising_direction, satisficing, created_at)
  SELECT gen_random_uuid(), 'bench-model-' || lpad((n - 1)::text, 3, '0'), '', 'bench', 'a model',
    'high', '[]', 'auc', 'max', '{{}}', now() FROM generate_series(1, {models}) n;
INSERT INTO registry_blob (sha256, size, created_at, created_by)
  SELECT encode(sha256(convert_to(m.name || ' ' || n, 'UTF8')), 'hex'), 4000, now(), 'bench'
  FROM registry_registeredmodel m, generate_series(1, {versions}) n WHERE m.name ~ '^bench-model';
INSERT INTO registry_modelversion (id, model_id, number, digest, manifest_blob_id, manifest,
    authors, registered_by, registered_by_person, created_at)
  SELECT gen_random_uuid(), m.id, n, encode(sha256(convert_to(m.name || ' ' || n, 'UTF8')), 'hex'),
    encode(sha256(convert_to(m.name || ' ' || n, 'UTF8')), 'hex'),
    jsonb_build_object('model', m.name), '["asha"]', 'bench', '', now()
  FROM registry_registeredmodel m, generate_series(1, {versions}) n WHERE m.name ~ '^bench-model';
INSERT INTO promotion_deployment (id, version_id, model_id, environment_id, state, role, hold,
    champion_at, switched_generation, barred, changed_at)
  SELECT gen_random_uuid(), v.id, v.model_id, e.id, 'retired', '', 'none', NULL, 0, false, now()
  FROM registry_modelversion v JOIN registry_registeredmodel m ON m.id = v.model_id,
    governance_environment e WHERE m.name ~ '^bench-model' AND e.slug = '{slug}';
"""
TABLES = ("registry_registeredmodel", "registry_modelversion", "promotion_deployment")


def _world(actor: Any) -> tuple[list[Any], int]:
    """An environment with its agents, and 10,000 versions; return the next one's number."""
    from django.db import connections

    from promotion import wire
    from promotion.services import agents
    from promotion.services.environments import apply

    policy = {"approvals": 0, "bake_seconds": 0.0}
    document = {"kind": "production", "position": 2, "policy": policy}
    apply(slug=SLUG, document=document, actor=actor)
    with connections["owner"].cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(SEED.format(models=MODELS, versions=VERSIONS, slug=SLUG))
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    secret = agents.issue_join_token(
        environment=SLUG, tier="live", uses=AGENTS, lifetime=timedelta(hours=1), actor=actor
    )
    rigs = []
    for number in range(AGENTS):
        body = {"join_token": secret, "name": f"bench-{number}"}
        rigs.append(agents.enrol(body=wire.Enrolment.model_validate(body)).agent)
    return rigs, VERSIONS + 1


def _life(number: int, rigs: list[Any], actor: Any) -> int:
    """Register one more version, ask for it, and let the agents do what they are told."""
    from django.db import transaction

    from governance.audit import services as audit
    from governance.audit.actions import Action
    from promotion.services import requests
    from registry.models import Blob, Inspection, ModelVersion, RegisteredModel

    digest = hashlib.sha256(f"{MODEL} {number}".encode()).hexdigest()
    with transaction.atomic():
        blob = Blob.objects.create(sha256=digest, size=10)
        version = ModelVersion.objects.create(
            model=RegisteredModel.objects.get(name=MODEL),
            number=number,
            digest=digest,
            manifest_blob=blob,
            manifest={"model": MODEL, "score": {"threshold": 0.5}},
            authors=["somebody"],
            registered_by="bench",
        )
        Inspection.objects.create(version=version, status=Inspection.Status.READY)
        audit.record(
            Action.VERSION_REGISTERED,
            actor=actor,
            object=f"model:{MODEL}",
            subject=f"version:{version.pk}",
            model=MODEL,
            version=number,
        )
    for rig in rigs:
        _obey(rig, 1)
    requests.open_request(
        model=MODEL, version=number, environment=SLUG, to="production", reason="bench", actor=actor
    )
    for turn in range(2, 10):
        for rig in rigs:
            _obey(rig, turn)
    return number


def _obey(agent: Any, turn: int) -> None:
    """Report what the newest document says, as if it were done."""
    from governance.actors import Actor
    from promotion import wire
    from promotion.models import Target
    from promotion.selectors import states
    from promotion.services import agents

    document = states.document(states.current(Target.objects.get(pk=agent.target_id)))
    items = [
        {"model": model["model"], **ref, "role": slot, "phase": "ready"}
        for model in document["models"]
        for slot, refs in {"champion": [model["champion"]], "load": model["load"]}.items()
        for ref in refs
        if ref
    ]
    said = {
        "schema": wire.SCHEMA,
        "boot_id": "boot",
        "seq": turn,
        "observed_generation": document["generation"],
        "models": items,
    }
    speaker = Actor.from_agent(agent.pk, name=agent.name)
    agents.report(agent=agent, body=wire.Report.model_validate(said), actor=speaker)
