# ruff: noqa: ASYNC109 - a time-out in seconds is what the documents promise
"""Entries of the past, read over a connection of their own: a channel is followed once per connection (M26)."""

import asyncio
import random
from dataclasses import dataclass
from typing import Any

from .connection import Opening
from .errors import RequestTimeout
from .events import Event
from .filters import Filter
from .follows import Follow
from .link import Link
from .policy import TokenSource
from .session import Session
from .starts import Last, wire_start
from .subscription import Handling, Subscription


@dataclass(frozen=True, slots=True)
class Past:
    """The newest `last` entries of a channel that pass a filter, up to its head when they are asked for."""

    channel: str
    last: int
    filter: Filter | None = None

    async def read(self, opening: Opening, token: TokenSource | None, timeout: float) -> list[Event[Any]]:
        """Oldest first; RequestTimeout where they did not come in time, or what refused them."""
        session = Session(
            draw=random.random,
            token=token if isinstance(token, str) else None,
            is_renewable=callable(token),
            auto_reconnect=False,
            is_resumable=False,
        )
        options = {"delivery": "all"} if self.filter is None else {"delivery": "all", "filter": self.filter}
        follow = session.subscribe(self.channel, options, wire_start(Last(self.last)))
        link = Link(session, opening, token, patience=timeout, journal=None, debug=False)
        handling = Handling(gaps=True, cursors=True, queue_size=max(2, 2 * self.last))
        subscription = link.subscriptions[self.channel] = Subscription[Any](self.channel, link, handling)
        try:
            async with asyncio.timeout(timeout):
                link.connect(retry=False)
                return await self._read(link, subscription, follow)
        except TimeoutError as fault:
            text = f"{self.channel}: its past did not come within {timeout:g} s"
            raise RequestTimeout(text, temporary=True) from fault
        finally:
            await link.close(1000, "")

    async def _read(self, link: Link, subscription: Subscription[Any], follow: Follow) -> list[Event[Any]]:
        events: list[Event[Any]] = []
        is_asked = self.filter is None
        item: Any = await subscription.next()
        while len(events) < self.last and follow.head is not None:
            if isinstance(item, Event):
                events.append(item)
            if item.place.reaches(follow.head) or item.place.epoch != follow.head.epoch:
                break
            if not is_asked:
                # The answer says how far the filter has gone (M26), sooner than a watermark does (P9).
                is_asked = True
                await link.update(subscription, {})
            item = await subscription.next()
        return events
