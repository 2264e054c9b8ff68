"""The way to the port: the URL, a proxy of the environment, the name, TCP, TLS."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time
from typing import Literal
from urllib.parse import parse_qs, urlsplit
from urllib.request import getproxies, proxy_bypass

from ..durations import shown
from ..reasons import reason_of
from ..urls import checked, is_loopback, masked
from .finding import Cause, Finding, Stop, fail, ok, warn
from .target import Target

# A certificate that ends sooner is told, in days.
_SOON = 14

_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}
_RENEW = "next: renew the certificate of the hub, or of the proxy before it"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the hub is said to be, or the proxy on the way to it."""

    url: str
    scheme: str
    host: str
    port: int
    path: str
    is_proxy: bool = False

    @property
    def is_tls(self) -> bool:
        """Whether it is reached by TLS."""
        return self.scheme == "wss"

    @property
    def shown(self) -> str:
        """Its name in a sentence."""
        return f"the proxy {self.host}" if self.is_proxy else self.host


def place_of(target: Target) -> tuple[Place, list[Finding]]:
    """The URL taken apart, and what is odd about it; raises `Stop` for what is none."""
    url = target.url
    try:
        parts = urlsplit(checked(url))
    except ValueError as fault:
        raise Stop(fail("url", str(fault), _instead_of(url), Cause.USAGE)) from fault
    place = Place(url, parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme], parts.path or "/")
    return place, [
        *_oddities(target, place, parts.query),
        ok("url", f"{masked(url)}: {place.host}, port {place.port}"),
    ]


def _instead_of(url: str) -> str:
    hint = "next: the URL ws://HOST:8000/ws, or wss://HOST/ws behind TLS"
    try:
        parts = urlsplit(url)
    except ValueError:
        return hint
    if parts.scheme not in {"http", "https"}:
        return hint
    path = "" if parts.path.strip("/") else "/ws"
    return f"next: the URL {url.replace('http', 'ws', 1).rstrip('/')}{path}"


def _oddities(target: Target, place: Place, query: str) -> list[Finding]:
    found = []
    if place.path.rstrip("/") == "":
        found.append(warn("url", "the path is /, hubs listen at /ws", f"next: the URL {place.url.rstrip('/')}/ws"))
    has_token = target.token is not None
    if {"token", "reconnection_token"} & parse_qs(query).keys():
        text = "a credential stands in the URL, where logs and proxies of others may keep it"
        found.append(warn("url", text, "next: the token apart from the URL: NG_TOKEN, --token-file, token="))
        has_token = True
    if not place.is_tls and has_token and not is_loopback(place.url):
        text = "ws:// sends the token in clear over the network"
        found.append(warn("url", text, f"next: the URL {masked(place.url).replace('ws:', 'wss:', 1)}"))
    return found


def through(place: Place, proxy: str | Literal[True] | None = True) -> tuple[Place | None, Finding]:
    """The proxy on the way, if any: where that is, and that it has to let WebSockets pass; `Stop` for what is none."""
    if is_loopback(place.url):
        return None, ok("proxy", "none for this machine, whatever the environment says")
    if proxy is None:
        return None, ok("proxy", "none, as was asked for")
    if isinstance(proxy, str):
        text = f"through {masked(proxy)}, which must let CONNECT and WebSockets pass"
        return _proxy_at(proxy), warn("proxy", text)
    name = _named_for(place)
    if name is None:
        return None, ok("proxy", "none in the environment")
    url = getproxies()[name]
    text = f"{name.upper()}_PROXY sends it through {masked(url)}, which must let CONNECT and WebSockets pass"
    hint = f"next: if it does not connect, NO_PROXY={place.host} goes around it"
    return _proxy_at(url), warn("proxy", text, hint)


def _named_for(place: Place) -> str | None:
    """The scheme whose proxy of the environment is taken for it, as `websockets` chooses."""
    if proxy_bypass(f"{place.host}:{place.port}"):
        return None
    schemes = ("wss", "socks", "https") if place.is_tls else ("ws", "socks", "https", "http")
    proxies = getproxies()
    return next((scheme for scheme in schemes if scheme in proxies), None)


