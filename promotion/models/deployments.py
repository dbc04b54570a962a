r"""A deployment: one model version in one environment.

            deploy_dark           promote
  trained ------------> dark <----------------> production
     |  \                |  ^      demote       ^  |  ^
     |   \---------------|--|----- promote -----'  |  |
     | discard    reject |  | retest        retire |  | restore
     v                   v  |                      v  |
     +----------------> retired <------------------+--'

A former champion also returns by ``keep_as_spare``, to answer when the champion fails.
A candidate that came straight from trained and is called off before the commit goes
back there: ``recall``.

``state`` is what was decided, not what runs: that is for agents to report.
It moves only through the methods marked ``@transition``, and only
``promotion.services`` calls them, with the row locked. A transition changes
fields and nothing else: no query, no task, no audit entry. A trigger in the
database knows the same arrows.

While in production a deployment has a role; ``take_championship`` and
``step_back`` exchange champion and bake, the old champion first.
"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.utils import timezone
from django_fsm import FSMField, transition

from governance.errors import NotFound


class DeploymentQuerySet(models.QuerySet["Deployment"]):
    def locked(self, pk: UUID) -> "Deployment":
        """Fetch one row and hold it until the transaction ends."""
        try:
            return (
                self.select_for_update(of=("self",), no_key=True)
                .select_related("version", "model")
                .get(pk=pk)
            )
        except self.model.DoesNotExist:
            message = "No such deployment."
            raise NotFound(message, deployment_id=str(pk)) from None


class Deployment(models.Model):
    class State(models.TextChoices):
        TRAINED = "trained"
        DARK = "dark"
        PRODUCTION = "production"
        RETIRED = "retired"

    class Role(models.TextChoices):
        NONE = ""
        CHAMPION = "champion"
        CANDIDATE = "candidate"
        BAKE = "bake"
        SPARE = "spare"

    class Hold(models.TextChoices):
        NONE = "none"
        PREVIOUS = "previous"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    version = models.ForeignKey("registry.ModelVersion", models.PROTECT, related_name="deployments")
    model = models.ForeignKey("registry.RegisteredModel", models.PROTECT, related_name="+")
    environment = models.ForeignKey(
        "governance.Environment", models.PROTECT, related_name="deployments"
    )
    state = FSMField(max_length=10, default=State.TRAINED, choices=State.choices, protected=True)
    role = models.CharField(max_length=9, choices=Role.choices, blank=True, default=Role.NONE)
    hold = models.CharField(max_length=8, choices=Hold.choices, default=Hold.NONE)
    champion_at = models.DateTimeField(null=True, editable=False)
    switched_generation = models.BigIntegerField(default=0, editable=False)
    """Generation of the live target's state by which it last became champion."""
    barred = models.BooleanField(default=False, editable=False)
    """It left by a guard, an incident or a NACK, or an operator dismissed it: back only by
    ``retest`` and approval."""
    undecided_since = models.DateTimeField(null=True, editable=False)
    """Since when it waits for somebody to say: tested again, or retired for good."""
    changed_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = DeploymentQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version", "environment"], name="one_deployment_per_version_and_environment"
            ),
            models.UniqueConstraint(
                fields=["model", "environment"],
                condition=models.Q(role="champion"),
                name="one_champion_per_model_and_environment",
            ),
            models.UniqueConstraint(
                fields=["model", "environment"],
                condition=models.Q(role="candidate"),
                name="one_candidate_per_model_and_environment",
            ),
            models.UniqueConstraint(
                fields=["model", "environment"],
                condition=models.Q(role="spare"),
                name="one_spare_per_model_and_environment",
            ),
            models.CheckConstraint(
                condition=models.Q(state="production") ^ models.Q(role=""),
                name="a_role_while_in_production_and_only_then",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["trained", "dark", "production", "retired"]),
                name="a_known_state",
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=["", "champion", "candidate", "bake", "spare"]),
                name="a_known_role",
            ),
            models.CheckConstraint(
                condition=models.Q(hold="none") | models.Q(state="retired"),
                name="only_the_retired_are_held",
            ),
            models.CheckConstraint(
                condition=models.Q(undecided_since__isnull=True) | models.Q(state="retired"),
                name="only_the_retired_wait_for_a_decision",
            ),
            models.CheckConstraint(
                condition=~models.Q(role="champion") | models.Q(champion_at__isnull=False),
                name="a_champion_since_some_time",
            ),
            models.CheckConstraint(
                condition=~models.Q(role="spare")
                | models.Q(champion_at__isnull=False, barred=False),
                name="a_spare_was_champion_and_did_not_fail",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} in {self.environment}: {self.state}"

    def was_champion(self) -> bool:
        return self.champion_at is not None and not self.barred

    def is_decided(self) -> bool:
        return self.undecided_since is None

    @transition(field=state, source=State.TRAINED, target=State.DARK)
    def deploy_dark(self) -> None: ...

    @transition(field=state, source=[State.TRAINED, State.DARK], target=State.PRODUCTION)
    def promote(self) -> None:
        self.role = self.Role.CANDIDATE

    @transition(field=state, source=State.PRODUCTION, target=State.DARK)
    def demote(self) -> None:
        self.role = self.Role.NONE

    def is_candidate(self) -> bool:
        return self.role == self.Role.CANDIDATE

    @transition(
        field=state,
        source=State.PRODUCTION,
        target=State.TRAINED,
        conditions=[is_candidate],  # type: ignore[list-item]  # django-fsm types it for any model
    )
    def recall(self) -> None:
        self.role = self.Role.NONE

    @transition(field=state, source=State.PRODUCTION, target=State.RETIRED)
    def retire(self) -> None:
        self.role = self.Role.NONE
        self.hold = self.Hold.NONE if self.barred else self.Hold.PREVIOUS

    @transition(field=state, source=State.DARK, target=State.RETIRED)
    def reject(self) -> None: ...

    @transition(field=state, source=State.TRAINED, target=State.RETIRED)
    def discard(self) -> None: ...

    @transition(field=state, source=State.RETIRED, target=State.DARK)
    def retest(self) -> None:
        self.hold, self.barred, self.undecided_since = self.Hold.NONE, False, None

    @transition(
        field=state,
        source=State.RETIRED,
        target=State.PRODUCTION,
        conditions=[was_champion],  # type: ignore[list-item]  # django-fsm types it for any model
    )
    def restore(self, at: datetime) -> None:
        self.role, self.champion_at, self.hold = self.Role.CHAMPION, at, self.Hold.NONE
        self.undecided_since = None

    @transition(
        field=state,
        source=State.RETIRED,
        target=State.PRODUCTION,
        conditions=[was_champion, is_decided],  # type: ignore[list-item]  # as above
    )
    def keep_as_spare(self) -> None:
        self.role, self.hold = self.Role.SPARE, self.Hold.NONE

    def take_championship(self, at: datetime) -> None:
        """Become the one that answers. The old champion has stepped back before."""
        self.role, self.champion_at = self.Role.CHAMPION, at

    def step_back(self) -> None:
        """Stop answering but stay loaded, to be switched back to at once."""
        self.role = self.Role.BAKE
