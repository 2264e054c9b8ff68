"""The hubs of a run: one alone, or several nodes that share a Redis of our own."""

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from random import Random
from time import monotonic

from .hub_process import HubProcess, Joins, is_ready
from .needs import Promise
from .schedule import KINDS, Fault
from .store import Store

# How long nodes may take to be ready again after the last fault.
READY_WAIT = 30.0

_ASK_EVERY = 0.2


class Cluster:
    """What was started for a run, and what happens to it."""

    def __init__(self, hubs: list[HubProcess], store: Store | None, seed: int) -> None:
        self.hubs = hubs
        self.store = store
        self._seed = seed

    @classmethod
    def alone(cls, command: list[str], directory: Path, channels: tuple[str, ...], seed: int) -> "Cluster":
        """One hub with a log of its own."""
        return cls([HubProcess(command, directory, channels)], None, seed)

    @classmethod
    async def joined(
        cls, command: list[str], directory: Path, channels: tuple[str, ...], seed: int, store: Store
    ) -> "Cluster":
        """Nodes that share `store`, which is started here: each knows its own way to it."""
        try:
            await store.start()
        except BaseException:
            await store.stop()
            raise
        secret = secrets.token_urlsafe(48)
        hubs = []
        for number, url in enumerate(store.urls, 1):
            home = directory / f"node-{number}"
            home.mkdir()
            hubs.append(HubProcess(command, home, channels, Joins(f"n{number}", url, secret)))
        return cls(hubs, store, seed)

    async def start(self) -> None:
        """Until every hub is ready."""
        await asyncio.gather(*(hub.start() for hub in self.hubs))

    async def stop(self) -> None:
        """End everything."""
        for hub in self.hubs:
            hub.resume()
        await asyncio.gather(*(hub.kill() for hub in self.hubs))
        if self.store is not None:
            await self.store.stop()

    @property
    def urls(self) -> tuple[str, ...]:
        """Where each hub listens."""
        return tuple(hub.url for hub in self.hubs)

    @property
    def promise(self) -> Promise:
        """What it is set up to keep."""
        return self.hubs[0].promise

    def target(self, fault: Fault) -> int:
        """Which hub a fault hits, from 0."""
        return Random(f"{self._seed}/{fault.no}/node").randrange(len(self.hubs))  # noqa: S311 - to be repeated

    async def is_ready(self) -> bool:
        """Whether all hubs say that they are ready, within `READY_WAIT`."""
        until = monotonic() + READY_WAIT
        while True:
            ready = await asyncio.gather(*(asyncio.to_thread(is_ready, hub.port) for hub in self.hubs))
            if all(ready) or monotonic() > until:
                return all(ready)
            await asyncio.sleep(_ASK_EVERY)

    async def happens(self, fault: Fault, channels: tuple[str, ...], begun: Callable[[], None]) -> None:
        """A fault of a hub or of the store, from its beginning, when it has its turn, to its end."""
        node = self.target(fault)
        if self.store is not None and KINDS[fault.kind].needs == "store":
            await self.store.happens(fault, node, channels[fault.no % len(channels)], begun)
            return
        hub = self.hubs[node]
        async with hub.turn:
            begun()
            match fault.kind:
                case "kill" | "stop":
                    await (hub.kill() if fault.kind == "kill" else hub.stop())
                    await asyncio.sleep(fault.length)
                    await hub.start()
                case "pause":
                    hub.pause()
                    try:
                        await asyncio.sleep(fault.length)
                    finally:
                        hub.resume()
