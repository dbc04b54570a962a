"""A small bank's models, for the tests of pages and for looking at pages by hand.

Decisions are made by the services that make them anywhere. Only what would need
files or processes is made here: versions as rows, and agents as what they report.
"""

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
from django.db import transaction
from django.utils import timezone

from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.models import Environment, User
from governance.services import bindings, people
from promotion import wire
from promotion.models import Agent, AgentReport, DarkTally, Request, Rollout
from promotion.selectors import states
from promotion.services import agents, environments, requests
from registry.manifests.lineage import read_datasets
from registry.manifests.reading import Node, Problems
from registry.models import Blob, Inspection, ModelVersion, RegisteredModel, VersionFile
from registry.services import origins
from registry.services.origins import Parent
from tests.measured import measured

SET_UP = Actor.from_task("set-up")
PASSWORD = "correct horse battery"
FEATURES = ("limit_bal", "age", "pay_0", "pay_2", "bill_amt1", "pay_amt1")
BINS = 20


@dataclass
class Rig:
    """One agent, as the control plane sees it: what it says of itself."""

    agent: Agent
    seq: itertools.count = field(default_factory=lambda: itertools.count(1))
    broken: dict[str, str] = field(default_factory=dict)

    def obey(self) -> None:
        """Do what the newest document says, at once, and report it."""
        self.say(self.generation(), self.items())

    def generation(self) -> int:
        """The newest generation of its target."""
        return int(str(self._document()["generation"]))

    def items(self) -> list[dict[str, Any]]:
        """What the newest document wants in memory, as if all of it were there."""
        return self._items(self._document())

    def _document(self) -> Mapping[str, Any]:
        target = Agent.objects.select_related("target").get(pk=self.agent.pk).target
        return states.document(states.current(target))

    def say(self, generation: int, items: list[dict[str, Any]], **more: object) -> None:
        """Report this generation and these versions."""
        body = {
            "schema": wire.SCHEMA,
            "boot_id": "boot-1",
            "seq": next(self.seq),
            "observed_generation": generation,
            "software": "0.1.0",
            "models": items,
            "mirror": {"sent": 48_201, "dropped": 0},
            "resident_bytes": 213_000_000,
            **more,
        }
        actor = Actor.from_agent(self.agent.pk, name=self.agent.name)
        agents.report(agent=self.agent, body=wire.Report.model_validate(body), actor=actor)

    def falls_silent(self, seconds: int = 40) -> None:
        """Be last heard of so long ago."""
        at = timezone.now() - timedelta(seconds=seconds)
        AgentReport.objects.filter(agent=self.agent).update(at=at)

    def _items(self, document: Mapping[str, Any]) -> list[dict[str, Any]]:
        items = []
        for model in document["models"]:
            if not model["placement"]["labels"].items() <= self.agent.labels.items():
                continue
            slots = {s: [model[s]] for s in ("champion", "candidate", "bake", "spare") if model[s]}
            for slot, refs in {**slots, "dark": model["dark"], "load": model["load"]}.items():
                items += [self._item(model["model"], ref, slot) for ref in refs]
        return items

    def _item(self, model: str, ref: Mapping[str, Any], slot: str) -> dict[str, Any]:
        reason = self.broken.get(ref["digest"])
        latency = {"count": 96_402, "mean_ms": 0.41, "p50_ms": 0.38, "p95_ms": 0.7, "p99_ms": 1.1}
        return {
            "model": model,
            **ref,
            "role": slot,
            "phase": "failed" if reason else "ready",
            "reason": reason,
            "memory_bytes": 38_400_000,
            "load_seconds": 1.24,
            "golden": {"passed": 20, "total": 20, "max_error": 2.6e-7},
            "requests": 96_402 if slot == "champion" else 0,
            "latency": latency if slot == "champion" else None,
        }


