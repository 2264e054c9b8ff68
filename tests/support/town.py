"""`Town`: several nodes in one loop, joined by one store and one wire."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from hub.auth.revocation import Revocations
from hub.auth.sealing import Sealer
from hub.cluster.agreement import Fingerprints
from hub.cluster.cluster import Cluster
from hub.resumption import Resumption
from tests.support.bus import Wire, WireBus
from tests.support.node import PATIENCE, Node
from tests.support.store import RemoteBackplane, Store

KEY = b"k" * 32


class Joined(Node):
    """One of the nodes."""

    def __init__(self, town: "Town", name: str, tables: dict[str, Any] | None, **limits: Any) -> None:
        self.remote = RemoteBackplane(town.store)
        self.resumption = Resumption(Sealer([KEY]))
        super().__init__(tables, backplane=self.remote, name=name, resumption=self.resumption, **limits)
        self.bus: WireBus = town.wire.bus(name)
        self.revocations = Revocations()
        self.revocations.listen(self.connections.revoke)
        keys = Fingerprints(("same",), None)
        self.cluster = Cluster(self.bus, self.broker, self.connections, self.revocations, keys)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.cluster.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.cluster.stop()
        await super().__aexit__()

    def cut(self) -> None:
        """Neither the store nor another node is reached."""
        self.remote.is_cut = self.bus.is_cut = True

    def heal(self) -> None:
        self.remote.heal()
        self.bus.heal()


class Town:
    """async with Town("n1", "n2") as (one, two): …"""

    def __init__(self, *names: str, tables: dict[str, Any] | None = None, **limits: Any) -> None:
        self.store, self.wire = Store(), Wire()
        self.nodes = {name: Joined(self, name, tables, **limits) for name in names}
        self._tables, self._limits = tables, limits

    async def restart(self, name: str) -> Joined:
        """`name` is killed and begins another life before anybody has noticed."""
        await self.kill(name, is_noticed=False)
        self.nodes[name] = Joined(self, name, self._tables, **self._limits)
        return await self.nodes[name].__aenter__()

    async def kill(self, name: str, *, is_noticed: bool = True) -> None:
        """As by kill -9: nobody is told by it."""
        node = self.nodes.pop(name)
        node.cut()
        await node.__aexit__()
        if is_noticed:
            self.wire.kill(name)

    async def __aenter__(self) -> list[Joined]:
        for node in self.nodes.values():
            await node.__aenter__()
        return list(self.nodes.values())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes.values():
            await node.__aexit__()


async def until(condition: Callable[[], bool]) -> None:
    """Other work of the loop goes on until `condition` holds."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if condition():
                return
            await asyncio.sleep(0.001)
