"""What nodes count together (C25, R8): numbers of sessions, and who is present where on which nodes."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

from channels.backplane.bus import KEPT_SECONDS, News, Tell, Told
from channels.backplane.redis.errors import NotSentError, RefusedError, StoreError
from channels.backplane.redis.scripts import BURY, CLAIM, FORMER, MEMBER, TOLD, Script
from channels.backplane.redis.store import Store
from channels.errors import LogUnavailable, OutcomeUnknown

SUBJECTS_AT_ONCE = 500


class Shared:
    """The part of `Bus` that counts. A node says what holds, not what has changed: what is said twice counts once."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._store: Store | None = None
        self._patience = 0.0
        self._indexed: set[str] = set()

    def attach(self, store: Store, patience: float) -> None:
        """Count in `store`; wait for it at most `patience` seconds."""
        self._store = store
        self._patience = patience

    def forgotten(self) -> None:
        """The store may have lost what this node has said."""
        self._indexed.clear()

    async def claim(self, session: str) -> int:
        """See `Bus`."""
        window = int(2 * KEPT_SECONDS * 1_000)
        return int(await self._run(CLAIM, self._there().keys.claim(session), window))

    async def present(self, channel: str, subjects: Mapping[str, float | None], epoch: str) -> Sequence[News]:
        """See `Bus`."""
        keys = self._there().keys
        if channel not in self._indexed and any(since is not None for since in subjects.values()):
            # Before the first subject: what is in no index could never be buried.
            index = keys.members(self._node)
            await self._call("member", index, "HSET", index, channel, 1)
            self._indexed.add(channel)
        said = ((subject, "" if since is None else repr(since)) for subject, since in subjects.items())
        return _news(await self._run(MEMBER, keys.here(channel), self._node, epoch, *chain.from_iterable(said)))

    async def told(self, channel: str, told: Sequence[Told]) -> None:
        """See `Bus`."""
        if told:
            await self._run(TOLD, self._there().keys.here(channel), *chain.from_iterable(told))

    async def vacate(self, channel: str) -> None:
        """See `Bus`."""
        self._indexed.discard(channel)
        index = self._there().keys.members(self._node)
        await self._call("member", index, "HDEL", index, channel)

    async def former(self) -> list[tuple[str, str]]:
        """See `Bus`."""
        return [
            (channel, subject.decode())
            for channel in await self._channels(self._node)
            async for page in self._pages(FORMER, channel, self._node)
            for subject in page
        ]

    async def bury(self, node: str, tell: Tell) -> None:
        """See `Bus`. A channel leaves the node's index when everything of it was told, so a repeat does the rest."""
        index = self._there().keys.members(node)
        for channel in await self._channels(node):
            async for page in self._pages(BURY, channel, node):
                if page:
                    await tell(channel, _news(page))
            await self._call("bury", index, "HDEL", index, channel)
        nodes = self._there().keys.nodes
        fields = (f"{kind}:{node}" for kind in ("node", "run", "gone", "bye"))
        await self._call("bury", nodes, "HDEL", nodes, *fields)

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _channels(self, node: str) -> list[str]:
        index = self._there().keys.members(node)
        return [raw.decode() for raw in (await self._call("bury", index, "HGETALL", index))[::2]]

    async def _pages(self, script: Script, channel: str, node: str) -> AsyncIterator[Sequence[Any]]:
        cursor = b"0"
        while True:
            cursor, page = await self._run(script, self._there().keys.here(channel), node, cursor, SUBJECTS_AT_ONCE)
            yield page
            if cursor == b"0":
                return

    def _there(self) -> Store:
        if self._store is None:
            raise LogUnavailable("nothing can be counted: the node has not started")
        return self._store

    async def _run(self, script: Script, key: str, *arguments: Any) -> Any:
        store = self._there()
        await store.wait_up(key, asyncio.get_running_loop().time() + self._patience)
        with _named():
            return await store.run(script, (key,), *arguments)

    async def _call(self, name: str, key: str, *command: Any) -> Any:
        store = self._there()
        await store.wait_up(key, asyncio.get_running_loop().time() + self._patience)
        with _named():
            return await store.call(name, key, *command)


@contextmanager
def _named() -> Iterator[None]:
    """Faults of the store by the names that callers know."""
    try:
        yield
    except (NotSentError, RefusedError) as error:
        raise LogUnavailable(f"nothing can be counted now: {error}") from error
    except StoreError as error:
        raise OutcomeUnknown(f"it may have been counted: {error}") from error


def _news(rows: Sequence[Any]) -> list[News]:
    return [
        News(subject.decode(), event.decode(), float(since), connections, int(mark))
        for subject, event, since, connections, mark in rows
    ]
