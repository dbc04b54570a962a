"""Calls addresses that people typed in, without letting them reach inside.

The name is resolved once, every address it has is checked, and the connection goes to the
address that was checked: a name that changes its mind in between changes nothing. TLS is
still checked against the name. No redirect is followed and no proxy asked; of the answer
only the status is read.
"""

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import httpx
from django.conf import settings

TIMEOUT_SECONDS = 10.0
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
TRANSLATED = tuple(
    map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
)
"""IPv6 networks that wrap IPv4 addresses, and so may lead anywhere."""


class Unreachable(Exception):
    """It was not called, or did not answer; the message says why."""


@dataclass(frozen=True, slots=True)
class Destination:
    """An address that was checked, and what to ask of it."""

    url: str
    host: str
    ip: Address


def post(url: str, *, content: bytes, headers: dict[str, str]) -> int:
    """Send bytes and return the status.

    Raises:
        Unreachable: not allowed, not resolved, or no answer in time.
    """
    destination = check(url)
    try:
        with (
            httpx.Client(
                timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False, verify=_tls()
            ) as client,
            client.stream(
                "POST",
                destination.url,
                content=content,
                headers={**headers, "host": destination.host},
                extensions={"sni_hostname": destination.host.partition(":")[0]},
            ) as answer,
        ):
            return answer.status_code
    except (httpx.HTTPError, OSError, ValueError) as error:
        raise Unreachable(f"{type(error).__name__}: {error}"[:200]) from None


def check(url: str) -> Destination:
    """Resolve an address and let it pass only if all it leads to may be called.

    Raises:
        Unreachable: it leads inside, or nowhere; or is not ``https`` outside of the
            networks the operator allowed.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        message = "its name does not resolve"
        raise Unreachable(message) from None
    addresses = [_plain(ipaddress.ip_address(entry[4][0])) for entry in found]
    networks = allowed_networks()
    for ip in addresses:
        if _is_allowed(ip, networks):
            continue
        if not secure:
            message = "only https is called outside of the allowed networks"
            raise Unreachable(message)
        if not _is_public(ip):
            message = "it leads to an address inside, which no setting allows"
            raise Unreachable(message)
    ip = addresses[0]
    place = f"[{ip}]" if ip.version == 6 else str(ip)
    pinned = urlunsplit((parts.scheme, f"{place}:{port}", parts.path or "/", parts.query, ""))
    return Destination(pinned, parts.netloc, ip)


def allowed_networks() -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Return the networks that may be called although they are inside, also without TLS."""
    listed = settings.CONFIG.webhook_networks.split(",")
    return [ipaddress.ip_network(text.strip()) for text in listed if text.strip()]


def _plain(ip: Address) -> Address:
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip


def _is_allowed(ip: Address, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(ip.version == network.version and ip in network for network in networks)


def _is_public(ip: Address) -> bool:
    if ip.is_multicast or not ip.is_global:
        return False
    return not any(ip.version == network.version and ip in network for network in TRANSLATED)


def _tls() -> ssl.SSLContext:
    file = settings.CONFIG.webhook_ca_file
    return ssl.create_default_context(cafile=str(file) if file else None)
