"""``demo_people``: the people of the story, with roles, passwords and tokens.

Passwords and tokens are random, made once, and kept in the home folder for whoever
plays the story; only what is missing is made on a second run. Prints them as JSON.
"""

import json
import os
import secrets
from pathlib import Path
from typing import Any, TypedDict

from django.conf import settings
from django.core.management.base import BaseCommand

from governance.actors import Actor
from governance.errors import Unauthenticated
from governance.models import ServiceToken, User
from governance.services import bindings, people, tokens

ACTOR = Actor.from_task("manage.demo_people")
PEOPLE = {
    "asha": ("Asha", "Rao", ["submitter"]),
    "bram": ("Bram", "de Wit", ["approver"]),
    "cleo": ("Cleo", "Marchetti", ["risk"]),
    "dina": ("Dina", "Okafor", ["approver"]),
    "omar": ("Omar", "Haddad", ["operator"]),
    "ada": ("Ada", "Lindqvist", ["auditor", "admin"]),
}
CI = "ci"
"""The pipeline's token; asha answers for it."""


class Access(TypedDict):
    """How somebody of the story gets in."""

    password: str | None
    roles: list[str]
    token: str


class Command(BaseCommand):
    help = "Add the people of the demo, and print how each gets in, as JSON."

    def handle(self, *_: Any, **__: Any) -> None:
        kept = _Kept(settings.CONFIG.lockgate_home / "demo" / "people.json")
        for username, (first, last, roles) in PEOPLE.items():
            known = kept.of(username)
            user = _person(username, first, last, password=known["password"])
            if not user.check_password(known["password"]):
                people.set_password(user_id=user.pk, password=str(known["password"]), actor=ACTOR)
            for role in roles:
                bindings.grant_role(to=user, role=role, actor=ACTOR)
            known["roles"], known["token"] = roles, _secret(user, "personal", known["token"])
            kept.write()
        self._pipeline(kept)
        self.stdout.write(json.dumps(kept.people, indent=1))

    def _pipeline(self, kept: "_Kept") -> None:
        known = kept.of(CI)
        owner = User.objects.get(username="asha")
        known["password"], known["roles"] = None, ["submitter"]
        known["token"] = _secret(owner, "ci", known["token"])
        bindings.grant_role(to=tokens.authenticate(known["token"]), role="submitter", actor=ACTOR)
        kept.write()


class _Kept:
    """The file of passwords and tokens, readable by nobody else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.people: dict[str, Access] = {}
        if path.exists():
            self.people = json.loads(path.read_bytes())

    def of(self, name: str) -> Access:
        fresh = Access(password=secrets.token_urlsafe(12), roles=[], token="")
        return self.people.setdefault(name, fresh)

    def write(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        half = self.path.with_suffix(".half")
        half.unlink(missing_ok=True)
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(self.people, file, indent=1)
        half.replace(self.path)


def _person(username: str, first: str, last: str, *, password: str | None) -> User:
    found = User.objects.filter(username=username).first()
    return found or people.add_person(
        username=username,
        person=username,
        password=password,
        first_name=first,
        last_name=last,
        is_staff=username == "ada",
        actor=ACTOR,
    )


def _secret(owner: User, scope: str, known: str) -> str:
    """Give the secret that is kept if it still opens something, else a new one."""
    try:
        token = tokens.authenticate(known)
        if token.owner == owner and token.scope == ServiceToken.Scope(scope):
            return known
    except Unauthenticated:
        pass  # Never made, expired, revoked, or of a database that is gone.
    issued = tokens.issue(name=f"demo {scope}", scope=scope, owner=owner, actor=ACTOR)
    return issued.secret
