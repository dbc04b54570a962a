"""Who did it: the one type that names a person, a service, an agent or a task."""

from dataclasses import dataclass
from typing import Literal, Protocol, Self
from uuid import UUID

Kind = Literal["user", "service", "agent", "task"]


class Account(Protocol):
    """What an account of a person must tell."""

    pk: UUID
    person: str

    def get_username(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Actor:
    """Required everywhere, never ``None``.

    ``person`` is the human behind any of their accounts, empty for machines.
    ``owner`` is the human answerable for a machine's token, empty otherwise.
    """

    kind: Kind
    id: str
    label: str
    person: str = ""
    owner: str = ""

    @classmethod
    def from_user(cls, user: Account) -> Self:
        return cls("user", str(user.pk), user.get_username(), person=user.person)

    @classmethod
    def from_service(cls, token_id: UUID, *, name: str, owner: str) -> Self:
        return cls("service", str(token_id), name, owner=owner)

    @classmethod
    def from_agent(cls, agent_id: UUID, *, name: str) -> Self:
        return cls("agent", str(agent_id), name)

    @classmethod
    def from_task(cls, name: str) -> Self:
        return cls("task", name, name)

    def persons(self) -> frozenset[str]:
        """Every human who stands behind this actor."""
        return frozenset(filter(None, (self.person, self.owner)))
