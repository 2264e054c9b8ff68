"""Whose address a request has: the TCP peer's, or what a configured proxy says of it (L21, hs13)."""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hub.quantities import Network

MAX_HOPS = 32
_FORWARDED_FOR = re.compile(r"(?:^|[;\s])for=(\"[^\"]*\"|[^;\s]*)", re.IGNORECASE)


def client_address(scope: Mapping[str, Any], proxies: Sequence[Network]) -> str:
    """Address of the client of an ASGI `scope`; forwarded ones count only where the peer is one of `proxies`.

    Then it is the right-most address of `Forwarded`, else of `X-Forwarded-For`, that is not a proxy's own. What cannot
    be read as an address ends the search at the last hop that could, since nothing to its left can be believed.
    """
    client = scope.get("client")
    peer = str(client[0]) if client else "unix"
    if not proxies or not _is_within(peer, proxies):
        return peer
    nearest = peer
    for hop in reversed(_hops(scope.get("headers", ()))[-MAX_HOPS:]):
        address = _read_address(hop)
        if address is None:
            return nearest
        nearest = address
        if not _is_within(nearest, proxies):
            return nearest
    return nearest


def address_key(address: str) -> str:
    """What counts as one address: an IPv4 address, an IPv6 /64, else the text as it is (L2)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def is_loopback_peer(scope: Mapping[str, Any]) -> bool:
    """Whether the TCP peer itself is on this machine."""
    client = scope.get("client")
    try:
        return client is not None and _unmapped(ipaddress.ip_address(client[0])).is_loopback
    except ValueError:
        return False


def _hops(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """Addresses as the proxies wrote them, nearest last; several header lines are one list (RFC 9110, 5.3)."""
    forwarded, plain = [], []
    for name, value in headers:
        text = value.decode("latin-1")
        if name == b"forwarded":
            forwarded += [_for_of(element) for element in text.split(",")]
        elif name == b"x-forwarded-for":
            plain += [element.strip() for element in text.split(",")]
    return forwarded or plain


def _for_of(element: str) -> str:
    found = _FORWARDED_FOR.search(element)
    return found.group(1).strip('"') if found else ""


def _read_address(text: str) -> str | None:
    """`192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`; None for anything else."""
    bare = text
    if text.startswith("["):
        bare = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        bare = text.partition(":")[0]
    try:
        return str(_unmapped(ipaddress.ip_address(bare)))
    except ValueError:
        return None


def _is_within(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = _unmapped(ipaddress.ip_address(address))
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def _unmapped(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if mapped is not None else address
