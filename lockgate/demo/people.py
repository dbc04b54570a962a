"""The people of the story: who they are, how they get in, and their client of the API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from lockgate.client import Client

CI = "ci"
SUBMITTER = "asha"
APPROVER = "bram"
SECOND_APPROVER = "dina"
RISK = "cleo"
OPERATOR = "omar"
AUDITOR = "ada"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, or a pipeline: then there is no password."""

    name: str
    roles: tuple[str, ...]
    password: str
    token: str


class People:
    """Everybody by name, with one client each, made when first asked for."""

    def __init__(self, url: str, document: Mapping[str, Mapping[str, Any]]) -> None:
        self._url = url
        self._clients: dict[str, Client] = {}
        self.known = {
            name: Person(name, tuple(each["roles"]), each["password"] or "", each["token"])
            for name, each in document.items()
        }

    def __getitem__(self, name: str) -> Person:
        return self.known[name]

    def client(self, name: str) -> Client:
        """Give the API as this person sees it."""
        if name not in self._clients:
            self._clients[name] = Client(self._url, self.known[name].token)
        return self._clients[name]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def table(self) -> Table:
        """Show those who can sign in. The passwords were made for this home only."""
        table = Table(title="People", title_justify="left", box=None, pad_edge=False)
        for heading in ("name", "may act as", "password"):
            table.add_column(heading)
        for person in self.known.values():
            if person.password:
                table.add_row(person.name, ", ".join(person.roles), escape(person.password))
        return table
