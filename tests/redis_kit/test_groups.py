"""The kit's groups of servers: fail-over with lag, sentinels, a cluster."""

import pytest
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.sentinel import Sentinel

from tests.support.redis_kit import Cluster, Pair, Sentinels, needs_redis
from tests.support.redis_kit.sentinels import NAME

pytestmark = needs_redis


async def test_a_fail_over_loses_what_the_replica_was_not_given_and_changes_the_replication_id() -> None:
    async with Pair() as pair:
        await pair.master.ask("SET", "kept", 1)
        before = await pair.replication_id()

        async def store() -> None:
            await pair.master.ask("SET", "lost", 1)

        master = await pair.fail_over(while_lagging=store)
        assert [await master.ask("GET", name) for name in ("kept", "lost")] == [b"1", None]
        assert await pair.replication_id() != before


async def test_the_former_master_comes_back_as_a_replica_and_may_be_one_again() -> None:
    async with Pair() as pair:
        first = pair.master
        await pair.fail_over()
        await pair.rejoin()
        assert pair.replica is first
        await pair.master.ask("SET", "a", 1)
        await pair.fail_over()
        assert pair.master is first
        assert await pair.master.ask("GET", "a") == b"1"


@pytest.mark.timeout(90)
async def test_sentinels_promote_the_replica_and_tell_clients_where_it_is() -> None:
    async with Sentinels() as sentinels:
        finder = Sentinel(sentinels.addresses)  # type: ignore[no-untyped-call]
        assert await finder.discover_master(NAME) == ("127.0.0.1", sentinels.pair.master.port)
        port = await sentinels.fail_over()
        assert await finder.discover_master(NAME) == ("127.0.0.1", port)
        client: Redis = finder.master_for(NAME)
        assert await client.set("a", 1)
        await client.aclose()
        for sentinel in finder.sentinels:
            await sentinel.aclose()


async def test_a_cluster_spreads_its_keys_and_each_is_found_where_it_is_owned() -> None:
    async with Cluster() as cluster:
        client = RedisCluster.from_url(cluster.url)
        for name in ("ng:{actions}:meta", "ng:{logs}:meta", "ng:{signals}:meta", "ng:{metrics}:meta"):
            assert await client.set(name, name)
            owner = await cluster.owner(name)
            assert await owner.ask("GET", name) == name.encode()
        assert len({(await cluster.owner(f"ng:{{{number}}}:log")).port for number in range(30)}) == 3
        await client.aclose()
