"""Faults as they happen: on the way of the clients, to their handlers, to the hubs and to what hubs share."""

import asyncio
from collections.abc import Sequence
from random import Random
from time import monotonic

from .cluster import Cluster
from .history import History
from .proxy import Proxy
from .schedule import KINDS, Fault
from .subscribers import Subscriber

# What a handler takes for each event while a `slow` fault is on it.
SLOW = 0.02


class Happenings:
    """Carries out a schedule, and writes each beginning and end into the history."""

    def __init__(
        self,
        history: History,
        channels: tuple[str, ...],
        cluster: Cluster | None,
        proxies: Sequence[Proxy],
        subscribers: Sequence[Subscriber],
        random: Random,
    ) -> None:
        self._history = history
        self._channels = channels
        self._cluster = cluster
        self._proxies = proxies
        self._subscribers = subscribers
        self._random = random

    async def happens(self, fault: Fault, began: float) -> None:
        """Wait for its time, counted from `began`, and let it happen."""
        await asyncio.sleep(max(0.0, began + fault.at - monotonic()))
        if KINDS[fault.kind].needs and self._cluster is not None:
            await self._cluster.happens(fault, self._channels, lambda: self._told(fault, "begun"))
        else:
            self._told(fault, "begun")
            await self._happens_to_clients(fault)
        self._told(fault, "healed")

    async def _happens_to_clients(self, fault: Fault) -> None:
        slowed = self._slow(fault) if fault.kind == "slow" else []
        for proxy in self._proxies:
            proxy.begin(fault)
        await asyncio.sleep(fault.length)
        for proxy in self._proxies:
            proxy.heal(fault)
        for subscriber in slowed:
            subscriber.pause -= SLOW

    def _slow(self, fault: Fault) -> list[Subscriber]:
        count = max(1, round(fault.share * len(self._subscribers)))
        slowed = self._random.sample(list(self._subscribers), count)
        for subscriber in slowed:
            subscriber.pause += SLOW
        return slowed

    def _told(self, fault: Fault, do: str) -> None:
        is_of_node = self._cluster is not None and bool(KINDS[fault.kind].needs)
        node = {"node": self._cluster.target(fault) + 1} if is_of_node and self._cluster is not None else {}
        self._history.write("fault", no=fault.no, kind=fault.kind, do=do, **node)
