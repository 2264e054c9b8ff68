"""Redis Cluster: every channel on the server that has its slot, through sharded pub/sub (N1)."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from channels.backplane.bus import News, Told
from tests.support.redis_cluster import RedisCluster, info
from tests.support.redis_nodes import Node, eventually, nodes


@pytest.fixture
async def cluster() -> AsyncIterator[RedisCluster]:
    async with RedisCluster() as cluster:
        yield cluster


CHANNELS = ("actions", "logs", "status", *(f"room:{number}" for number in range(12)))


@pytest.mark.clause("N1", "N2", "N7")
async def test_channels_are_spread_and_every_node_holds_the_same(cluster: RedisCluster) -> None:
    async with nodes(cluster.url, "a", "b") as (a, b):
        for channel in CHANNELS:
            await asyncio.gather(a.follow(channel), b.follow(channel))
        await asyncio.gather(
            *(node.append("e", channel=channel) for channel in CHANNELS for _ in range(5) for node in (a, b))
        )
        for channel in CHANNELS:
            await a.logs.until(lambda channel=channel: a.log(channel).head == 10)  # type: ignore[misc]
            await b.logs.until(lambda channel=channel: b.log(channel).head == 10)  # type: ignore[misc]
            assert a.log(channel).told == b.log(channel).told
        owners = {cluster.owner(f"ng:{{{channel}}}:meta").port for channel in CHANNELS}
        assert len(owners) == 3
        told: list[object] = []
        b.bus.listen("kick", lambda node, body: told.append((node, body["n"])))
        for number in range(20):
            a.bus.tell("kick", {"n": number}, keep=number % 2 == 0)
        await eventually(lambda: len(told) == 20)
        assert told == [("a", number) for number in range(20)]
        for channel in CHANNELS:
            assert len(await a.bus.present(channel, {"ann": 1.0})) == 1
        buried: list[str] = []

        async def tell(channel: str, news: Sequence[News]) -> None:
            buried.extend(f"{one.event} {channel}" for one in news)
            await b.bus.told(channel, [Told(one.subject, one.mark, "e1") for one in news])

        await b.bus.bury("a", tell)
        assert sorted(buried) == sorted(f"{event} {channel}" for channel in CHANNELS for event in ("join", "leave"))


@pytest.mark.clause("N5")
async def test_a_slot_that_moves_takes_its_channel_along(cluster: RedisCluster) -> None:
    async with nodes(cluster.url, "a", "b") as (a, b):
        await a.append("one")
        await b.logs.has("actions", "one")
        epoch = a.log().epoch
        key = "ng:{actions}:meta"
        former = cluster.owner(key)
        other = next(master for master in cluster.masters if master is not former)
        slot = str(former.command("CLUSTER", "KEYSLOT", key))
        ids = {server: server.command("CLUSTER", "MYID") for server in (former, other)}
        other.command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[former])
        former.command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[other])
        keys = former.command("CLUSTER", "GETKEYSINSLOT", slot, "1000")
        former.command("MIGRATE", "127.0.0.1", str(other.port), "", "0", "5000", "KEYS", *keys)
        during = asyncio.create_task(b.append("two"))
        await eventually(lambda: b.backplane.figures.details["outbox/refused"] > 0)
        for server in (other, former, *cluster.masters):
            server.command("CLUSTER", "SETSLOT", slot, "NODE", ids[other])
        assert [*await during, *await a.append("three")] == [f"{epoch}:2", f"{epoch}:3"]
        await a.logs.has("actions", "one", "two", "three")
        await b.logs.has("actions", "one", "two", "three")
        await asyncio.gather(a.ready(), b.ready())
        assert (a.rotations(), b.rotations()) == ({}, {})
        assert cluster.owner(key) is other


@pytest.mark.clause("N4", "N5")
@pytest.mark.timeout(120)
async def test_a_master_that_is_killed_is_replaced_by_its_replica() -> None:
    async with RedisCluster(has_replicas=True) as cluster, nodes(cluster.url, "a", "b") as (a, b):
        await a.append("one")
        await b.logs.has("actions", "one")
        former = cluster.owner("ng:{actions}:meta")
        follower = cluster.replicas[cluster.masters.index(former)]
        await eventually(lambda: b"master_link_status:up" in follower.command("INFO", "replication"))
        former.kill()
        await eventually(lambda: b"role:master" in follower.command("INFO", "replication"))
        await eventually(lambda: b"cluster_state:ok" in info(follower))
        assert len(await b.append("two")) == 1
        await a.logs.has("actions", "one", "two")
        await b.logs.has("actions", "one", "two")
        await asyncio.gather(a.ready(), b.ready())


@pytest.mark.clause("N10")
async def test_a_cluster_that_is_not_there_is_told_and_waited_for() -> None:
    cluster = RedisCluster()
    node = Node(cluster.url, "a", connect=0.3, command=0.3)
    await node.start()
    await eventually(lambda: "no connection" in (node.backplane.failure or ""))
    async with cluster:
        await node.ready()
        assert len(await node.append("e")) == 1
        await node.stop()
