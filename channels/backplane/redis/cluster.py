"""Redis Cluster: the slots are spread over servers, and each channel has its order on one of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.crc import key_slot
from redis.exceptions import RedisError

from channels.backplane.redis.connection import Address, Dialer
from channels.backplane.redis.errors import MovedError, NotSentError, RefusedError, StoreError
from channels.backplane.redis.figures import RedisFigures, Reported
from channels.backplane.redis.keys import Keys
from channels.backplane.redis.link import Link, Opened
from channels.backplane.redis.options import RedisOptions
from channels.backplane.redis.scripts import Script
from channels.backplane.redis.store import Place, run_on
from channels.backplane.redis.tasks import Tasks

logger = logging.getLogger(__name__)

SLOTS = 16_384
REDIRECTS = 5
"""After so many the map of the cluster does not hold still: the command was not done."""
LOOK_AGAIN = 30.0
"""Seconds between two looks at the map of a cluster in which nothing is amiss."""


class ClusterStore:
    """`Store` of a cluster. `opened` as of `Link`; `changed` hears of each change of its map."""

    def __init__(
        self,
        options: RedisOptions,
        figures: RedisFigures,
        opened: Callable[[Opened], None],
        changed: Callable[[], None],
    ) -> None:
        self.keys = Keys(options.prefix)
        self.publish = "SPUBLISH"
        self.dialer = Dialer(options)
        self._options = options
        self._figures = figures
        self._opened = opened
        self._changed = changed
        self._links: dict[Address, Link] = {}
        self._slots: list[Address | None] = [None] * SLOTS
        self._is_to_look = asyncio.Event()
        self._has_looked = asyncio.Event()
        self._tasks = Tasks()
        self._dropped: set[asyncio.Task[None]] = set()
        self._reason = "its map has not been seen yet"

    def __repr__(self) -> str:
        return f"<ClusterStore {self.dialer.place}, {len(self._links)} masters>"

    def start(self) -> None:
        """See `Store`."""
        self._tasks.start("looking", self._keep_looking)

    async def stop(self) -> None:
        """See `Store`."""
        await self._tasks.stop()
        await asyncio.gather(*(link.stop() for link in self._links.values()), *self._dropped)

    @property
    def places(self) -> Sequence[Place]:
        """See `Store`."""
        return tuple(self._links)

    def place_of(self, key: str) -> Place:
        """See `Store`."""
        return self._slots[_slot(key)]

    async def dial(self, place: Place) -> AbstractConnection:
        """See `Store`."""
        return await self.dialer.dial(place, listens=True)

    @property
    def state(self) -> Mapping[str, Reported]:
        """See `Store`. Of several circuits the worst."""
        breakers = [link.breaker for link in self._links.values()]
        return {
            "breaker": "open" if any(breaker.is_open for breaker in breakers) else "closed",
            "breaker_opened": sum(breaker.opened for breaker in breakers),
            "masters": len(self._links),
        }

    @property
    def failure(self) -> str | None:
        """See `Store`. A cluster of which a part is away is away: nobody knows whose channels are there."""
        if not self._links:
            return self._reason
        if None in self._slots:
            return "some of its slots have no master"
        if self._tasks.failure is not None:
            return self._tasks.failure
        down = [f"{host}:{port}: {link.failure}" for (host, port), link in self._links.items() if link.failure]
        return down[0] if down else None

    async def wait_up(self, key: str, until: float) -> bool:
        """See `Store`."""
        loop = asyncio.get_running_loop()
        link = self._link(key)
        while link is None:
            self._has_looked.clear()
            self._is_to_look.set()
            try:
                async with asyncio.timeout_at(until):
                    await self._has_looked.wait()
            except TimeoutError:
                return False
            link = self._link(key)
        # Not longer than a look takes: the slot may have another master by then.
        if await link.wait_up(min(until, loop.time() + self._options.connect)):
            return True
        self._is_to_look.set()
        return False

    async def call(self, name: str, key: str, *command: Any) -> Any:
        """See `Store`."""
        return await self._redirected(key, lambda link, asks: link.call(name, *command, asks=asks))

    async def run(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        """See `Store`."""
        return await self._redirected(keys[0], lambda link, asks: run_on(link, script, keys, arguments, asks=asks))

    def replid(self, key: str) -> str:
        """See `Store`."""
        link = self._link(key)
        return "" if self._options.info_in_scripts or link is None else link.replid

    async def read_replid(self, key: str) -> str:
        """See `Store`."""
        link = self._link(key)
        if link is None:
            raise NotSentError("the slot has no master")
        return await link.read_replid()

    def reconnect(self, key: str, reason: str) -> None:
        """See `Store`."""
        link = self._link(key)
        if link is not None:
            link.reconnect(reason)
        self._is_to_look.set()

    def leave(self, key: str, replid: str) -> None:
        """See `Store`."""
        link = self._link(key)
        if link is not None:
            link.leave(replid)
        self._is_to_look.set()

    def hurry(self, place: Place) -> None:
        """See `Store`."""
        link = None if place is None else self._links.get(place)
        if link is not None:
            link.hurry()

    def look_again(self) -> None:
        """See `Store`."""
        self._is_to_look.set()

    # --- who has a slot -----------------------------------------------------------------------------------------------

    def _link(self, key: str) -> Link | None:
        address = self._slots[_slot(key)]
        return None if address is None else self._links.get(address)

    async def _redirected(self, key: str, work: Callable[[Link, bool], Awaitable[Any]]) -> Any:
        link, asks = self._link(key), False
        for _ in range(REDIRECTS):
            if link is None:
                self._is_to_look.set()
                raise NotSentError("the slot has no master")
            try:
                return await work(link, asks)
            except MovedError as moved:
                link, asks = self._opened_link(moved.address), moved.is_for_once
                if not moved.is_for_once:
                    self._slots[_slot(key)] = moved.address
                    self._changed()
                    self._is_to_look.set()
                await link.wait_up(asyncio.get_running_loop().time() + self._options.connect)
        raise RefusedError(f"the slot of {key} is on its way", is_fault=False)

    def _opened_link(self, address: Address) -> Link:
        link = self._links.get(address)
        if link is None:
            link = self._links[address] = Link(
                lambda: self.dialer.dial(address), self._options, self._figures, self._opened
            )
            link.start()
        return link

    # --- the map ------------------------------------------------------------------------------------------------------

    async def _keep_looking(self) -> None:
        while True:
            try:
                self._take(await self._look())
            except StoreError as error:
                self._reason = str(error)
                logger.info("the map of the cluster could not be read: %s", error)
            self._has_looked.set()
            pause = LOOK_AGAIN if self.failure is None else self._options.connect
            self._is_to_look.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._is_to_look.wait()
                await asyncio.sleep(self._options.backoff[0])  # many may find out the same at once
            except TimeoutError:
                continue

    async def _look(self) -> list[Any]:
        """CLUSTER SLOTS from whoever answers first; raises `StoreError`."""
        for link in list(self._links.values()):
            if link.is_up:
                try:
                    return list(await link.call("map", "CLUSTER", "SLOTS"))
                except StoreError:
                    continue
        failure: StoreError = NotSentError("no server of the cluster is known")
        for address in dict.fromkeys((*self._links, *self.dialer.seeds)):
            try:
                connection = await self.dialer.dial(address)
            except NotSentError as error:
                failure = error
                continue
            try:
                async with asyncio.timeout(self._options.command):
                    await connection.send_command("CLUSTER", "SLOTS")
                    return list(await connection.read_response())
            except (RedisError, OSError, TimeoutError) as error:
                failure = NotSentError(str(error) or "no answer")
            finally:
                await connection.disconnect(nowait=True)
        raise failure

    def _take(self, ranges: Sequence[Any]) -> None:
        slots: list[Address | None] = [None] * SLOTS
        for first, last, master, *_ in ranges:
            # A server that does not know its own address leaves it out: it is where it was asked.
            host = master[0].decode() if master[0] else self.dialer.seeds[0][0]
            slots[first : last + 1] = [(host, int(master[1]))] * (last + 1 - first)
        masters = {address for address in slots if address is not None}
        if not masters:
            raise NotSentError("the cluster has no masters")
        for address in masters:
            self._opened_link(address)
        for address in self._links.keys() - masters:
            task = asyncio.get_running_loop().create_task(self._links.pop(address).stop())
            self._dropped.add(task)
            task.add_done_callback(self._dropped.discard)
        if slots != self._slots:
            self._slots = slots
            self._changed()


def _slot(key: str) -> int:
    return key_slot(key.encode())
