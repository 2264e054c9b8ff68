"""`ng-ws sub --rate`: how many events there are, a line for each channel and second."""

import asyncio
from collections import Counter

from neurograph_ws_client import Gap

from .escape import escaped
from .render import Item, object_line
from .settings import Format, Settings
from .sink import Sink

SECOND = 1.0


class RateMeter:
    """Counts events and bytes by channel, and tells them each second; who was heard once is told when quiet, too."""

    def __init__(self, settings: Settings, sink: Sink) -> None:
        self._is_json = settings.format is Format.JSON
        self._sink = sink
        self._events: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + SECOND
        self._timer = self._loop.call_at(self._due, self._tell)

    def take(self, item: Item) -> None:
        """One event; a gap is none."""
        if not isinstance(item, Gap):
            self._events[item.channel] += 1
            self._bytes[item.channel] += len(item.wire)

    def stop(self) -> None:
        """Tell what is left, and nothing more."""
        self._timer.cancel()
        if self._events.total():
            self._write(max(0.001, SECOND - (self._due - self._loop.time())))

    def _tell(self) -> None:
        self._write(SECOND)
        self._due += SECOND
        self._timer = self._loop.call_at(self._due, self._tell)

    def _write(self, took: float) -> None:
        for channel in self._events:
            self._sink.write(self._line(channel, self._events[channel] / took, self._bytes[channel] / took))
            self._events[channel] = self._bytes[channel] = 0

    def _line(self, channel: str, events: float, size: float) -> bytes:
        if self._is_json:
            return object_line({"channel": channel, "events_per_s": round(events, 1), "bytes_per_s": round(size)})
        return f"{escaped(channel):<16} {events:9.1f} events/s {size / 1000:9.1f} kB/s\n".encode()
