"""A small world: two environments, versions that were inspected, agents that report."""

import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.models import User
from promotion import wire
from promotion.models import Agent, DesiredState, Request, Rollout
from promotion.selectors import states
from promotion.services import agents, environments, policy_requests, requests
from registry.models import Blob, Inspection, ModelVersion, RegisteredModel, VersionFile
from tests.promotion.replaying import the_log_tells_the_tables

SET_UP = Actor.from_task("tests.set_up")
PASSWORD = "correct horse battery"
QA = {"kind": "qa", "position": 1, "policy": {"approvals": 0, "bake_seconds": 0.0}}
PROD = {
    "kind": "production",
    "position": 2,
    "targets": {"live": {"mirror_fraction": 0.5}, "dark": {}},
    "policy": {"approvals": 1, "bake_seconds": 0.0},
}


def publish(*, environment: str, tier: str, document: object, actor: Actor) -> object:
    """Let a document be the next policy, or wait for approval."""
    return policy_requests.publish_or_ask(
        environment=environment, tier=tier, document=document, reason="a test", actor=actor
    )


@pytest.fixture
def world(db: None) -> "World":
    """Environments ``qa`` and ``prod-eu``, without agents."""
    environments.apply(slug="qa", document=QA, actor=SET_UP)
    environments.apply(slug="prod-eu", document=PROD, actor=SET_UP)
    return World()


@dataclass
class Rig:
    """One agent, as the control plane sees it: what it says of itself."""

    agent: Agent
    secret: str
    seq: itertools.count = field(default_factory=lambda: itertools.count(1))
    broken: dict[str, str] = field(default_factory=dict)
    boot_id: str = "boot-1"
    control_url: str = ""

    @property
    def actor(self) -> Actor:
        return Actor.from_agent(self.agent.pk, name=self.agent.name)

    def desired(self) -> dict[str, Any]:
        """The document its target was told last."""
        target = Agent.objects.select_related("target").get(pk=self.agent.pk).target
        return dict(states.document(states.current(target)))

    def obey(self) -> int:
        """Do what the newest document says, at once, and report it."""
        document = self.desired()
        return self.say(document["generation"], self.items(document))

    def items(self, document: dict[str, Any]) -> list[dict[str, Any]]:
        items = []
        for model in document["models"]:
            if not model["placement"]["labels"].items() <= self.agent.labels.items():
                continue
            slots = {s: [model[s]] for s in ("champion", "candidate", "bake", "spare") if model[s]}
            for slot, refs in {**slots, "dark": model["dark"], "load": model["load"]}.items():
                for ref in refs:
                    reason = self.broken.get(ref["digest"])
                    items.append(
                        {
                            "model": model["model"],
                            **ref,
                            "role": slot,
                            "phase": "failed" if reason else "ready",
                            "reason": reason,
                        }
                    )
        return items

    def say(self, generation: int, items: list[dict[str, Any]], **more: object) -> int:
        """Report this generation and these versions; return the newest generation."""
        body = wire.Report.model_validate(
            {
                "schema": wire.SCHEMA,
                "boot_id": self.boot_id,
                "seq": next(self.seq),
                "observed_generation": generation,
                "models": items,
                "control_url": self.control_url,
                **more,
            }
        )
        return agents.report(agent=self.agent, body=body, actor=self.actor)


