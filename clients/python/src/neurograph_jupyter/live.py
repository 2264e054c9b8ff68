"""The live view: a widget under a cell that shows what a channel carries, drawn at most ten times a second."""

import asyncio
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from neurograph_ws_client import Event, Gap

from .extras import library
from .pulse import Pulse

if TYPE_CHECKING:
    from .feed import Feed

SCRIPT = Path(__file__).with_name("live.js")
PAUSE = 0.1
"""Least seconds between two states that the widget is sent."""


class LiveView:
    """What a feed brings, as bars and lines (extra `jupyter`); `stop` ends it, and the picture stays."""

    def __init__(self, feed: "Feed") -> None:
        self.feed = feed
        self.sent = 0
        """States sent to the widget."""
        self._pulse = Pulse(feed.channel)
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self.widget: Any = _widget_class()(state=self._pulse.state(time(), feed.state))
        # What was there before it is shown at the time of the hub.
        feed.listen(self._take, kept=lambda event: self._pulse.add(event, min(event.ts, time())))
        self.widget.state = self._pulse.state(time(), feed.state)
        # A connection that is away brings nothing that would say so.
        feed.watch(self._soon)

    def stop(self) -> None:
        """Follow no more."""
        self.feed.stop()
        self.widget.state = self._pulse.state(time(), "stopped")

    def _take(self, item: Event[Any] | Gap) -> None:
        self._pulse.add(item, time())
        self._soon()

    def _soon(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(self._due, loop.time()), self._send, loop)

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._due = loop.time() + PAUSE
        self.sent += 1
        state = self._pulse.state(time(), self.feed.state)
        self.widget.state = state

    def __repr__(self) -> str:
        return f"<LiveView of {self.feed.channel}: {self._pulse.total} events>"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)


def _widget_class() -> Any:
    anywidget, traitlets = library("anywidget"), library("traitlets")

    class LiveWidget(anywidget.AnyWidget):  # type: ignore[misc, name-defined]  # imported where it is used
        _esm = SCRIPT.read_text(encoding="utf-8")
        state = traitlets.Dict().tag(sync=True)

    return LiveWidget
