"""Whose address a request came from, when a proxy of ours stands before us.

Anybody can write ``X-Forwarded-For``. It is read from its end, where our proxies write:
each hop that is one of ours vouches for the one before it, and no further.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def networks(text: str) -> tuple[Network, ...]:
    """Read comma-separated CIDR networks.

    Raises:
        ValueError: one of them is none.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def within(address: str, among: Sequence[Network]) -> bool:
    """Tell whether an address lies in one of the networks; what is none does not."""
    found = _parse(address)
    return found is not None and any(found in network for network in among)


def caller(*, remote: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Return the address of the last hop that is not a proxy of ours.

    Args:
        remote: who is connected to us.
        forwarded: the header ``X-Forwarded-For``, all of them joined by commas.
        trusted: the networks of our proxies; with none, ``remote`` it is.
    """
    found = remote
    for hop in reversed(forwarded.split(",")):
        if not within(found, trusted):
            break
        parsed = _parse(hop.strip())
        if parsed is None:
            break  # A proxy of ours wrote no address: nobody vouches for what is before it.
        found = str(parsed)
    return found


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