class World:
    """Makes people, environments, versions and agents, and walks rollouts to their end."""

    def __init__(self) -> None:
        self.rigs: list[Rig] = []

    def environment(self, slug: str, kind: str, **policy: object) -> Environment:
        """An environment with both tiers; ``policy`` differs from the default."""
        document = {
            "kind": kind,
            "position": Environment.objects.count(),
            "targets": {"live": {"mirror_fraction": 0.5}, "dark": {}},
            "policy": {"approvals": 0, "bake_seconds": 0.0, **policy},
        }
        return environments.apply(slug=slug, document=document, actor=SET_UP).environment

    def person(self, name: str, *roles: str, **fields: Any) -> User:
        """An account with roles everywhere."""
        user = people.add_person(
            username=name, person=f"{name}@bank", password=PASSWORD, actor=SET_UP, **fields
        )
        for role in roles:
            bindings.grant_role(to=user, role=role, actor=SET_UP)
        return user

    @transaction.atomic
    def model(self, name: str, **fields: Any) -> RegisteredModel:
        """A registered model."""
        defaults = {
            "owner": "Credit risk",
            "group": "credit",
            "purpose": "Estimate how likely a client is to default next month.",
            "risk_tier": "high",
            "regimes": ["SR 26-2", "EU AI Act"],
            "optimising_metric": "auc",
            "latency_budget_ms": 30.0,
        }
        model = RegisteredModel.objects.create(name=name, **{**defaults, **fields})
        audit.record(
            Action.MODEL_REGISTERED,
            actor=SET_UP,
            object=f"model:{name}",
            subject=f"model:{model.pk}",
            model=name,
            details={"owner": model.owner},
        )
        return model

    @transaction.atomic
    def version(
        self,
        model: RegisteredModel,
        *,
        status: str = "ready",
        features: tuple[str, ...] = FEATURES,
        parents: tuple[Parent, ...] = (),
        **extra: object,
    ) -> ModelVersion:
        """The model's next version, inspected."""
        number = model.versions.count() + 1
        files = {
            "model.onnx": ("model", 1_200_000 + 20_000 * number),
            "golden.json": ("golden", 8_412),
        }
        manifest = {**_manifest(model.name, number, files, features), **extra}
        text = json.dumps(manifest)
        version = ModelVersion.objects.create(
            model=model,
            number=number,
            digest=_digest(text),
            manifest_blob=_blob(text, len(text)),
            manifest=manifest,
            authors=["asha@bank"],
            registered_by="ci-credit",
        )
        said = Problems()
        datasets = read_datasets(Node(manifest["datasets"], "datasets", said, "manifest"))
        origins.keep(version, datasets=() if said.found else datasets, parents=parents)
        for path, (role, size) in files.items():
            blob = _blob(f"{model.name} {number} {path}", size)
            VersionFile.objects.create(version=version, path=path, role=role, blob=blob)
        reasons = ["model.onnx: opset 99 is not known"] if status == "rejected" else []
        Inspection.objects.create(version=version, status=status, reasons=reasons)
        audit.record(
            Action.VERSION_REGISTERED,
            actor=SET_UP,
            object=f"model:{model.name}",
            subject=f"version:{version.pk}",
            model=model.name,
            version=number,
            details={"digest": version.digest},
        )
        return version

    def agent(self, name: str, environment: str, tier: str = "live", *, labels: Any = None) -> Rig:
        """An enrolled agent that has reported once."""
        token = agents.issue_join_token(
            environment=environment, tier=tier, uses=1, lifetime=timedelta(hours=1), actor=SET_UP
        )
        body = {"join_token": token, "name": name, "labels": labels or {}}
        rig = Rig(agents.enrol(body=wire.Enrolment.model_validate(body)).agent)
        rig.obey()
        self.rigs.append(rig)
        return rig

    def ask(
        self,
        version: ModelVersion,
        to: str,
        environment: str,
        *,
        by: User | None = None,
        **more: Any,
    ) -> Request:
        """Open a request."""
        outcome = requests.open_request(
            model=version.model.name,
            version=version.number,
            environment=environment,
            to=to,
            reason=more.pop("reason", "Quarterly retraining on the newest data."),
            actor=Actor.from_user(by) if by else SET_UP,
            **more,
        )
        if outcome.request is None:
            message = "nothing was opened"
            raise AssertionError(message)
        return outcome.request

    def sign(self, request: Request, by: User, **changes: Any) -> Request:
        """Approve a request."""
        arguments = {
            "password": PASSWORD,
            "meaning": "approval",
            "comment": "Read the report; the flips are where we want them.",
            "content_hash": request.content_hash,
            **changes,
        }
        return requests.approve(
            request_id=request.pk, user=by, actor=Actor.from_user(by), **arguments
        )

    def settle(self, rounds: int = 12) -> None:
        """Let all agents obey until nothing moves any more."""
        for _ in range(rounds):
            before = self._position()
            for rig in self.rigs:
                rig.obey()
            if self._position() == before:
                return

    def champion(self, version: ModelVersion, environment: str) -> None:
        """Promote a version where no approval is needed, all the way."""
        self.ask(version, "production", environment)
        self.settle()

    def took(self, environment: str, *, median_ms: float, answers: int = 4_000) -> None:
        """Let the agents of an environment report how long their answers took."""
        random = np.random.default_rng(7)
        for rig in self.rigs:
            if rig.agent.target.environment.slug == environment:
                taken = median_ms * np.exp(random.normal(0.0, 0.45, size=answers))
                latency = measured(taken.tolist(), budget_ms=30.0)
                rig.say(rig.generation(), [{**one, "latency": latency} for one in rig.items()])

    def tally(
        self, version: ModelVersion, champion: ModelVersion, environment: str, pairs: int = 48_201
    ) -> DarkTally:
        """How a dark version scored beside the champion."""
        now = timezone.now()
        return DarkTally.objects.create(
            environment=Environment.objects.get(slug=environment),
            version=version,
            champion=champion,
            scored=pairs,
            stricter=pairs * 96 // 48_201,
            laxer=pairs * 53 // 48_201,
            sum_difference=0.0021 * pairs,
            sum_absolute_difference=0.0094 * pairs,
            sum_latency_ms=0.41 * pairs,
            histogram=_bell(pairs, 4.6),
            champion_histogram=_bell(pairs, 4.0),
            first_at=now - timedelta(days=3, hours=2),
            last_at=now - timedelta(seconds=3),
        )

    def _position(self) -> tuple[object, ...]:
        return tuple(Rollout.objects.order_by("pk").values_list("step", "generation"))


