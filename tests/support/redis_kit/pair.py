"""A master and its replica, and the fail-over that loses what was acknowledged last."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from .servers import Server, until


class Pair:
    """`master` and `replica` are the servers in these parts at the moment.

    async with Pair() as pair:
        await pair.fail_over(while_lagging=lambda: pair.master.ask("SET", "lost", 1))
    """

    def __init__(self) -> None:
        self.master = Server()
        self.replica = Server()
        self._all = [self.master, self.replica]

    async def lag(self) -> None:
        """From now on the replica gets nothing.

        Stopped **and** cut off: for one that is only stopped the kernel keeps the bytes, and delivers them later.
        """
        await self.in_step()
        self.replica.pause()
        await self.master.lose_replicas()

    async def promote(self) -> Server:
        """kill -9 of the master; the replica is one from now on. -> the former master, which is down"""
        former = self.master
        await former.kill()
        self.replica.resume()
        await self.replica.ask("REPLICAOF", "NO", "ONE")
        self.master, self.replica = self.replica, former
        return former

    async def fail_over(self, while_lagging: Callable[[], Awaitable[object]] | None = None) -> Server:
        """Lag, let something happen that the replica misses, promote it. -> the new master"""
        await self.lag()
        if while_lagging is not None:
            await while_lagging()
        await self.promote()
        return self.master

    async def rejoin(self) -> None:
        """The one that is down comes back as the replica, with nothing of its own."""
        await self.replica.start(is_empty=True)
        await self._follow()

    async def in_step(self) -> None:
        """Until the replica has what the master has."""

        async def is_equal() -> bool:
            mine, its = await self.master.replication(), await self.replica.replication()
            is_up = its.get("master_link_status") == "up" and mine.get("connected_slaves") == "1"
            return is_up and mine.get("master_repl_offset") == its.get("slave_repl_offset")

        await until(is_equal, "a replica in step")

    async def replication_id(self) -> str:
        """The id that a promotion changes (N4)."""
        return (await self.master.replication())["master_replid"]

    async def _follow(self) -> None:
        await self.replica.ask("REPLICAOF", "127.0.0.1", self.master.port)
        await self.in_step()

    async def __aenter__(self) -> Self:
        try:
            for server in self._all:
                await server.start()
            await self._follow()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        for server in self._all:
            await server.end()
