"""What a row of the matrix is, and which of those who try it may. The rows are in ``rows.py``."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

ROLES = ("viewer", "submitter", "approver", "risk", "operator", "auditor", "admin")


class Reach(Enum):
    """How far a role must reach to count for a call. The values are what the document says."""

    ANYWHERE = "anywhere"
    GROUP = "for the model's group, in any environment"
    PLACE = "in the environment, for any group"
    DEPLOYED = "in the environment, for the model's group"
    HERE = "in the environment, for all groups"
    GROUP_EVERYWHERE = "in all environments, for the model's group"
    EVERYWHERE = "in all environments, for all groups"


@dataclass(frozen=True)
class Scope:
    """Where a role was given: ``here`` is the environment things are in, ``""`` is all."""

    environment: str
    group: str


SCOPES = {
    "everywhere": Scope("", ""),
    "here": Scope("here", ""),
    "here, own group": Scope("here", "cards"),
    "everywhere, own group": Scope("", "cards"),
    "elsewhere": Scope("there", ""),
    "here, another group": Scope("here", "ads"),
}
"""The places a role is tried in, from the widest on. Things belong to ``here`` and ``cards``."""


def covers(reach: Reach, scope: Scope) -> bool:
    """Tell whether a role given there reaches so far. The rules, once more and in short."""
    here, own = scope.environment in {"", "here"}, scope.group in {"", "cards"}
    everywhere, every = scope.environment == "", scope.group == ""
    return {
        Reach.ANYWHERE: True,
        Reach.GROUP: own,
        Reach.PLACE: here,
        Reach.DEPLOYED: here and own,
        Reach.HERE: here and every,
        Reach.GROUP_EVERYWHERE: everywhere and own,
        Reach.EVERYWHERE: everywhere and every,
    }[reach]


@dataclass(frozen=True)
class Who:
    """Roles, any of which is enough, and how far it must reach."""

    roles: tuple[str, ...] = ()
    reach: Reach = Reach.ANYWHERE
    only: str = ""
    """In words, who else or who alone: without a role, or by another way than one."""
    people: bool = False
    """No token of a service, whatever its role."""

    def __or__(self, other: "Who") -> "Who":
        return Who((*self.roles, *other.roles), self.reach, self.only, self.people)

    def anywhere(self, **more: Any) -> "Who":
        return Who(self.roles, Reach.ANYWHERE, **more)

    def of_group(self, **more: Any) -> "Who":
        return Who(self.roles, Reach.GROUP, **more)

    def in_place(self, **more: Any) -> "Who":
        return Who(self.roles, Reach.PLACE, **more)

    def deployed(self, **more: Any) -> "Who":
        return Who(self.roles, Reach.DEPLOYED, **more)

    def here(self, **more: Any) -> "Who":
        return Who(self.roles, Reach.HERE, **more)

    def of_group_everywhere(self, **more: Any) -> "Who":
        return Who(self.roles, Reach.GROUP_EVERYWHERE, **more)

    def everywhere(self, **more: Any) -> "Who":
        return Who(self.roles, Reach.EVERYWHERE, **more)


OPEN = Who(only="anybody, also without an account")
PUBLIC = Who(only="whoever holds what is asked for in the request, instead of a role")
ACCOUNT = Who(only="every account, service and agent")
PERSON = Who(only="every person's account", people=True)
AGENT = Who(only="an agent, for its own target")
OWNER = Who(only="who it belongs to")

VIEWER = Who(ROLES)  # Every role may look.
SPEAKER = Who(tuple(role for role in ROLES if role != "viewer"))
SUBMITTER = Who(("submitter",))
APPROVER = Who(("approver", "risk"))
RISK = Who(("risk",))
OPERATOR = Who(("operator",))
AUDITOR = Who(("auditor",))
ADMIN = Who(("admin",))

Given = Callable[[Any], None]


@dataclass(frozen=True)
class Row:
    """One route and method, who may call it, and a call that shows it."""

    call: str
    who: Who
    body: object = None
    query: str = ""
    then: int | None = None
    finds: str = ""
    owner: str = ""
    given: Given | None = None
    at: dict[str, str] = field(default_factory=dict)

    DEFAULTS: ClassVar[dict[str, str]] = {
        "slug": "here",
        "environment": "here",
        "model": "model",
        "name": "model",
        "number": "number",
    }

    @property
    def method(self) -> str:
        return self.call.partition(" ")[0]

    @property
    def route(self) -> str:
        return self.call.partition(" ")[2]

    @property
    def is_page(self) -> bool:
        return not self.route.startswith(("api/", "health/", "metrics"))

    def things(self) -> dict[str, str]:
        """What stands in the address, by the name it has in the world."""
        return {**self.DEFAULTS, **self.at}


def row(call: str, who: Who, **more: Any) -> Row:
    """Write a row; what is no field of it stands in the address."""
    fields = {"body", "query", "then", "finds", "owner", "given"}
    at = {name: value for name, value in more.items() if name not in fields}
    return Row(call, who, at=at, **{n: v for n, v in more.items() if n in fields})
