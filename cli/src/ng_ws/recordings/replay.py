"""`ng-ws replay`: publish a recording again, at its own pace, another, or as fast as the hub takes it."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from neurograph_ws_client import NeurographWSClient
from neurograph_ws_client.durations import shown
from neurograph_ws_client.urls import masked

from ..exits import misused
from ..hub import connected
from ..notes import Notes
from ..render import object_line
from ..settings import Format, Settings
from ..stdout import put
from .form import Recorded, recorded

# Publishes under way at once.
_AHEAD = 32

# Capacity and refill per second where the hub tells none.
_UNLIMITED = (1e12, 1e12)

# Of the hub's rate so much is used: its clock and ours are two, and other publishers of the user share the bucket.
_MARGIN = 0.9


@dataclass(frozen=True, slots=True)
class Replaying:
    """The options of `replay`. `speed`: how many times as fast; infinite: as fast as it goes."""

    file: Path
    speed: float = 1.0
    names: Mapping[str, str] = field(default_factory=dict)
    is_dry: bool = False


def speed_of(text: str) -> float:
    """Read `--speed`."""
    if text == "max":
        return inf
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < inf:
        raise misused("--speed", "a number above 0 like 2 or 0.5, or max", text)
    return speed


def names_of(pairs: list[str]) -> dict[str, str]:
    """Read `--as FROM=TO`."""
    names: dict[str, str] = {}
    for pair in pairs:
        old, equals, new = pair.partition("=")
        if not (old and equals and new):
            raise misused("--as", "FROM=TO", pair)
        names[old] = new
    return names


async def replayed(settings: Settings, options: Replaying) -> None:
    """Publish every event of the recording; gaps are told, not repeated."""
    notes = Notes(settings)
    if options.is_dry:
        _tell_plan(settings, options, notes)
        return
    # A file that is none, or is cut off, is told before anything is published.
    for _ in recorded(options.file):
        pass
    async with connected(settings, notes) as client:
        run = _Run(client, settings, options)
        try:
            await run.all()
        except BaseException:
            notes.say(f"it ended with {run.stored.total()} events published, which a repeat would store again")
            raise
    took, count = run.took, run.stored.total()
    notes.say(f"{count} events published to {masked(settings.url)} in {shown(took)}{_gaps(run.gaps)}")


class Pace:
    """The hub's bucket of publishes, as it told it: what is faster is refused, and would come out of order."""

    def __init__(self, capacity: float, refill: float, now: float) -> None:
        self._capacity, self._refill = capacity * _MARGIN, refill * _MARGIN
        self._left, self._at = self._capacity, now

    def take(self, now: float) -> float:
        """Take one; the seconds until it is there. `now`: of the monotonic clock."""
        self._left = min(self._capacity, self._left + (now - self._at) * self._refill) - 1
        self._at = now
        return max(0.0, -self._left / self._refill)


class _Run:
    def __init__(self, client: NeurographWSClient, settings: Settings, options: Replaying) -> None:
        self._client = client
        self._settings = settings
        self._options = options
        self._mid = f"replay-{secrets.token_urlsafe(9)}"
        self._room = asyncio.Semaphore(_AHEAD)
        self.stored: Counter[str] = Counter()
        self.gaps = 0
        self.took = 0.0

    async def all(self) -> None:
        """In the order of the recording: one channel's events are asked for in order, and answered in it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        welcome = self._client.welcome
        pace = Pace(*(welcome.limits.rates.get("publish", _UNLIMITED) if welcome else _UNLIMITED), began)
        first: float | None = None
        async with asyncio.TaskGroup() as group:
            for one in recorded(self._options.file):
                if one.event is None:
                    self.gaps += 1
                    continue
                first = one.t if first is None else first
                due = began + (one.t - first) / self._options.speed
                await asyncio.sleep(max(0.0, due - loop.time(), pace.take(loop.time())))
                await self._room.acquire()
                group.create_task(self._publish(one, one.event))
        self.took = loop.time() - began

    async def _publish(self, one: Recorded, event: Mapping[str, Any]) -> None:
        channel = self._options.names.get(one.channel, one.channel)
        try:
            stored = await self._client.publish(
                channel,
                event.get("data"),
                event=event["event"],
                key=event.get("key"),
                tags=event.get("tags"),
                mid=f"{self._mid}-{one.line}",
                retry=True,
            )
        finally:
            self._room.release()
        self.stored[channel] += 1
        line = {"from": one.position, "channel": channel, "position": stored.position}
        if self._settings.format is Format.JSON:
            put(object_line(line))
        elif self._settings.is_verbose:
            put(f"{one.position} {channel} {stored.position}\n".encode())


def _tell_plan(settings: Settings, options: Replaying, notes: Notes) -> None:
    """What would be published, by channel."""
    counts: Counter[str] = Counter()
    gaps, last = 0, 0.0
    for one in recorded(options.file):
        last = one.t
        gaps += one.event is None
        if one.event is not None:
            counts[options.names.get(one.channel, one.channel)] += 1
    for channel, count in counts.items():
        plan = {"channel": channel, "events": count}
        put(object_line(plan) if settings.format is Format.JSON else f"{channel:<24} {count} events\n".encode())
    pace = "as fast as the hub takes it" if options.speed == inf else f"about {shown(last / options.speed)}"
    notes.say(f"nothing was published; a replay takes {pace}{_gaps(gaps)}")


def _gaps(count: int) -> str:
    plural = "" if count == 1 else "s"
    return f"; the recording has {count} gap{plural}: what is missing there is not replayed" if count else ""
