"""What nodes count together (C25, R8): numbers of sessions, and who is present where on which nodes."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from channels.backplane.bus import KEPT_SECONDS, Departed, Member
from channels.backplane.redis.errors import NotSentError, RefusedError, StoreError
from channels.backplane.redis.scripts import BURY, CLAIM, MEMBER, Script
from channels.backplane.redis.store import Store
from channels.errors import LogUnavailable, OutcomeUnknown

SUBJECTS_AT_ONCE = 500


class Shared:
    """The part of `Bus` that counts. Each node tells absolute numbers: what is told twice counts once."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._store: Store | None = None
        self._patience = 0.0
        self._counts: Counter[tuple[str, str]] = Counter()
        self._since: dict[tuple[str, str], float] = {}
        self._indexed: set[str] = set()
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    def attach(self, store: Store, patience: float) -> None:
        """Count in `store`; wait for it at most `patience` seconds."""
        self._store = store
        self._patience = patience

    async def claim(self, session: str) -> int:
        """See `Bus`."""
        store = self._there()
        window = int(2 * KEPT_SECONDS * 1_000)
        return int(await self._run(CLAIM, store.keys.claim(session), window))

    async def joined(self, channel: str, subject: str, since: float) -> Member:
        """See `Bus`. Nothing is counted if it raises, so it may be called again."""
        return await self._change(channel, subject, 1, since)

    async def left(self, channel: str, subject: str) -> Member:
        """See `Bus`. Nothing is counted if it raises, so it may be called again."""
        return await self._change(channel, subject, -1, 0.0)

    async def bury(self, node: str) -> Sequence[Departed]:
        """See `Bus`."""
        store = self._there()
        index = store.keys.members(node)
        departed: list[Departed] = []
        for raw in (await self._call("bury", index, "HGETALL", index))[::2]:
            channel = raw.decode()
            cursor = b"0"
            while True:
                cursor, found = await self._run(BURY, store.keys.here(channel), node, cursor, SUBJECTS_AT_ONCE)
                departed += [
                    Departed(channel, subject.decode(), Member(bool(is_news), float(since), total))
                    for subject, is_news, since, total in found
                ]
                if cursor == b"0":
                    break
            await self._call("bury", index, "HDEL", index, channel)
        if node == self._node:
            self._indexed.clear()
        else:
            nodes = store.keys.nodes
            await self._call("bury", nodes, "HDEL", nodes, f"node:{node}", f"run:{node}", f"gone:{node}")
        return departed

    async def restate(self) -> list[Departed]:
        """Tell everything again, for the store has lost it. -> who is there again for the first time"""
        self._indexed.clear()
        again = []
        for (channel, subject), count in list(self._counts.items()):
            member = await self._tell(channel, subject, self._since.get((channel, subject), 0.0), count)
            if member.connections == count:
                again.append(Departed(channel, subject, member._replace(is_news=True)))
        return again

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _change(self, channel: str, subject: str, by: int, since: float) -> Member:
        key = channel, subject
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            count = max(self._counts[key] + by, 0)
            member = await self._tell(channel, subject, since, count)
            self._counts[key] = count
            if count == 1 and by > 0:
                self._since[key] = member.since
            if not count:
                del self._counts[key]
                self._since.pop(key, None)
        if not count and not lock.locked() and self._locks.get(key) is lock:
            del self._locks[key]
        return member

    async def _tell(self, channel: str, subject: str, since: float, count: int) -> Member:
        store = self._there()
        if channel not in self._indexed:
            # Before the first member: what is in no index could never be buried.
            index = store.keys.members(self._node)
            await self._call("member", index, "HSET", index, channel, 1)
            self._indexed.add(channel)
        is_news, kept_since, total = await self._run(
            MEMBER, store.keys.here(channel), self._node, subject, repr(since), count
        )
        return Member(bool(is_news), float(kept_since), total)

    def _there(self) -> Store:
        if self._store is None:
            raise LogUnavailable("nothing can be counted: the node has not started")
        return self._store

    async def _run(self, script: Script, key: str, *arguments: Any) -> Any:
        store = self._there()
        await store.wait_up(key, asyncio.get_running_loop().time() + self._patience)
        try:
            return await store.run(script, (key,), *arguments)
        except (NotSentError, RefusedError) as error:
            raise LogUnavailable(f"nothing can be counted now: {error}") from error
        except StoreError as error:
            raise OutcomeUnknown(f"it may have been counted: {error}") from error

    async def _call(self, name: str, key: str, *command: Any) -> Any:
        store = self._there()
        await store.wait_up(key, asyncio.get_running_loop().time() + self._patience)
        try:
            return await store.call(name, key, *command)
        except (NotSentError, RefusedError) as error:
            raise LogUnavailable(f"nothing can be counted now: {error}") from error
        except StoreError as error:
            raise OutcomeUnknown(f"it may have been counted: {error}") from error
