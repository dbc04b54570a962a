"""Everything one step of a rollout works on, locked."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from governance.actors import Actor
from governance.audit.actions import Action
from promotion.models import Deployment, Request, Rollout, RolloutStep, Target
from promotion.placement import Placement
from promotion.policies import Policy as Rules
from promotion.selectors import fleet_facts, placements
from promotion.services import publishing
from promotion.services.journal import Journal


@dataclass(slots=True)
class Context:
    """One rollout with its rows, all held until the transaction ends."""

    rollout: Rollout
    request: Request
    deployment: Deployment
    outgoing: Deployment | None
    targets: dict[str, Target]
    rules: Rules
    journal: Journal
    now: datetime

    @property
    def target(self) -> Target:
        """The tier this rollout works on."""
        return next(t for t in self.targets.values() if t.pk == self.rollout.target_id)

    @property
    def placement(self) -> Placement:
        """Where the model runs now. One query, and it may change from step to step."""
        return placements.of(self.request.model_id, self.request.environment_id)

    def publish(self, cause: str, *, tier: str = "", may_remove: Iterable[str] = ()) -> int:
        """Publish this rollout's target, or another tier of the environment."""
        return publishing.publish(
            self.targets[tier] if tier else self.target,
            cause=cause,
            journal=self.journal,
            now=self.now,
            may_remove=may_remove,
        )

    def publish_dark(self, cause: str) -> None:
        """Publish the dark tier, where there is one."""
        if Target.Tier.DARK in self.targets:
            self.publish(f"{cause}: request {self.request.pk}", tier=Target.Tier.DARK)

    def extend(self, seconds: float) -> None:
        """Let the present step last that much longer. The caller tells of it."""
        self.rollout.deadline = self.now + timedelta(seconds=seconds)

    def tell(
        self, detail: str, *, action: Action = Action.ROLLOUT_ADVANCED, **details: object
    ) -> None:
        """Keep what changed of the rollout, and say how it stands now."""
        self.rollout.detail = detail
        self.rollout.save()
        self.journal.rollout(action, self.rollout, **details)

    def enter(self, step: str, *, seconds: float, generation: int) -> None:
        """Go to a step: from now on agents count that have applied ``generation``."""
        rollout = self.rollout
        rollout.step, rollout.generation = step, generation
        rollout.step_at = self.now
        rollout.deadline = self.now + timedelta(seconds=seconds)
        rollout.detail = ""
        rollout.extended, rollout.unwatched, rollout.halted_at = False, False, None
        rollout.save()
        ask(rollout, self.target, now=self.now)
        self.journal.rollout(Action.ROLLOUT_ADVANCED, rollout)

    def end(self, step: str, action: Action, detail: str = "") -> None:
        """End this attempt."""
        rollout = self.rollout
        rollout.step, rollout.ended_at, rollout.detail = step, self.now, detail
        rollout.save()
        self.journal.rollout(action, rollout)

    def settle(self, state: str, action: Action, detail: str = "") -> None:
        """Settle the request for good."""
        request = self.request
        request.state, request.settled_at, request.detail = state, self.now, detail
        request.save(update_fields=["state", "settled_at", "detail"])
        self.journal.request(action, request, detail=detail)


def ask(rollout: Rollout, target: Target, *, now: datetime) -> None:
    """Note which agents the present step waits for."""
    digest, earlier = rollout.request.deployment.version.digest, {}
    if rollout.step == Rollout.Step.BAKE:
        # It answers all since the switch: what it answered until all had confirmed counts too.
        rows = rollout.steps.filter(step=Rollout.Step.COMMIT)
        earlier = {row.agent_id: (row.requests_before, row.errors_before) for row in rows}
    steps = []
    placement = placements.on(rollout.request.model_id, target.pk)
    for agent in fleet_facts.required(target, placement, now=now):
        requests, errors = earlier.get(agent.pk) or fleet_facts.counted(agent, digest)
        step = RolloutStep(
            rollout=rollout,
            step=rollout.step_name,
            agent=agent,
            required=True,
            generation=rollout.generation,
            asked_at=now,
            requests_before=requests,
            errors_before=errors,
        )
        steps.append(step)
    RolloutStep.objects.bulk_create(steps, ignore_conflicts=True)


def load(*, rollout_id: UUID, actor: Actor, now: datetime) -> Context | None:
    """Lock a running rollout and its rows, the environment's targets first.

    Returns None when it has ended, also when it ended while we waited for the lock, and
    while history is lost there: it goes on, or is ended, once somebody has decided.
    """
    found = Rollout.objects.filter(pk=rollout_id, ended_at=None).select_related("request").first()
    if found is None:
        return None
    targets = Target.objects.locked(found.request.environment_id, even_lost=True)
    if any(target.history_lost_at for target in targets.values()):
        return None
    rollout = Rollout.objects.select_for_update(no_key=True).get(pk=rollout_id)
    if rollout.ended_at is not None:
        return None
    request = Request.objects.locked(rollout.request_id)
    rollout.request = request
    deployment = Deployment.objects.locked(request.deployment_id)
    deployment.environment = request.deployment.environment
    request.deployment = deployment
    outgoing = Deployment.objects.locked(rollout.outgoing_id) if rollout.outgoing_id else None
    return Context(
        rollout=rollout,
        request=request,
        deployment=deployment,
        outgoing=outgoing,
        targets=targets,
        rules=Rules.model_validate(request.policy.document),
        journal=Journal(actor),
        now=now,
    )
