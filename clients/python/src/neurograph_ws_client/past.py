# ruff: noqa: ASYNC109 - a time-out in seconds is what the documents promise
"""Entries of the past, read over a connection of their own: a channel is followed once per connection (M26)."""

import asyncio
import contextlib
import random
from dataclasses import dataclass
from typing import Any

from .connection import Opening
from .errors import RateLimited, RequestTimeout
from .events import Event
from .filters import Filter
from .follows import Follow
from .link import Link
from .policy import TokenSource
from .session import Session
from .starts import Last, wire_start
from .states import SubState
from .subscription import Handling, Subscription

# Seconds without an item until the hub is asked.
_FIRST_PAUSE = 0.02


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
        reader = _Asking(link, subscription)
        while len(events) < self.last:
            item: Any = await reader.next()
            if isinstance(item, Event):
                events.append(item)
            if follow.head is None or item.place.reaches(follow.head) or item.place.epoch != follow.head.epoch:
                break
        return events


class _Asking:
    """Items of a subscription whose filter, or what its role may see, may let nothing pass.

    Where nothing comes, the hub is asked how far it has looked (M26), which is sooner than its watermark (P9); each
    time later, since questions are counted.
    """

    def __init__(self, link: Link, subscription: Subscription[Any]) -> None:
        self._link, self._subscription = link, subscription
        self._pause = _FIRST_PAUSE

    async def next(self) -> Any:
        """The next event, gap or cursor that moved."""
        while True:
            is_followed = self._subscription.state is SubState.ACTIVE
            try:
                return await self._subscription.next(self._pause if is_followed else None)
            except RequestTimeout:
                self._pause *= 2
                # Who asks too often waits for the watermark.
                with contextlib.suppress(RateLimited):
                    await self._link.update(self._subscription, {})
