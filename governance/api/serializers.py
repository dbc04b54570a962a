"""What the governance API takes, and what it gives."""

from datetime import timedelta
from typing import Any

from governance.api.fields import Choice, Integer, Slug, Strict, Text, Truth
from governance.audit import selectors as audit
from governance.audit.models import Entry
from governance.models import RoleBinding, ServiceToken, User
from governance.services.tokens import LONGEST_LIFE


class PersonIn(Strict):
    """``person`` and ``password`` matter when the account is new."""

    person = Text(limit=100, required=False)
    password = Text(limit=1_024, required=False)
    email = Text(limit=254, blank=True, required=False)
    first_name = Text(limit=150, blank=True, required=False)
    last_name = Text(limit=150, blank=True, required=False)
    is_active = Truth(required=False)
    is_staff = Truth(required=False)


class RoleIn(Strict):
    role = Choice(choices=RoleBinding.Role.choices)
    environment = Slug(required=False, allow_null=True, default=None)
    group = Text(limit=63, blank=True, default="")


class TokenIn(Strict):
    name = Text(limit=100)
    scope = Choice(choices=[("personal", "personal"), ("ci", "ci")], default="personal")
    days = Integer(min_value=1, max_value=LONGEST_LIFE // timedelta(days=1), default=90)


def person_out(user: User) -> dict[str, Any]:
    return {
        "id": str(user.pk),
        "username": user.username,
        "person": user.person,
        "name": user.display(),
        "is_active": user.is_active,
        "is_staff": user.is_staff,
    }


def role_out(binding: RoleBinding) -> dict[str, Any]:
    return {
        "id": str(binding.pk),
        "role": binding.role,
        "environment": binding.environment.slug if binding.environment else None,
        "group": binding.group,
    }


def token_out(token: ServiceToken) -> dict[str, Any]:
    return {
        "id": str(token.pk),
        "name": token.name,
        "scope": token.scope,
        "prefix": token.prefix,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
    }


def entry_out(entry: Entry) -> dict[str, Any]:
    """Give an entry with the exact ``leaf`` that ``hash`` is of."""
    return {
        "seq": entry.seq,
        "at": entry.at,
        "action": entry.action,
        "object": entry.object,
        "object_seq": entry.object_seq,
        "subject": entry.subject,
        "actor_kind": entry.actor_kind,
        "actor_id": entry.actor_id,
        "model": entry.model,
        "model_version": entry.model_version,
        "environment": entry.environment,
        "request": entry.request,
        "leaf": entry.leaf,
        "hash": entry.hash,
        "details": audit.details(entry),
    }
