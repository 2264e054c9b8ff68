"""Redis Cluster: three masters that share the slots, without replicas."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from ng_ws.verify.owned_process import free_port

from .servers import Server, until

SLOTS = 16_384


class Cluster:
    """`masters`, each with a third of the slots."""

    def __init__(self, size: int = 3) -> None:
        self.masters: list[Server] = []
        self._size = size
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """Where a client of a cluster begins."""
        return self.masters[0].url

    async def owner(self, key: str) -> Server:
        """The master that has the slot of a key."""
        slot = await self.masters[0].ask("CLUSTER", "KEYSLOT", key)
        assert isinstance(slot, int)
        share = SLOTS // self._size
        return self.masters[min(slot // share, self._size - 1)]

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            buses = []
            for _ in range(self._size):
                buses.append(free_port())
                own = ("--cluster-config-file", "nodes.conf", "--cluster-port", str(buses[-1]))
                server = Server(
                    "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--appendonly", "no", *own
                )
                self.masters.append(await stack.enter_async_context(server))
            await self._join(buses)
            self._stack = stack.pop_all()
        return self

    async def _join(self, buses: list[int]) -> None:
        share = SLOTS // self._size
        for number, (master, bus) in enumerate(zip(self.masters, buses, strict=True)):
            await master.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            last = SLOTS - 1 if number == self._size - 1 else (number + 1) * share - 1
            await master.ask("CLUSTER", "ADDSLOTSRANGE", number * share, last)
            if number:
                await self.masters[0].ask("CLUSTER", "MEET", "127.0.0.1", master.port, bus)

        async def is_one() -> bool:
            told = [await master.ask("CLUSTER", "INFO") for master in self.masters]
            wanted = (b"cluster_state:ok", b"cluster_known_nodes:%d" % self._size, b"cluster_slots_ok:%d" % SLOTS)
            return all(isinstance(text, bytes) and set(wanted) <= set(text.split(b"\r\n")) for text in told)

        await until(is_one, "a cluster that is one")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
