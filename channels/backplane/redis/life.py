"""That this node is there, under a name that is its own, and which others are gone (N16): once a second, by one script.

Of two processes with one name the first keeps it for as long as it says so; the other counts nothing and is not ready.
"""

import asyncio
import logging
import math
from typing import TYPE_CHECKING

from channels.backplane.bus import SILENT_SECONDS
from channels.backplane.redis.errors import NotSentError, StoreError
from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.peers import Peers
from channels.backplane.redis.scripts import BEAT
from channels.backplane.redis.store import Store
from channels.errors import LogUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)

CLAIM_SECONDS = 15.0
"""Within so long whoever was told of a node that is gone has buried it; else another is told."""
LEASE_SECONDS = 2.0
"""For so long after a beat no other process may bear the name of the node."""
RECENT_SECONDS = 3.0
"""Who has not said for so long that it is there is not waited for."""
CONTEST_PAUSE = 10.0
"""Seconds between two lines of the log about a name that two processes bear."""

_TIMES = tuple(int(seconds * 1_000) for seconds in (SILENT_SECONDS, CLAIM_SECONDS, LEASE_SECONDS))


class Life:
    """Of one node, in one run of it."""

    def __init__(self, node: str, run: str, peers: Peers, figures: RedisFigures) -> None:
        self.silent: Callable[[str], None] = lambda _: None
        """Hears of a node that fell silent, on exactly one node."""
        self.ended: Callable[[str], None] = lambda _: None
        """Hears of a node that stopped in order, 10 s later, on exactly one node."""
        self.returned: Callable[[], None] = lambda: None
        """Hears that what this node has said in its name may be lost or struck."""
        self.forgotten: Callable[[], None] = lambda: None
        """Hears that the store has lost that this node is there."""
        self._node = node
        self._run = run
        self._peers = peers
        self._figures = figures
        self._store: Store | None = None
        self._has_beaten = False
        self._has_name = False
        self._is_taken = False
        """Another process had the name when this one asked for it last."""
        self._complained_at = -math.inf

    def __repr__(self) -> str:
        return f"<Life {self._node} {self.failure or 'there'}>"

    def attach(self, store: Store) -> None:
        """Say it to `store` from now on."""
        self._store = store

    @property
    def failure(self) -> str | None:
        """Why this node may not act under its name; None: it may."""
        if self._is_taken:
            return f"another process is named {self._node} too: every node needs a name of its own (NG_NODE)"
        return None if self._has_name else "the store has not heard of this node yet"

    @property
    def is_contested(self) -> bool:
        """Whether another process bears this name."""
        return self._is_taken or self._peers.is_namesake_heard(asyncio.get_running_loop().time())

    def check(self) -> None:
        """Raise `LogUnavailable` if this node may not act under its name."""
        if not self._has_name:
            raise LogUnavailable(f"nothing can be counted: {self.failure}")

    def doubt(self) -> None:
        """The store may have lost what this node has said."""
        if self._has_beaten:
            self.returned()

    async def beat(self) -> None:
        """Once a second: say that this node is there, and hear who is gone; raises `StoreError`."""
        store = self._joined()
        known, was_gone, silent, ended, is_taken = await store.run(
            BEAT, (store.keys.nodes,), self._node, self._run, 0, *_TIMES
        )
        self._is_taken = bool(is_taken)
        self._complain()
        if is_taken:
            self._has_name = False
            return
        is_back = self._has_beaten and (was_gone or not known or not self._has_name)
        self._has_beaten = self._has_name = True
        if is_back:
            self.returned()
            if not known:
                self.forgotten()
        for name in map(bytes.decode, silent):
            logger.warning("node %s was silent for %g s and counts as gone", name, SILENT_SECONDS)
            self.silent(name)
        for name in map(bytes.decode, ended):
            self.ended(name)

    async def end(self) -> None:
        """This node stops in order; raises `StoreError`."""
        store = self._joined()
        await store.run(BEAT, (store.keys.nodes,), self._node, self._run, 1, *_TIMES)

    async def others(self) -> list[str]:
        """See `Bus`."""
        self.check()
        try:
            fields = await self._fields()
        except StoreError as error:
            raise LogUnavailable(f"nobody knows now who is there: {error}") from error
        own = fields.pop(f"node:{self._node}", None)
        if own is None:
            raise LogUnavailable("nobody knows now who is there: the store has lost it")
        least = float(own) - RECENT_SECONDS * 1_000
        return [
            name.removeprefix("node:") for name, at in fields.items() if name.startswith("node:") and float(at) >= least
        ]

    async def recently(self) -> set[str]:
        """Runs, as `node/run`, that were there within 10 s before anybody said something last; raises `StoreError`."""
        fields = await self._fields()
        times = {name: float(at) for name, at in fields.items() if not name.startswith(("run:", "gone:", "bye:"))}
        least = max(times.values(), default=0.0) - SILENT_SECONDS * 1_000
        there = set()
        for name, at in times.items():
            kind, is_node, node = name.partition(":")
            if is_node and at >= least:
                there.add(node if kind == "left" else f"{node}/{fields.get(f'run:{node}', b'').decode()}")
        return there - {f"{self._node}/{self._run}"}

    def _joined(self) -> Store:
        if self._store is None:
            raise NotSentError("the backplane has not started")
        return self._store

    async def _fields(self) -> dict[str, bytes]:
        store = self._joined()
        told: Sequence[bytes] = await store.call("beat", store.keys.nodes, "HGETALL", store.keys.nodes)
        return {name.decode(): value for name, value in zip(told[::2], told[1::2], strict=True)}

    def _complain(self) -> None:
        now = asyncio.get_running_loop().time()
        if self.is_contested and now - self._complained_at >= CONTEST_PAUSE:
            self._complained_at = now
            self._figures.fault("partition", "name")
            logger.error("another process is named %s too: every node needs a name of its own (NG_NODE)", self._node)
