"""The way to the port: the URL, a proxy of the environment, the name, TCP, TLS."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time
from urllib.parse import parse_qs, urlsplit
from urllib.request import getproxies, proxy_bypass

from neurograph_ws_client.reasons import reason_of
from neurograph_ws_client.urls import checked, is_loopback, masked

from ..durations import shown
from ..exits import Exit
from ..hub import trusting
from ..settings import Settings
from .finding import Finding, Stop, fail, ok, warn

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


def place_of(settings: Settings) -> tuple[Place, list[Finding]]:
    """The URL taken apart, and what is odd about it; raises `Stop` for what is none."""
    url = settings.url
    try:
        parts = urlsplit(checked(url))
    except ValueError as fault:
        hint = "next: --url ws://HOST:8000/ws, or wss://HOST/ws behind TLS"
        if urlsplit(url).scheme in {"http", "https"}:
            path = "" if urlsplit(url).path.strip("/") else "/ws"
            hint = f"next: --url {url.replace('http', 'ws', 1).rstrip('/')}{path}"
        raise Stop(fail("url", str(fault), hint, Exit.USAGE)) from fault
    place = Place(url, parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme], parts.path or "/")
    return place, [
        *_oddities(settings, place, parts.query),
        ok("url", f"{masked(url)}: {place.host}, port {place.port}"),
    ]


def _oddities(settings: Settings, place: Place, query: str) -> list[Finding]:
    found = []
    if place.path.rstrip("/") == "":
        found.append(warn("url", "the path is /, hubs listen at /ws", f"next: --url {place.url.rstrip('/')}/ws"))
    has_token = settings.token is not None
    if {"token", "reconnection_token"} & parse_qs(query).keys():
        text = "a credential stands in the URL, where logs and proxies of others may keep it"
        found.append(warn("url", text, "next: NG_TOKEN or --token-file instead"))
        has_token = True
    if not place.is_tls and has_token and not is_loopback(place.url):
        text = "ws:// sends the token in clear over the network"
        found.append(warn("url", text, f"next: --url {masked(place.url).replace('ws:', 'wss:', 1)}"))
    return found


def proxy_finding(place: Place) -> Finding:
    """Whether the environment sends the connection through a proxy, which has to let WebSockets pass."""
    if is_loopback(place.url):
        return ok("proxy", "none for this machine, whatever the environment says")
    proxies = getproxies()
    proxy = proxies.get("https" if place.is_tls else "http") or proxies.get("all")
    if proxy is None or proxy_bypass(f"{place.host}:{place.port}"):
        return ok("proxy", "none in the environment")
    name = "HTTPS_PROXY" if place.is_tls else "HTTP_PROXY"
    hint = f"next: if it does not connect, NO_PROXY={place.host} ng-ws doctor goes around it"
    return warn("proxy", f"{name} sends it through {masked(proxy)}, which must let CONNECT and WebSockets pass", hint)


async def resolve(place: Place) -> Finding:
    """The addresses of the name."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except OSError as fault:
        hint = "next: look for a typing mistake in --url; getent hosts NAME asks the same resolver"
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


async def knock(place: Place, settings: Settings) -> Finding:
    """Whether anybody listens there."""
    began = asyncio.get_running_loop().time()
    try:
        async with stream(place, settings.timeout):
            took = asyncio.get_running_loop().time() - began
    except TimeoutError as fault:
        text = f"no answer from {place.host}:{place.port} within {settings.timeout:g} s: down, or behind a firewall"
        raise Stop(
            fail("tcp", text, "next: another port or --timeout; ask who runs the firewall", Exit.TIMEOUT)
        ) from fault
    except OSError as fault:
        text = f"{place.host}:{place.port}: {reason_of(fault, place.url)}"
        raise Stop(fail("tcp", text, "next: start a hub with make run, or look at host and port of --url")) from fault
    return ok("tcp", f"port {place.port} is open, {took * 1000:.1f} ms")


async def handshake(place: Place, settings: Settings) -> Finding:
    """TLS: that it is spoken, and that the certificate is good for this name now."""
    context = trusting() if settings.is_insecure else ssl.create_default_context()
    try:
        async with asyncio.timeout(settings.timeout):
            reader, writer = await asyncio.open_connection(
                place.host, place.port, ssl=context, server_hostname=place.host
            )
            del reader
    except TimeoutError as fault:
        text = f"no TLS handshake within {settings.timeout:g} s"
        raise Stop(fail("tls", text, "next: is this a TLS port? try ws:// instead of wss://", Exit.TIMEOUT)) from fault
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
            f"next: a name in --url that it is made for, not {place.host}",
        )
    hint = "next: SSL_CERT_FILE=ca.pem for an authority of your own; --insecure takes any, for a look only"
    return fail("tls", f"the certificate is not trusted: {reason}", hint)


def _certificate(tls: ssl.SSLObject) -> Finding:
    certificate = tls.getpeercert() or {}
    ends = certificate.get("notAfter")
    if not isinstance(ends, str):
        return warn("tls", f"{tls.version()}; the certificate was not looked at (--insecure)")
    left = ssl.cert_time_to_seconds(ends) - time()
    day = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC).strftime("%Y-%m-%d")
    if left < _SOON * 86_400:
        return warn("tls", f"{tls.version()}; the certificate ends in {shown(left)} ({day})", _RENEW)
    return ok("tls", f"{tls.version()}, certificate good until {day}")