class World:
    """Makes versions and agents, and walks rollouts to their end."""

    def __init__(self) -> None:
        self.rigs: list[Rig] = []

    def agent(
        self, name: str, environment: str = "prod-eu", tier: str = "live", **labels: str
    ) -> Rig:
        token = agents.issue_join_token(
            environment=environment, tier=tier, uses=1, lifetime=timedelta(hours=1), actor=SET_UP
        )
        joined = agents.enrol(
            body=wire.Enrolment.model_validate(
                {"join_token": token, "name": name, "labels": labels}
            )
        )
        rig = Rig(joined.agent, joined.secret)
        rig.obey()
        self.rigs.append(rig)
        return rig

    def settle(self, rounds: int = 12) -> None:
        """Let all agents obey until nothing moves any more."""
        for _ in range(rounds):
            before = self._position()
            for rig in self.rigs:
                rig.obey()
            if self._position() == before:
                return

    def _position(self) -> tuple[object, ...]:
        steps = Rollout.objects.order_by("pk").values_list("step", flat=True)
        return DesiredState.objects.count(), *steps

    @transaction.atomic
    def version(
        self,
        model: str = "credit-default",
        *,
        authors: tuple[str, ...] = ("asha",),
        **extra: object,
    ) -> ModelVersion:
        registered = RegisteredModel.objects.filter(name=model).first()
        if registered is None:
            registered = RegisteredModel.objects.create(
                name=model, owner="risk team", purpose="a test"
            )
            audit.record(
                Action.MODEL_REGISTERED,
                actor=SET_UP,
                object=f"model:{model}",
                subject=f"model:{registered.pk}",
                model=model,
                details={"owner": registered.owner, "purpose": registered.purpose},
            )
        number = registered.versions.count() + 1
        manifest = {"model": model, "number": number, "score": {"threshold": 0.5}, **extra}
        version = ModelVersion.objects.create(
            model=registered,
            number=number,
            digest=_digest(json.dumps(manifest)),
            manifest_blob=_blob(json.dumps(manifest)),
            manifest=manifest,
            authors=list(authors),
            registered_by="tests",
        )
        file = _blob(f"{model} {number}")
        VersionFile.objects.create(version=version, path="model.onnx", role="model", blob=file)
        Inspection.objects.create(version=version, status=Inspection.Status.READY)
        audit.record(
            Action.VERSION_REGISTERED,
            actor=SET_UP,
            object=f"model:{model}",
            subject=f"version:{version.pk}",
            model=model,
            version=number,
            details={
                "digest": version.digest,
                "authors": version.authors,
                "files": [{"path": "model.onnx", "sha256": file.pk}],
            },
        )
        return version


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _blob(text: str) -> Blob:
    digest = _digest(text)
    found, _ = Blob.objects.get_or_create(
        sha256=digest, defaults={"size": len(text), "created_by": "tests"}
    )
    return found


@pytest.fixture
def ask(world: World) -> Callable[..., Request]:
    """Open a request, as asha unless told otherwise."""

    def opened(
        version: ModelVersion, to: str = "production", environment: str = "prod-eu", *, by: Actor
    ) -> Request:
        outcome = requests.open_request(
            model=version.model.name,
            version=version.number,
            environment=environment,
            to=to,
            reason="a test",
            actor=by,
        )
        assert outcome.request is not None
        return outcome.request

    return opened


@pytest.fixture
def sign() -> Callable[..., Request]:
    """Approve a request as somebody, with their password."""

    def signed(
        request: Request, actor: Actor, *, content_hash: str = "", **changes: Any
    ) -> Request:
        user = User.objects.get(pk=actor.id)
        user.set_password(PASSWORD)
        arguments = {
            "password": PASSWORD,
            "meaning": "approval",
            "comment": "",
            "content_hash": content_hash or request.content_hash,
            **changes,
        }
        return requests.approve(request_id=request.pk, user=user, actor=actor, **arguments)

    return signed


@pytest.fixture
def promote(
    world: World,
    ask: Callable[..., Request],
    sign: Callable[..., Request],
    asha: Actor,
    bram: Actor,
) -> Callable[..., Request]:
    """Promote a version, the next unless told otherwise, and let agents obey so often."""

    def promoted(rounds: int = 12, version: ModelVersion | None = None) -> Request:
        request = sign(ask(version or world.version(), by=asha), bram)
        world.settle(rounds)
        request.refresh_from_db()
        return request

    return promoted


@pytest.fixture
def rules(world: World) -> Callable[..., None]:
    """Publish other rules for prod-eu; what is not named is as in ``PROD``."""

    def publish(slug: str = "prod-eu", **changes: object) -> None:
        document = PROD if slug == "prod-eu" else QA
        policy = {**document["policy"], **changes}
        environments.apply(slug=slug, document={**document, "policy": policy}, actor=SET_UP)

    return publish


@pytest.fixture
def replayed(db: None) -> Callable[[], None]:
    """Read the audit log alone, and find that the tables say the same."""
    return the_log_tells_the_tables
