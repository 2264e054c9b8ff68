"""Whose address a request has, and how it was asked: as the TCP peer's, or as a configured proxy says (L21, hs13)."""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from hub.quantities import Network

MAX_HOPS = 32
REMEMBERED = 8_192
"""Addresses whose reading is remembered: parsing one costs more than the rest of what is asked of it."""
_FORWARDED_FOR = re.compile(r"(?:^|[;\s])for=(\"[^\"]*\"|[^;\s]*)", re.IGNORECASE)
_FORWARDED_PROTO = re.compile(r"(?:^|[;\s])proto=(\"[^\"]*\"|[^;\s]*)", re.IGNORECASE)
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


def client_address(scope: Mapping[str, Any], proxies: Sequence[Network]) -> str:
    """Address of the client of an ASGI `scope`; forwarded ones count only where the peer is one of `proxies`.

    Then it is the right-most address of `Forwarded`, else of `X-Forwarded-For`, that is not a proxy's own. What cannot
    be read as an address ends the search at the last hop that could, since nothing to its left can be believed.
    """
    return _walk(scope, proxies)[0]


def client_scheme(scope: Mapping[str, Any], proxies: Sequence[Network]) -> str:
    """`http` or `https`: how the client of an ASGI `scope` asked, `ws` and `wss` included.

    Where the peer is one of `proxies` it is what the proxy wrote that the client reached: the `proto` of its element of
    `Forwarded`, else that of `X-Forwarded-Proto` (one for all hops, or one for each). Else the socket's own.
    """
    own = _SCHEMES.get(scope.get("scheme", "http"), "http")
    _, depth = _walk(scope, proxies)
    forwarded, plain = _lists(scope.get("headers", ()), b"x-forwarded-proto")
    protocols = [_member(_FORWARDED_PROTO, element) for element in forwarded] or plain
    if depth is None or not protocols:
        return own
    return _SCHEMES.get(protocols[-min(max(depth, 1), len(protocols))].lower(), own)


def _walk(scope: Mapping[str, Any], proxies: Sequence[Network]) -> tuple[str, int | None]:
    """The client's address, and how many hops back it was written; None where the peer is no proxy."""
    client = scope.get("client")
    nearest = str(client[0]) if client else "unix"
    if not proxies or not _is_within(nearest, proxies):
        return nearest, None
    depth = 0
    for hop in reversed(_hops(scope.get("headers", ()))[-MAX_HOPS:]):
        address = _read_address(hop)
        if address is None:
            break
        nearest, depth = address, depth + 1
        if not _is_within(nearest, proxies):
            break
    return nearest, depth


@lru_cache(REMEMBERED)
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
    forwarded, plain = _lists(headers, b"x-forwarded-for")
    return [_member(_FORWARDED_FOR, element) for element in forwarded] or plain


def _lists(headers: Iterable[tuple[bytes, bytes]], older: bytes) -> tuple[list[str], list[str]]:
    """The elements of `Forwarded`, and those of the header `older` that people used before it."""
    forwarded: list[str] = []
    plain: list[str] = []
    for name, value in headers:
        if name in (b"forwarded", older):
            elements = [element.strip() for element in value.decode("latin-1").split(",")]
            (forwarded if name == b"forwarded" else plain).extend(elements)
    return forwarded, plain


def _member(pattern: re.Pattern[str], element: str) -> str:
    found = pattern.search(element)
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
