"""Seeded campaigns: whatever breaks while nodes publish, nothing is lost, doubled or reordered unsaid (pm3, pm5)."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from tests.support.campaign import Mangler, Publishers, judge, settled
from tests.support.redis import RedisServer
from tests.support.redis_nodes import IMPATIENT, Node, eventually, nodes
from tests.support.sentinel import Pointer


@pytest.mark.clause("N7", "N17", "P3")
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_bus_that_doubles_delays_reorders_drops_and_cuts_is_mended(server: RedisServer, seed: int) -> None:
    async with nodes(server, "a", "b", "c", heal_rate=100.0) as all_nodes:
        manglers = [Mangler(node, seed + number) for number, node in enumerate(all_nodes[1:])]
        publishers = Publishers(all_nodes)
        await eventually(lambda: len(publishers.answers) > 600)
        await publishers.stop()
        assert len(manglers) == 2
        await settled(all_nodes)
        seen = judge(all_nodes, publishers.answers)
        assert seen["refused"] == seen["unknown"] == 0
        assert seen["gaps"] == 3  # each node's own beginning
        assert [node.rotations() for node in all_nodes] == [{}, {}, {}]


class Store:
    """A master and a replica, and what may happen to them."""

    def __init__(self, pointer: Pointer, master: RedisServer, replica: RedisServer, seed: int) -> None:
        self._random = random.Random(seed)
        self._pointer = pointer
        self.master = master
        self.replica = replica

    async def happen(self) -> str:
        fault = self._random.choice(
            ["deaf", "deaf", "commands", "pause", "flush", "del", "restart", "empty", "fail over", "lag"]
        )
        await getattr(self, "_" + fault.replace(" ", "_"))()
        return fault

    async def _deaf(self) -> None:
        self.master.command("CLIENT", "KILL", "TYPE", "pubsub")

    async def _commands(self) -> None:
        self.master.command("CLIENT", "KILL", "TYPE", "normal")

    async def _pause(self) -> None:
        self.master.pause()
        await asyncio.sleep(self._random.uniform(0.1, 1.2))
        self.master.resume()

    async def _flush(self) -> None:
        self.master.command("FLUSHALL")

    async def _del(self) -> None:
        self.master.command("DEL", "ng:{actions}:meta")

    async def _restart(self) -> None:
        self.master.command("SAVE")
        self.master.kill()
        await asyncio.to_thread(self.master.start)
        self._join()

    async def _empty(self) -> None:
        self.master.kill()
        (self.master.folder / "dump.rdb").unlink(missing_ok=True)
        await asyncio.to_thread(self.master.start)
        self._join()

    async def _fail_over(self) -> None:
        await asyncio.to_thread(self.replica.wait_for, self._is_in_step)
        await self._promote()

    async def _lag(self) -> None:
        await asyncio.to_thread(self.replica.wait_for, self._is_in_step)
        self.replica.pause()
        self.master.command("CLIENT", "KILL", "TYPE", "replica")
        await asyncio.sleep(0.3)
        await self._promote()

    async def _promote(self) -> None:
        self._pointer.master = None
        self.master.kill()
        self.replica.resume()
        self.replica.promote()
        self.master, self.replica = self.replica, self.master
        self._pointer.master = self.master
        (self.replica.folder / "dump.rdb").unlink(missing_ok=True)
        await asyncio.to_thread(self.replica.start)
        self._join()

    def _join(self) -> None:
        self.replica.command("REPLICAOF", "127.0.0.1", str(self.master.port))

    def _is_in_step(self) -> bool:
        told = self.replica.command("INFO", "replication")
        return b"master_link_status:up" in told


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Pointer, RedisServer, RedisServer]]:
    with RedisServer() as master, RedisServer() as replica:
        replica.replica_of(master)
        async with Pointer(master) as pointer:
            yield pointer, master, replica


@pytest.mark.clause("N4", "N5", "N8", "N11", "P1", "P12")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [11, 12, 13, 14])
async def test_whatever_happens_to_redis_every_loss_is_told(
    pair: tuple[Pointer, RedisServer, RedisServer], seed: int
) -> None:
    pointer, master, replica = pair
    options = {**IMPATIENT, "outbox_wait": 3.0, "proof_wait": 1.0}
    async with nodes(pointer.url, "a", "b", "c", **options) as all_nodes:
        store = Store(pointer, master, replica, seed)
        publishers = Publishers(all_nodes)
        happened = []
        for _ in range(6):
            happened.append(await store.happen())
            await asyncio.gather(*map(_well, all_nodes))
        await publishers.stop()
        await settled(all_nodes)
        seen = judge(all_nodes, publishers.answers)
        assert seen["acks"] > 50, (happened, seen)


async def _well(node: Node) -> None:
    """It is ready, and publishes."""
    await node.ready()
    before = node.backplane.statistics()["stored"]
    await eventually(lambda: node.backplane.statistics()["stored"] > before + 20)
