"""What an open WebSocket tells: login, version, rights, clock, round trip, large frames, silence."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from time import time
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from .._version import __version__
from ..durations import shown
from .finding import Cause, Finding, Stop, fail, ok, warn
from .target import Target
from .token import LEEWAY, seconds

VERSION = "1"

# A clock that is more wrong than this is told, in seconds.
_SKEW = 2.0

# A frame that small messages never make, within what any hub takes before a login (L8).
_LARGE = 60_000

_PINGS = 5
LOGIN = "next: export NG_TOKEN=$(ng-ws token new --role developer); ng-ws token show reads the one you have"

# Close codes right after the upgrade: exit code, what to do (PROTOCOL.md, 7).
_REFUSALS: Mapping[str, tuple[Cause, str]] = {
    "4101 token_expired": (Cause.LOGIN, LOGIN),
    "4101": (Cause.LOGIN, LOGIN),
    "4103": (Cause.LOGIN, "next: this token was revoked; log in again"),
    "4003 url_credential": (Cause.LOGIN, "next: the token apart from the URL: NG_TOKEN, --token-file, token="),
    "4003": (Cause.PERMISSION, "next: the hub refuses this role or address"),
    "4026": (Cause.CONNECT, "next: update this client, or the hub: they speak different versions"),
    "4229 too_many": (Cause.RATE_LIMITED, "next: too many connections of this address; close some"),
    "4229": (Cause.RATE_LIMITED, "next: too many failed logins of this address; wait a minute, then a good token"),
    "4301": (Cause.CONNECT, "next: the hub is being replaced; again in a moment"),
}


@dataclass(slots=True)
class Talk:
    """One conversation; messages that nobody asked for are passed over."""

    socket: ClientConnection
    target: Target
    loop: asyncio.AbstractEventLoop

    async def ask(self, message: Mapping[str, Any], kind: str) -> tuple[Mapping[str, Any], float]:
        """The next message of a kind after this one was sent, and the seconds in between."""
        began = self.loop.time()
        await self.socket.send(json.dumps(message))
        return await self.next(kind), self.loop.time() - began

    async def next(self, kind: str) -> Mapping[str, Any]:
        """The next message of a kind; TimeoutError, ConnectionClosed, or ValueError for what is no message."""
        async with asyncio.timeout(self.target.timeout):
            while True:
                found = _decoded(await self.socket.recv())
                if isinstance(found, Mapping) and found.get("type") == kind:
                    return found


async def login(talk: Talk) -> tuple[Mapping[str, Any], list[Finding]]:
    """The `welcome`: who the hub takes us for."""
    try:
        welcome = await talk.next("welcome")
    except TimeoutError as fault:
        text = f"upgraded, and no welcome within {talk.target.timeout:g} s"
        if talk.target.token is None:
            raise Stop(fail("login", f"{text}: this hub wants a token", LOGIN, Cause.LOGIN)) from fault
        hint = "next: does a proxy hold back what the hub says? is this a hub at all?"
        raise Stop(fail("login", text, hint, Cause.TIMEOUT)) from fault
    except ConnectionClosed as closed:
        raise Stop(_closed("login", closed)) from closed
    except ValueError as fault:
        text = "what answers is a WebSocket, but no hub: it does not speak the protocol"
        raise Stop(fail("login", text, "next: look at host, port and path of the URL")) from fault
    user = welcome.get("user") or "nobody"
    life = seconds(welcome.get("expires_in"))
    until = f", for {shown(life)}" if life is not None else ""
    found = [ok("login", f"{user}, role {welcome.get('role')}{until}, node {welcome.get('node')}")]
    return welcome, [*found, _version(welcome), _rights(welcome)]


def _decoded(payload: str | bytes) -> Any:
    try:
        return json.loads(payload)
    except RecursionError as fault:
        raise ValueError("it is nested too deeply") from fault


def _unreadable(check: str, fault: ValueError) -> Finding:
    text = f"expected a message of the protocol, came what is none ({fault})"
    return fail(check, text, "next: does a proxy change what the hub says? is this a hub at all?")


def _closed(check: str, closed: ConnectionClosed) -> Finding:
    if closed.rcvd is None:
        text = "the connection was cut without a close frame"
        return fail(check, text, "next: a proxy or firewall between may not like WebSockets")
    told = f"{closed.rcvd.code} {closed.rcvd.reason}".strip()
    for mark, (cause, hint) in _REFUSALS.items():
        if told.startswith(mark):
            return fail(check, f"refused: {told}", hint, cause)
    return fail(check, f"closed: {told}", "next: PROTOCOL.md, section 7, says what the code means")


def _version(welcome: Mapping[str, Any]) -> Finding:
    told = str(welcome.get("version", VERSION))
    if told != VERSION:
        text = f"the hub speaks version {told} of the protocol, this client {VERSION}"
        return warn("version", text, "next: update the older of the two")
    return ok("version", f"protocol ng-ws.v{told}, client {__version__}")


def _rights(welcome: Mapping[str, Any]) -> Finding:
    channels = welcome.get("channels", {})
    try:
        rights = {name: set(about.get("rights", ())) for name, about in channels.items()}
    except (AttributeError, TypeError):
        text = f"expected channels with their rights in the welcome, came {channels!r:.80}"
        return warn("rights", text, "next: update the older of the two")
    readable = [name for name, those in rights.items() if "subscribe" in those]
    more = [
        f"{right} on {', '.join(names)}"
        for right in ("broadcast", "emit")
        if (names := [name for name, those in rights.items() if right in those])
    ]
    if not readable:
        return warn("rights", f"role {welcome.get('role')} may subscribe to nothing", LOGIN)
    return ok("rights", "; ".join([f"subscribe to {', '.join(readable)}", *more]))


async def pings(talk: Talk) -> list[Finding]:
    """Round trip, and the clock of this machine against that of the hub."""
    took: list[float] = []
    skew = 0.0
    try:
        for number in range(_PINGS):
            before = time()
            pong, rtt = await talk.ask({"type": "ping", "t": number}, "pong")
            took.append(rtt)
            told = seconds(pong.get("ts"))
            if rtt == min(took) and told is not None:
                skew = before + rtt / 2 - told
    except TimeoutError:
        text = f"a ping was not answered within {talk.target.timeout:g} s"
        return [fail("ping", text, "next: the hub, or the way to it, is overloaded: ng-ws status", Cause.TIMEOUT)]
    except ConnectionClosed as closed:
        return [_closed("ping", closed)]
    except ValueError as fault:
        return [_unreadable("ping", fault)]
    found = [ok("ping", f"{min(took) * 1000:.1f} ms, the slowest of {_PINGS} {max(took) * 1000:.1f} ms")]
    return [*found, _clock(skew, min(took))]


def _clock(skew: float, rtt: float) -> Finding:
    if abs(skew) <= _SKEW + rtt:
        return ok("clock", f"within {abs(skew):.1f} s of the hub's")
    side = "ahead of" if skew > 0 else "behind"
    text = f"this machine's clock is {shown(abs(skew))} {side} the hub's"
    if abs(skew) > LEEWAY:
        hint = "next: set the clock (timedatectl set-ntp true): tokens made here are refused beyond 30 s"
        return fail("clock", text, hint, Cause.LOGIN)
    return warn("clock", text, "next: timedatectl set-ntp true")


async def large_frame(talk: Talk) -> Finding:
    """A message of 60 kB there and its answer back: what a proxy with small buffers does not survive."""
    try:
        _, took = await talk.ask({"type": "ping", "t": "large", "padding": _incompressible(_LARGE)}, "pong")
    except TimeoutError:
        text = f"a message of {_LARGE // 1000} kB was not answered within {talk.target.timeout:g} s, small ones were"
        return fail(
            "large",
            text,
            "next: a proxy between has small buffers, or the path loses large packets (MTU)",
            Cause.TIMEOUT,
        )
    except ConnectionClosed as closed:
        told = _closed("large", closed)
        text = f"a message of {_LARGE // 1000} kB ended the connection: {told.text}"
        return fail("large", text, "next: raise the limit of messages at the proxy", told.cause)
    except ValueError as fault:
        return _unreadable("large", fault)
    return ok("large", f"a message of {_LARGE // 1000} kB passes, {took * 1000:.1f} ms")


def _incompressible(size: int) -> str:
    """Letters that are as long on the wire as they are here, whatever compresses."""
    return secrets.token_urlsafe(size * 3 // 4)


async def silence(talk: Talk, quiet: float) -> Finding:
    """Nothing said for `quiet` seconds: whoever cuts idle connections shows it now."""
    try:
        async with asyncio.timeout(quiet):
            while True:
                await talk.socket.recv()
    except TimeoutError:
        pass
    except ConnectionClosed as closed:
        text = f"cut while idle: {_closed('idle', closed).text}"
        hint = "next: raise the idle time-out at the proxy above 60 s (nginx: proxy_read_timeout 75s)"
        return fail("idle", text, hint)
    try:
        await talk.ask({"type": "ping", "t": "idle"}, "pong")
    except (TimeoutError, ConnectionClosed):
        hint = "next: raise the idle time-out at the proxy or NAT above 60 s"
        return fail("idle", f"after {shown(quiet)} of silence nothing is answered any more", hint)
    except ValueError as fault:
        return _unreadable("idle", fault)
    return ok("idle", f"survives {shown(quiet)} of silence")
