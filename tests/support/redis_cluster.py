"""A small Redis Cluster: masters that share the slots, each with a replica if wanted."""

import asyncio
import shutil
from contextlib import ExitStack
from typing import Any, Self

from tests.support.redis import RedisServer, free_port

SLOTS = 16_384


class RedisCluster:
    """`masters`; of `replicas` the n-th follows the n-th master."""

    def __init__(self, size: int = 3, *, has_replicas: bool = False) -> None:
        self.masters = [_node() for _ in range(size)]
        self.replicas = [_node() for _ in range(size)] if has_replicas else []
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{master.port}" for master in self.masters)

    def owner(self, key: str) -> RedisServer:
        """The master of a key, by the map of the first that answers."""
        for server in (*self.masters, *self.replicas):
            try:
                slot = server.command("CLUSTER", "KEYSLOT", key)
                ranges = server.command("CLUSTER", "SLOTS")
            except OSError:
                continue
            port = next(master[1] for first, last, master, *_ in ranges if first <= slot <= last)
            return next(one for one in (*self.masters, *self.replicas) if one.port == port)
        raise OSError("no server of the cluster answers")

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._start)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        everybody = [*self.masters, *self.replicas]
        for server in everybody:
            self._stack.callback(shutil.rmtree, server.folder, ignore_errors=True)
            self._stack.callback(server.kill)
            server.start()
        share = SLOTS // len(self.masters)
        for number, master in enumerate(self.masters):
            last = SLOTS - 1 if number == len(self.masters) - 1 else (number + 1) * share - 1
            master.command("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
            master.command("CLUSTER", "ADDSLOTSRANGE", str(number * share), str(last))
        for server in everybody[1:]:
            bus = server.settings["cluster-port"]
            self.masters[0].command("CLUSTER", "MEET", "127.0.0.1", str(server.port), bus)
        known = f"cluster_known_nodes:{len(everybody)}".encode()
        self.masters[0].wait_for(lambda: all(known in info(server) for server in everybody))
        for master, replica in zip(self.masters, self.replicas, strict=False):
            identity = master.command("CLUSTER", "MYID")
            replica.wait_for(lambda replica=replica, identity=identity: _replicates(replica, identity))
        self.masters[0].wait_for(lambda: all(b"cluster_state:ok" in info(server) for server in everybody))


def _node() -> RedisServer:
    return RedisServer(
        cluster_enabled="yes",
        cluster_port=str(free_port()),
        cluster_node_timeout="1000",
        cluster_config_file="nodes.conf",
    )


def info(server: RedisServer) -> bytes:
    return bytes(server.command("CLUSTER", "INFO"))


def _replicates(replica: RedisServer, identity: Any) -> bool:
    try:
        replica.command("CLUSTER", "REPLICATE", identity)
    except Exception:  # noqa: BLE001 - it has not heard of the master yet
        return False
    return True
