"""The Redis of a run: a master, a replica for fail-overs, a way of its own for each node, and faults of all these."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from ..exits import Exit, Failed
from .proxy import Proxy
from .redis_process import RedisProcess
from .schedule import Fault

# How long a replica may take to have everything, and a node to find the way that was opened for it.
SYNC_WAIT = 10.0
RETURN_WAIT = 6.0

# What a node that came first may do before the others come.
_HEAD_START = 0.6

_ASK_EVERY = 0.05


class Store:
    """Each node reaches the master through a proxy of its own, so that it can be cut off alone, or led elsewhere."""

    def __init__(self, binary: str, directory: Path, nodes: int, seed: int, *, has_replica: bool) -> None:
        self._binary = binary
        self._directory = directory
        self._has_replica = has_replica
        self._servers = 0
        # One fault at a time touches the servers; a partition touches the ways alone.
        self._turn = asyncio.Lock()
        self._master = self._made()
        self._replica: RedisProcess | None = None
        self._ways = [Proxy("127.0.0.1", self._master.port, seed * 1_000 + number) for number in range(nodes)]
        self._ports: list[int] = []

    @property
    def urls(self) -> list[str]:
        """Where each node finds it."""
        return [f"redis://127.0.0.1:{port}/0" for port in self._ports]

    @property
    def master(self) -> RedisProcess:
        """The server that orders entries at this moment."""
        return self._master

    async def start(self) -> None:
        """Start the servers and the ways."""
        await self._master.start()
        self._ports = [await way.start() for way in self._ways]
        if self._has_replica:
            await self._add_replica()

    async def stop(self) -> None:
        """End them all."""
        await asyncio.gather(*(way.stop() for way in self._ways))
        for server in (self._master, self._replica):
            if server is not None:
                server.resume()
                await server.kill()

    async def happens(self, fault: Fault, node: int, channel: str, begun: Callable[[], None]) -> None:
        """A fault, from its beginning to its end; `node` and `channel` are those it hits, where it hits one.

        `begun` is told when it has its turn.
        """
        if fault.kind == "partition":
            begun()
            self._ways[node].begin(fault)
            try:
                await asyncio.sleep(fault.length)
            finally:
                self._ways[node].heal(fault)
            return
        async with self._turn:
            begun()
            await self._happens_to_servers(fault, node, channel)
            await self._answers()

    async def _happens_to_servers(self, fault: Fault, node: int, channel: str) -> None:
        match fault.kind:
            case "deaf":
                await self._master.ask("CLIENT", "KILL", "TYPE", "pubsub")
            case "redis-pause":
                self._master.pause()
                try:
                    await asyncio.sleep(fault.length)
                finally:
                    self._master.resume()
            case "redis-kill" | "redis-empty":
                await self._master.kill()
                await asyncio.sleep(fault.length)
                await self._master.start(is_empty=fault.kind == "redis-empty")
            case "flush":
                await self._master.ask("FLUSHALL")
            case "del":
                await self._delete(channel)
            case "failover":
                await self._fail_over(node, fault.length)
            case other:
                raise ValueError(f"expected a fault of the store, got {other}")

    async def _delete(self, channel: str) -> None:
        keys = await self._master.ask("KEYS", f"ng:{{{channel}}}:*")
        names = [key.decode() for key in keys if isinstance(key, bytes)] if isinstance(keys, list) else []
        if names:
            await self._master.ask("DEL", *names)

    # -- fail-over ---------------------------------------------------------------------------------------------------

    async def _fail_over(self, node: int, lag: float) -> None:
        """The replica misses what was stored last, and `node` misses it too: by its own head it would notice nothing.

        Stopping the replica is not enough: the kernel would keep the bytes for it.
        """
        replica = self._replica
        if replica is None:
            raise ValueError("expected a replica for a fail-over, and there is none")
        await self._synced(replica)
        replica.pause()
        await self._master.ask("CLIENT", "KILL", "TYPE", "replica")
        self._ways[node].shut()
        await asyncio.sleep(lag)
        for way in self._ways:
            way.shut()
        await self._master.kill()
        replica.resume()
        await replica.ask("REPLICAOF", "NO", "ONE")
        self._master, self._replica = replica, None
        await self._back_one_by_one(node)
        await self._add_replica()

    async def _back_one_by_one(self, first: int) -> None:
        """The node that lags comes first and may publish; then the others."""
        self._ways[first].lead(self._master.port)
        if await self._ways[first].is_taken(RETURN_WAIT):
            await asyncio.sleep(_HEAD_START)
        for other in self._ways:
            other.lead(self._master.port)

    async def _add_replica(self) -> None:
        replica = self._made()
        await replica.start()
        # Told, and not by its options: as a master it is to start again as one.
        await replica.ask("REPLICAOF", "127.0.0.1", self._master.port)
        self._replica = replica

    async def _synced(self, replica: RedisProcess) -> None:
        until = monotonic() + SYNC_WAIT
        stored = int((await self._master.replication()).get("master_repl_offset", 0))
        while monotonic() < until:
            told = await replica.replication()
            # A link that is up says only that the copy has come, not what was stored while it was made.
            if told.get("master_link_status") == "up" and int(told.get("slave_repl_offset", 0)) >= stored:
                return
            await asyncio.sleep(_ASK_EVERY)
        raise Failed(Exit.UNEXPECTED, f"verify: the replica was not in step within {SYNC_WAIT:g} s: {replica.said()}")

    # -- inside ------------------------------------------------------------------------------------------------------

    def _made(self) -> RedisProcess:
        self._servers += 1
        return RedisProcess(self._binary, self._directory / f"redis-{self._servers}")

    async def _answers(self) -> None:
        """A fault is over when the master takes commands, its data loaded."""
        until = monotonic() + SYNC_WAIT
        while not await self._master.answers():
            if monotonic() > until:
                raise Failed(Exit.UNEXPECTED, f"verify: redis did not come back: {self._master.said()}")
            await asyncio.sleep(_ASK_EVERY)
