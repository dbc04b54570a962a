"""Posts hints to agents' control listeners.

A hint carries no secret and changes nothing by itself: the agent fetches its
signed state and does what that says. It goes only to the allowed networks,
follows no redirect, and the address that was checked is the one that is called.
"""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from django.conf import settings

TIMEOUT_SECONDS = 2.0
MAX_ANSWER = 4_096


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one hint; ``error`` is empty when it was acknowledged."""

    error: str = ""


def post(control_url: str, *, action: str, model: str, digest: str, generation: int) -> Answer:
    """Send one hint. Never raises: an agent that cannot be told will poll."""
    address = _allowed(control_url)
    if not address:
        return Answer(error="its address is outside the allowed networks")
    body = {"action": action, "model": model, "digest": digest, "generation": generation}
    try:
        with (
            httpx.Client(
                timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False
            ) as client,
            client.stream("POST", f"{address}/v1/hint", json=body) as answer,
        ):
            if answer.status_code != httpx.codes.ACCEPTED:
                return Answer(error=f"it answered {answer.status_code}")
    except (httpx.HTTPError, OSError) as error:
        return Answer(error=type(error).__name__)
    return Answer()


def _allowed(url: str) -> str:
    """Return the URL with the host resolved to an allowed address, or ``""``."""
    try:
        parts = urlsplit(url)
        port = parts.port or 80
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return ""
    if parts.scheme != "http":
        return ""
    networks = [
        ipaddress.ip_network(network.strip())
        for network in settings.CONFIG.agent_networks.split(",")
    ]
    for *_, sockaddr in found:
        ip = ipaddress.ip_address(sockaddr[0])
        if any(ip.version == network.version and ip in network for network in networks):
            host = f"[{ip}]" if ip.version == 6 else str(ip)
            return f"http://{host}:{port}"
    return ""
