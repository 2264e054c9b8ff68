# ruff: noqa: ASYNC109 - a time-out in seconds is what the documents promise
"""Entries of the past, read over a connection of their own: a channel is followed once per connection (M26)."""

import asyncio
import random
from typing import Any

from .connection import Opening
from .errors import Closed, RequestTimeout
from .events import Event
from .link import Link
from .policy import TokenSource
from .session import Session
from .starts import Last, wire_start
from .states import State
from .subscription import Handling, Subscription


async def read_past(
    opening: Opening, token: TokenSource | None, channel: str, *, last: int, timeout: float
) -> list[Event[Any]]:
    """The newest entries of a channel up to its head of this moment."""
    session = Session(
        draw=random.random,
        token=token if isinstance(token, str) else None,
        is_renewable=callable(token),
        auto_reconnect=False,
        is_resumable=False,
    )
    session.subscribe(channel, {"delivery": "all"}, wire_start(Last(last)))
    link = Link(session, opening, token, patience=timeout, journal=None, debug=False)
    subscription = link.subscriptions[channel] = Subscription[Any](
        channel, link, Handling(gaps=True, queue_size=max(2, 2 * last))
    )
    try:
        async with asyncio.timeout(timeout):
            return await _read(link, subscription, last)
    except TimeoutError as fault:
        raise RequestTimeout(f"{channel}: its past did not come within {timeout:g} s", temporary=True) from fault
    finally:
        await link.close(1000, "")


async def _read(link: Link, subscription: Subscription[Any], last: int) -> list[Event[Any]]:
    link.connect(retry=False)
    await link.wait_for(lambda state: state in {State.CONNECTED, State.CLOSED})
    if link.session.state is State.CLOSED:
        raise link.session.cause or Closed("the client was closed")
    await subscription
    head = link.session.follows[subscription.channel].head
    events: list[Event[Any]] = []
    while head is not None and (subscription.place is None or not subscription.place.reaches(head)):
        item: Any = await anext(subscription)
        if isinstance(item, Event):
            events.append(item)
        if item.place.reaches(head) or item.place.epoch != head.epoch:
            break
    return events[-last:]
