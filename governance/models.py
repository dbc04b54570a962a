"""People, their tokens and roles, and the environments' names."""

from typing import Any, ClassVar
from uuid import uuid4

from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils import timezone
from django.utils.module_loading import import_string

from governance.actors import Actor


class Accounts(UserManager["User"]):
    """Adds accounts through the service, so that Django's ``createsuperuser`` is audited too."""

    use_in_migrations = False

    def _create_user(
        self, username: str, email: str | None, password: str | None, **fields: Any
    ) -> "User":
        # By name: services lie above models.
        add_person = import_string("governance.services.people.add_person")
        person = str(fields.pop("person", "") or username)
        account: User = add_person(
            username=username,
            person=person,
            password=password,
            email=email or "",
            actor=Actor.from_task("django.create_user"),
            **fields,
        )
        return account


class User(AbstractUser):
    """An account. ``person`` is the human: two accounts of one human share it."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    person = models.CharField(max_length=100, db_index=True)

    objects: ClassVar[Accounts] = Accounts()

    class Meta(AbstractUser.Meta):
        constraints: ClassVar = [
            models.CheckConstraint(condition=~models.Q(person=""), name="an_account_has_a_person"),
        ]

    def display(self) -> str:
        """The name people know this account by."""
        return self.get_full_name() or self.username

    @property
    def actor(self) -> Actor:
        """This account, as whoever does something with it."""
        return Actor.from_user(self)

    def check_password(self, raw_password: str | None) -> bool:
        """Compare only. Django's own would also save a newer hash, past the audit log."""
        return check_password(raw_password, self.password)


class Environment(models.Model):
    """A place where models run. There are several of each kind."""

    class Kind(models.TextChoices):
        INTEGRATION = "integration"
        QA = "qa"
        PRODUCTION = "production"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    slug = models.SlugField(max_length=63, unique=True)
    kind = models.CharField(max_length=11, choices=Kind.choices)
    position = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["position", "slug"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["integration", "qa", "production"]),
                name="a_known_kind_of_environment",
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class ServiceToken(models.Model):
    """A machine's credential, or a person's for the API. Only its SHA-256 is stored."""

    class Scope(models.TextChoices):
        CI = "ci"
        AGENT = "agent"
        PERSONAL = "personal"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    name = models.CharField(max_length=100)
    scope = models.CharField(max_length=8, choices=Scope.choices)
    prefix = models.CharField(max_length=12)
    sha256 = models.CharField(max_length=64, unique=True)
    owner = models.ForeignKey(User, models.PROTECT, related_name="tokens", null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, editable=False)
    previous_sha256 = models.CharField(max_length=64, null=True, unique=True, editable=False)
    """The secret before the last rotation; good until ``previous_until``."""
    previous_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(scope="agent") | models.Q(owner__isnull=False),
                name="a_token_has_an_owner_unless_an_agents",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}...)"


class RoleBinding(models.Model):
    """One role of one principal, here or everywhere, for one group of models or all."""

    class Role(models.TextChoices):
        VIEWER = "viewer"
        SUBMITTER = "submitter"
        APPROVER = "approver"
        RISK = "risk"
        OPERATOR = "operator"
        AUDITOR = "auditor"
        ADMIN = "admin"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(User, models.PROTECT, null=True, related_name="bindings")
    token = models.ForeignKey(ServiceToken, models.PROTECT, null=True, related_name="bindings")
    role = models.CharField(max_length=9, choices=Role.choices)
    environment = models.ForeignKey(Environment, models.PROTECT, null=True, blank=True)
    group = models.CharField(max_length=63, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=False) ^ models.Q(token__isnull=False),
                name="a_binding_is_of_a_user_or_of_a_token",
            ),
            models.CheckConstraint(
                condition=models.Q(token__isnull=True) | ~models.Q(role__in=["approver", "risk"]),
                name="tokens_of_services_never_approve",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.token}: {self.role} in {self.environment or 'all'}"


class AccessLog(models.Model):
    """Sign-ins, failed sign-ins and reads of the log: what traffic can trigger stays here."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    kind = models.CharField(max_length=40)
    principal = models.CharField(max_length=150, blank=True)
    address = models.GenericIPAddressField(null=True)
    detail = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.at:%F %T} {self.kind} {self.principal}"


class IdempotencyKey(models.Model):
    """The answer to a POST, kept so that a repeated one gets it again and does nothing twice."""

    id = models.BigAutoField(primary_key=True)
    principal = models.CharField(max_length=100)
    key = models.CharField(max_length=255)
    request_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=bytes)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["principal", "key"], name="a_key_once_for_each_principal"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.principal} {self.key}"


class Erasure(models.Model):
    """The payload of one audit entry is to go: asked for by one person, decided by another.

    asked ------> erased
      |  ^
      v  | asked again
    declined
    """

    class State(models.TextChoices):
        ASKED = "asked"
        DECLINED = "declined"
        ERASED = "erased"

    id = models.BigIntegerField(primary_key=True)
    """Number of the entry whose payload it is."""
    state = models.CharField(max_length=8, choices=State.choices, default=State.ASKED)
    reason = models.TextField()
    basis = models.CharField(max_length=200)
    """What in the law obliges us."""
    asked_person = models.CharField(max_length=100)
    asked_by = models.CharField(max_length=200)
    asked_at = models.DateTimeField(db_index=True)
    decided_person = models.CharField(max_length=100, blank=True)
    decided_by = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True)
    comment = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["-asked_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(state__in=("asked", "declined", "erased")),
                name="a_known_state_of_an_erasure",
            ),
            models.CheckConstraint(
                condition=models.Q(state="asked", decided_person="")
                | (
                    ~models.Q(state="asked")
                    & ~models.Q(decided_person="")
                    & ~models.Q(decided_person=models.F("asked_person"))
                ),
                name="an_erasure_is_decided_by_another_person",
            ),
        ]

    def __str__(self) -> str:
        return f"payload of entry {self.pk}: {self.state}"
