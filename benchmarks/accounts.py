"""Somebody who calls the API in a benchmark: a person with one role, and a token."""

from typing import Any


def bearer(*, role: str, actor: Any) -> str:
    """Return a new token of ``bench``, who is added with the role at the first time."""
    from governance.models import RoleBinding, User
    from governance.services import bindings, people, tokens

    if not User.objects.filter(username="bench").exists():
        people.add_person(username="bench", person="bench", password=None, actor=actor)
    user = User.objects.get(username="bench")
    if not RoleBinding.objects.filter(user=user, role=role, revoked_at=None).exists():
        bindings.grant_role(to=user, role=role, actor=actor)
    return tokens.issue(name="bench", scope="personal", owner=user, actor=actor).secret


def client(secret: str) -> Any:
    """Return Django's own client, past the network, with the token."""
    from django.conf import settings
    from django.test import Client

    settings.ALLOWED_HOSTS = ["testserver"]
    return Client(headers={"Authorization": f"Bearer {secret}"})