def _proxy_at(url: str) -> Place:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80)
    except ValueError:
        host, port = "", 0
    if not host:
        text = f"expected a proxy like http://proxy.example:3128, came {masked(url)!r}"
        raise Stop(fail("proxy", text, "next: proxy= of the client, or HTTPS_PROXY and its like", Cause.USAGE))
    return Place(url, parts.scheme, host, port, "", is_proxy=True)


async def resolve(place: Place) -> Finding:
    """The addresses of the name."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as fault:
        hint = "next: look for a typing mistake in the URL; getent hosts NAME asks the same resolver"
        reason = getattr(fault, "strerror", None) or fault
        raise Stop(fail("dns", f"{place.shown} has no address: {reason}", hint)) from fault
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    return ok("dns", f"{place.shown} is {', '.join(addresses[:4])}")


@contextlib.asynccontextmanager
async def stream(place: Place, timeout: float) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:  # noqa: ASYNC109 - of the settings
    """A plain TCP connection."""
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(place.host, place.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def knock(place: Place, target: Target) -> Finding:
    """Whether anybody listens there."""
    began = asyncio.get_running_loop().time()
    try:
        async with stream(place, target.timeout):
            took = asyncio.get_running_loop().time() - began
    except TimeoutError as fault:
        text = f"no answer from {place.shown}:{place.port} within {target.timeout:g} s: down, or behind a firewall"
        raise Stop(
            fail("tcp", text, "next: another port or a longer time-out; ask who runs the firewall", Cause.TIMEOUT)
        ) from fault
    except OSError as fault:
        text = f"{place.shown}:{place.port}: {reason_of(fault, place.url)}"
        hint = "next: start a hub with make run, or look at host and port of the URL"
        if place.is_proxy:
            hint = "next: is the proxy up? look at its host and port"
        raise Stop(fail("tcp", text, hint)) from fault
    return ok("tcp", f"port {place.port}{' of the proxy' * place.is_proxy} is open, {took * 1000:.1f} ms")


async def handshake(place: Place, target: Target) -> Finding:
    """TLS: that it is spoken, and that the certificate is good for this name now."""
    context = target.ssl or ssl.create_default_context()
    try:
        async with asyncio.timeout(target.timeout):
            reader, writer = await asyncio.open_connection(
                place.host, place.port, ssl=context, server_hostname=place.host
            )
            del reader
    except TimeoutError as fault:
        text = f"no TLS handshake within {target.timeout:g} s"
        raise Stop(fail("tls", text, "next: is this a TLS port? try ws:// instead of wss://", Cause.TIMEOUT)) from fault
    except ssl.SSLCertVerificationError as fault:
        raise Stop(untrusted(place, fault)) from fault
    except OSError as fault:
        text = reason_of(fault, place.url)
        raise Stop(fail("tls", text, "next: ws:// where the hub speaks no TLS itself")) from fault
    try:
        tls = writer.get_extra_info("ssl_object")
        return _certificate(tls)
    finally:
        writer.transport.abort()


def untrusted(place: Place, fault: ssl.SSLCertVerificationError) -> Finding:
    """What is wrong with a certificate."""
    reason = fault.verify_message or str(fault)
    if "expired" in reason:
        return fail("tls", f"the certificate has expired ({reason})", _RENEW)
    if "not yet valid" in reason:
        return fail("tls", f"the certificate is not valid yet ({reason})", "next: look at the clock of this machine")
    if "mismatch" in reason.lower() or "doesn't match" in reason or "not valid for" in reason:
        return fail(
            "tls",
            f"the certificate is for another name: {reason}",
            f"next: a name in the URL that it is made for, not {place.host}",
        )
    hint = "next: SSL_CERT_FILE=ca.pem for an authority of your own; ng-ws doctor --insecure takes any, for a look only"
    return fail("tls", f"the certificate is not trusted: {reason}", hint)


def _certificate(tls: ssl.SSLObject) -> Finding:
    certificate = tls.getpeercert() or {}
    ends = certificate.get("notAfter")
    if not isinstance(ends, str):
        return warn("tls", f"{tls.version()}; the certificate was not looked at")
    left = ssl.cert_time_to_seconds(ends) - time()
    day = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC).strftime("%Y-%m-%d")
    if left < _SOON * 86_400:
        return warn("tls", f"{tls.version()}; the certificate ends in {shown(left)} ({day})", _RENEW)
    return ok("tls", f"{tls.version()}, certificate good until {day}")
