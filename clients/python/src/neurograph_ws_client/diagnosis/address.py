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

_PORTS = {"ws": 80, "wss": 443}
_RENEW = "next: renew the certificate of the hub, or of the proxy before it"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the hub is said to be."""

    url: str
    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_tls(self) -> bool:
        """Whether it is reached by TLS."""
        return self.scheme == "wss"


def place_of(target: Target) -> tuple[Place, list[Finding]]:
    """The URL taken apart, and what is odd about it; raises `Stop` for what is none."""
    url = target.url
    try:
        parts = urlsplit(checked(url))
    except ValueError as fault:
        hint = "next: the URL ws://HOST:8000/ws, or wss://HOST/ws behind TLS"
        if urlsplit(url).scheme in {"http", "https"}:
            path = "" if urlsplit(url).path.strip("/") else "/ws"
            hint = f"next: the URL {url.replace('http', 'ws', 1).rstrip('/')}{path}"
        raise Stop(fail("url", str(fault), hint, Cause.USAGE)) from fault
    place = Place(url, parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme], parts.path or "/")
    return place, [
        *_oddities(target, place, parts.query),
        ok("url", f"{masked(url)}: {place.host}, port {place.port}"),
    ]


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


def proxy_finding(place: Place, proxy: str | Literal[True] | None = True) -> Finding:
    """Whether the environment sends the connection through a proxy, which has to let WebSockets pass."""
    if is_loopback(place.url):
        return ok("proxy", "none for this machine, whatever the environment says")
    if proxy is None:
        return ok("proxy", "none, as was asked for")
    if isinstance(proxy, str):
        return warn("proxy", f"through {masked(proxy)}, which must let CONNECT and WebSockets pass")
    proxies = getproxies()
    named = proxies.get("https" if place.is_tls else "http") or proxies.get("all")
    if named is None or proxy_bypass(f"{place.host}:{place.port}"):
        return ok("proxy", "none in the environment")
    name = "HTTPS_PROXY" if place.is_tls else "HTTP_PROXY"
    hint = f"next: if it does not connect, NO_PROXY={place.host} goes around it"
    return warn("proxy", f"{name} sends it through {masked(named)}, which must let CONNECT and WebSockets pass", hint)


async def resolve(place: Place) -> Finding:
    """The addresses of the name."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except OSError as fault:
        hint = "next: look for a typing mistake in the URL; getent hosts NAME asks the same resolver"
        raise Stop(fail("dns", f"{place.host} has no address: {fault.strerror or fault}", hint)) from fault
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    return ok("dns", f"{place.host} is {', '.join(addresses[:4])}")


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
        text = f"no answer from {place.host}:{place.port} within {target.timeout:g} s: down, or behind a firewall"
        raise Stop(
            fail("tcp", text, "next: another port or a longer time-out; ask who runs the firewall", Cause.TIMEOUT)
        ) from fault
    except OSError as fault:
        text = f"{place.host}:{place.port}: {reason_of(fault, place.url)}"
        raise Stop(fail("tcp", text, "next: start a hub with make run, or look at host and port of the URL")) from fault
    return ok("tcp", f"port {place.port} is open, {took * 1000:.1f} ms")


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
        raise Stop(_untrusted(place, fault)) from fault
    except OSError as fault:
        text = reason_of(fault, place.url)
        raise Stop(fail("tls", text, "next: ws:// where the hub speaks no TLS itself")) from fault
    try:
        tls = writer.get_extra_info("ssl_object")
        return _certificate(tls)
    finally:
        writer.transport.abort()


def _untrusted(place: Place, fault: ssl.SSLCertVerificationError) -> Finding:
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
