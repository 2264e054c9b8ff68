"""hub/addresses.py: whose address a request has (L21)."""

import sys
from typing import Any

import pytest

from hub.addresses import address_key, client_address, client_scheme, is_loopback_peer
from hub.quantities import is_loopback, read_networks

PROXIES = read_networks("10.0.0.0/8, fd00::/8")


def scope(peer: str | None, *headers: tuple[str, str]) -> dict[str, Any]:
    encoded = [(name.encode(), value.encode()) for name, value in headers]
    return {"client": (peer, 1) if peer else None, "headers": encoded}


@pytest.mark.clause("L21")
def test_hs13_forwarded_addresses_of_a_stranger_are_ignored() -> None:
    forged = [("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=1.2.3.4"), ("x-real-ip", "1.2.3.4")]
    assert client_address(scope("203.0.113.9", *forged), PROXIES) == "203.0.113.9"
    assert client_address(scope("203.0.113.9", *forged), ()) == "203.0.113.9"


@pytest.mark.clause("L21")
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("x-forwarded-for", "1.2.3.4, 203.0.113.9, 10.0.0.2")], "203.0.113.9"),
        ([("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "203.0.113.9")], "203.0.113.9"),
        ([("forwarded", 'for="[2001:db8::7]:4711";proto=https, for=10.0.0.2')], "2001:db8::7"),
        ([("forwarded", "for=198.51.100.2"), ("x-forwarded-for", "1.2.3.4")], "198.51.100.2"),
        ([("x-forwarded-for", "203.0.113.9:1234")], "203.0.113.9"),
        ([("x-forwarded-for", "::ffff:203.0.113.9")], "203.0.113.9"),
        ([("x-forwarded-for", "1.2.3.4, unknown")], "10.0.0.1"),
        ([("x-forwarded-for", "1.2.3.4, nonsense, 10.0.0.2")], "10.0.0.2"),
        ([("forwarded", "proto=https")], "10.0.0.1"),
        ([("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        ([], "10.0.0.1"),
    ],
)
def test_behind_a_proxy_it_is_the_right_most_address_that_is_no_proxy(
    headers: list[tuple[str, str]], expected: str
) -> None:
    assert client_address(scope("10.0.0.1", *headers), PROXIES) == expected


def test_a_peer_without_an_address_is_called_unix() -> None:
    assert client_address(scope(None), PROXIES) == "unix"


@pytest.mark.clause("L2")
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unix", "unix"),
    ],
)
def test_an_ipv6_64_counts_as_one_address(address: str, expected: str) -> None:
    assert address_key(address) == expected


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.1", False),
        ("name", False),
        (None, False),
    ],
)
def test_loopback_is_known_by_the_peer_alone(peer: str | None, expected: bool) -> None:
    assert is_loopback_peer(scope(peer, ("x-forwarded-for", "127.0.0.1"))) is expected


@pytest.mark.clause("C12", "L21")
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("x-forwarded-proto", "https")], "https"),
        ([("x-forwarded-proto", "WSS")], "https"),
        ([("x-forwarded-proto", "http")], "http"),
        ([("x-forwarded-proto", "gopher")], "http"),
        ([("x-forwarded-for", "203.0.113.9, 10.0.0.2"), ("x-forwarded-proto", "https")], "https"),
        ([("x-forwarded-for", "203.0.113.9, 10.0.0.2"), ("x-forwarded-proto", "https, http")], "https"),
        ([("x-forwarded-for", "1.2.3.4, 203.0.113.9"), ("x-forwarded-proto", "https, http")], "http"),
        ([("forwarded", 'for=203.0.113.9;proto="https", for=10.0.0.2;proto=http')], "https"),
        ([("forwarded", "for=203.0.113.9;proto=https"), ("x-forwarded-proto", "http")], "https"),
        ([("forwarded", "for=203.0.113.9"), ("x-forwarded-proto", "https")], "http"),
        ([], "http"),
    ],
)
def test_behind_a_proxy_the_scheme_is_that_by_which_the_client_asked(
    headers: list[tuple[str, str]], expected: str
) -> None:
    assert client_scheme({**scope("10.0.0.1", *headers), "scheme": "ws"}, PROXIES) == expected


@pytest.mark.clause("C12", "L21")
@pytest.mark.parametrize(("own", "expected"), [("ws", "http"), ("wss", "https"), ("http", "http"), ("https", "https")])
def test_the_scheme_that_a_stranger_claims_is_ignored(own: str, expected: str) -> None:
    for claim in ("http", "https"):
        forged = [("x-forwarded-proto", claim), ("forwarded", f"for=192.0.2.1;proto={claim}")]
        for proxies in (PROXIES, ()):
            assert client_scheme({**scope("203.0.113.9", *forged), "scheme": own}, proxies) == expected


def test_a_host_of_a_stranger_that_is_too_long_is_not_kept() -> None:
    host = "a" * 8_192 + ".localhost"
    before = sys.getrefcount(host)
    assert not is_loopback(host)
    assert sys.getrefcount(host) == before
