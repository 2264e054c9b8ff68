"""The walk from the URL to a hub that talks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from time import time

from neurograph_ws_client.errors import HubError

from .._version import __version__
from ..escape import escaped
from ..exits import Exit
from ..notes import Notes
from ..render import object_line
from ..rest import call
from ..settings import Format, Settings
from ..stdout import put
from . import address, talk, token
from .finding import Finding, Stop, Verdict, ok, warn
from .upgrade import upgrade

_STYLES = {Verdict.OK: "32", Verdict.WARN: "33", Verdict.FAIL: "1;31"}


async def doctor(settings: Settings, origin: str | None, idle: float) -> Exit:
    """Tell each finding as it comes; the exit code of the first that failed."""
    found: list[Finding] = []
    async for finding in _walk(settings, origin, idle):
        found.append(finding)
        put(_line(settings, finding))
    failed = [one for one in found if one.verdict is Verdict.FAIL]
    warned = sum(one.verdict is Verdict.WARN for one in found)
    notes = Notes(settings)
    if failed:
        notes.warn(f"{failed[0].check}: {failed[0].text}")
        return failed[0].exit_code
    notes.say(f"{len(found)} checks, {warned} to look at" if warned else f"{len(found)} checks, all in order")
    return Exit.OK


async def _walk(settings: Settings, origin: str | None, idle: float) -> AsyncIterator[Finding]:
    try:
        place, findings = address.place_of(settings)
        for finding in findings:
            yield finding
        yield address.proxy_finding(place)
        yield await address.resolve(place)
        yield await address.knock(place, settings)
        if place.is_tls:
            yield await address.handshake(place, settings)
        yield token.look(settings, time())
        upgraded = await upgrade(place, settings, origin)
        for finding in upgraded.findings:
            yield finding
    except Stop as stop:
        yield stop.finding
        return
    conversation = talk.Talk(upgraded.socket, settings, asyncio.get_running_loop())
    try:
        for finding in await _spoken(conversation, idle):
            yield finding
    finally:
        await upgraded.socket.close()
    yield await asyncio.to_thread(_software, settings)


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


def _software(settings: Settings) -> Finding:
    """The versions of both sides, over REST, which some proxies do not pass on."""
    try:
        status = call(settings, "GET", "/api/v1/status")
        version = str(status["version"])
    except (HubError, KeyError, TypeError) as fault:
        text = f"/api/v1/status does not answer ({fault}): ng-ws status, conns and explain will not work here"
        return warn("rest", text, "next: let the proxy pass /api on to the hub as well")
    if version.split(".")[:2] != __version__.split(".")[:2]:
        text = f"hub {version} and ng-ws {__version__}"
        return warn("rest", text, "next: update the older of the two")
    return ok("rest", f"hub {version}, ng-ws {__version__}, state {status.get('state')}")


def _line(settings: Settings, one: Finding) -> bytes:
    if settings.format is Format.JSON:
        shape = {name: value for name, value in asdict(one).items() if name != "exit_code"}
        return object_line(shape)
    word = f"{one.verdict.value:<5}"
    if settings.has_color:
        word = f"\x1b[{_STYLES[one.verdict]}m{word}\x1b[0m"
    lines = [f"{word} {one.check:<8} {escaped(one.text)}"]
    if one.hint:
        lines.append(f"               {escaped(one.hint)}")
    return "".join(f"{line}\n" for line in lines).encode()
