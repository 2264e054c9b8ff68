"""The walk from the URL to a hub that talks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from time import time

from ..errors import AuthError, HubError
from ..rest import PLAIN, Rest
from . import address, talk, token
from .finding import Cause, Diagnosis, Finding, Stop, Verdict, fail, ok, warn
from .target import Target
from .upgrade import upgrade


async def walk(target: Target) -> AsyncIterator[Finding]:
    """Each finding as it comes; one that fails before there is a WebSocket is the last."""
    try:
        place, findings = address.place_of(target)
        for finding in findings:
            yield finding
        proxy, finding = address.through(place, target.proxy)
        yield finding
        yield await address.resolve(proxy or place)
        yield await address.knock(proxy or place, target)
        if place.is_tls and proxy is None:
            yield await address.handshake(place, target)
        elif place.is_tls:
            yield ok("tls", "not looked at by itself behind a proxy: the upgrade shows whether it works")
        yield token.look(target.token, time())
        upgraded = await upgrade(place, target)
        for finding in upgraded.findings:
            yield finding
    except Stop as stop:
        yield stop.finding
        return
    conversation = talk.Talk(upgraded.socket, target, asyncio.get_running_loop())
    try:
        for finding in await _spoken(conversation, target.idle):
            yield finding
    finally:
        await upgraded.socket.close()
    yield await asyncio.to_thread(_software, target)


async def diagnosed(target: Target, reconnects: int = 0) -> Diagnosis:
    """All that the walk finds, and what a client has seen of its connection so far."""
    found = [finding async for finding in walk(target)]
    if reconnects:
        times = "once" if reconnects == 1 else f"{reconnects} times"
        hint = "next: diagnose(idle=70) or ng-ws doctor --idle 70s shows who cuts what is silent"
        found.append(warn("survival", f"the connection of this client was lost {times} and came back", hint))
    return Diagnosis(target.url, tuple(found))


def unasked(url: str, check: str, text: str) -> Diagnosis:
    """There is nothing to walk to: what the application would ask for the URL or the token failed."""
    cause = Cause.USAGE if check == "url" else Cause.LOGIN
    return Diagnosis(url, (fail(check, text, "next: mend what the application gives for it", cause),))


async def _spoken(conversation: talk.Talk, idle: float) -> Sequence[Finding]:
    try:
        _, found = await talk.login(conversation)
    except Stop as stop:
        return [stop.finding]
    found += await talk.pings(conversation)
    if found[-1].check == "clock":
        found.append(await talk.large_frame(conversation))
        if idle and found[-1].verdict is Verdict.OK:
            found.append(await talk.silence(conversation, idle))
    return found


def _software(target: Target) -> Finding:
    """The versions of both sides, over REST, which some proxies do not pass on."""
    try:
        rest = Rest(target.url, target.token, target.timeout, target.ssl, target.proxy)
        status = rest.call("GET", "/api/v1/status")
        version = str(status["version"])
    except AuthError as fault:
        return _unknown(fault)
    except (HubError, KeyError, TypeError, ValueError) as fault:
        text = f"/api/v1/status does not answer ({fault}): ng-ws status, conns and explain will not work here"
        return warn("rest", text, "next: let the proxy pass /api on to the hub as well")
    if version.split(".")[:2] != target.version.split(".")[:2]:
        return warn("rest", f"hub {version} and {target.program} {target.version}", "next: update the older of the two")
    return ok("rest", f"hub {version}, {target.program} {target.version}, state {status.get('state')}")


def _unknown(fault: AuthError) -> Finding:
    """A hub says of what it refuses why, in the members of the protocol; a proxy does not."""
    if fault.error == PLAIN:
        text = f"/api/v1/status wants a login of its own ({fault.message}), and it is no hub that says so"
        return warn("rest", text, "next: let the proxy pass /api on to the hub without one")
    return fail("rest", f"the hub refuses this token: {fault.message}", talk.LOGIN, Cause.LOGIN)