def _manifest(
    model: str, number: int, files: Mapping[str, tuple[str, int]], features: tuple[str, ...]
) -> dict[str, object]:
    return {
        "schema": "lockgate.manifest/1",
        "model": model,
        "kind": "onnx",
        "files": [
            {
                "path": path,
                "size": size,
                "sha256": _digest(f"{model} {number} {path}"),
                "role": role,
            }
            for path, (role, size) in files.items()
        ],
        "inputs": [
            {
                "name": "X",
                "datatype": "FP32",
                "shape": [-1, len(features)],
                "features": [
                    {"name": n, "min": 0, "max": 1_000, "missing": False} for n in features
                ],
            }
        ],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}],
        "score": {"output": "probabilities", "column": 1, "threshold": 0.5},
        "authors": ["asha@bank"],
        "training": {
            "commit": _digest(f"commit {number}")[:12],
            "run": f"https://ci.bank.example/runs/{4_100 + number}",
            "parameters": {"trees": 250, "depth": 12},
            "seed": 7,
        },
        "pipeline_digest": _digest("pipeline"),
        "datasets": [
            {
                "id": "credit-default",
                "digest": _digest(f"data {number}"),
                "from": "2025-04-01",
                "to": f"2026-{number % 12 + 1:02d}-28",
                "source": "warehouse.credit.clients",
            }
        ],
        "metrics": {"auc": 0.76 + 0.004 * number, "brier": 0.135, "rows": 30_000},
        "environment_lock": None,
    }


def _bell(total: int, peak: float) -> list[int]:
    """Counts of scores in 20 bins, most of them low."""
    weights = [2.718 ** (-((i - peak) ** 2) / 9) + 0.02 for i in range(BINS)]
    return [round(total * weight / sum(weights)) for weight in weights]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _blob(text: str, size: int) -> Blob:
    found, _ = Blob.objects.get_or_create(
        sha256=_digest(text), defaults={"size": size, "created_by": "tests"}
    )
    return found
