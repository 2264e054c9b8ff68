"""`ng-ws ping`: how long the hub takes to answer."""

import asyncio
from statistics import median, quantiles

from neurograph_ws_client.urls import masked

from .hub import connected
from .notes import Notes
from .render import object_line
from .settings import Format, Settings
from .stdout import put


async def ping(settings: Settings, count: int, every: float) -> None:
    """Ping, one line each, then minimum, median and 99th percentile."""
    notes = Notes(settings)
    took: list[float] = []
    async with connected(settings, notes) as client:
        for number in range(count):
            if number:
                await asyncio.sleep(every)
            took.append(await client.ping() * 1000)
            _tell(settings, number + 1, took[-1])
    p99 = quantiles(took, n=100, method="inclusive")[98] if len(took) > 1 else took[0]
    notes.say(
        f"{len(took)} pings to {masked(settings.url)}: min {min(took):.3f}, median {median(took):.3f}, p99 {p99:.3f} ms"
    )


def _tell(settings: Settings, number: int, took: float) -> None:
    if settings.format is Format.JSON:
        line = object_line({"ping": number, "rtt_ms": round(took, 3)})
    else:
        line = f"{number} {took:.3f} ms\n".encode()
    put(line)
