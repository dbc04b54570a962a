"""How commands reach the service."""

from dataclasses import dataclass

import typer

from lockgate.client import Client


@dataclass(frozen=True, slots=True)
class Connection:
    """What was said before the command's name."""

    url: str
    token: str
    as_json: bool

    def page(self, promotion_id: str) -> str:
        """Return where people see a request."""
        return f"{self.url.rstrip('/')}/promotions/{promotion_id}/"

    def client(self) -> Client:
        """Open a client.

        Raises:
            typer.BadParameter: no address or no token.
        """
        if not self.url:
            message = "Say where the service is: --url, or LOCKGATE_URL."
            raise typer.BadParameter(message)
        if not self.token:
            message = "Say who you are: LOCKGATE_TOKEN, or --token."
            raise typer.BadParameter(message)
        return Client(self.url, self.token)


def connection_of(context: typer.Context) -> Connection:
    """Return what was said before the command's name."""
    found = context.find_object(Connection)
    if found is None:
        message = "This command runs as part of lockgate."
        raise RuntimeError(message)
    return found
