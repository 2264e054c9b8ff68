"""What `sub --near` says where nothing comes: whether anything could."""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from neurograph_ws_client import Event, HubError, NeurographWSClient, Subscription

from .notes import Notes

# Seconds without an event, after which it is looked into.
AFTER = 3.0

# So many of the newest entries show what a channel carries.
_SAMPLE = 10


async def explain(client: NeurographWSClient, subscriptions: Iterable[Subscription[Any]], notes: Notes) -> None:
    """Say of each channel that has delivered nothing what its newest entries are like, without the filter."""
    for one in subscriptions:
        if one.handled or one.error is not None:
            continue
        # Who may not look, or not now, is told nothing: the subscription itself goes on.
        with contextlib.suppress(HubError):
            sample = await client.history(one.channel, last=_SAMPLE)
            if not one.handled:
                notes.warn(f"{one.channel}: {_said_of(sample)}")


def _said_of(sample: list[Event[Any]]) -> str:
    if not sample:
        return "nothing has passed --near, and no entry is kept that could have: waiting for the first"
    have = sum(_has_vector(event.data) for event in sample)
    if not have:
        return f"nothing has passed --near, and nothing may: none of its newest {len(sample)} events has a data.vector"
    return f"nothing has passed --near in {AFTER:g} s; its events have a data.vector: a larger --radius lets more pass"


def _has_vector(data: Any) -> bool:
    return isinstance(data, Mapping) and isinstance(data.get("vector"), list)
