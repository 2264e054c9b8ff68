"""The kit's servers: what each fault does to a real redis-server."""

import asyncio
import os

import pytest
from ng_ws.verify.resp import RedisError
from redis.asyncio import Redis

from tests.support.redis_kit import Ear, Server, TlsServer, Way, needs_redis, poison, poisons

pytestmark = needs_redis


async def test_a_server_ends_with_its_test_and_leaves_nothing() -> None:
    async with Server() as redis:
        pid, directory = redis._process.pid if redis._process else 0, redis.directory
        assert await redis.ask("PING") == b"PONG"
        os.kill(pid, 0)
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_server_that_cannot_start_says_why_and_leaves_nothing() -> None:
    redis = Server("--no-such-setting", "yes")
    with pytest.raises(Exception, match="redis-server did not start"):
        async with redis:
            raise AssertionError
    assert not redis.directory.exists()


async def test_after_a_kill_it_has_its_log_or_nothing() -> None:
    async with Server() as redis:
        await redis.ask("SET", "a", 1)
        before = (await redis.replication())["master_replid"]
        await redis.kill()
        assert not await redis.answers()
        await redis.start()
        assert await redis.ask("GET", "a") == b"1"
        assert (await redis.replication())["master_replid"] != before
        await redis.kill()
        await redis.start(is_empty=True)
        assert await redis.ask("GET", "a") is None


async def test_one_that_is_paused_answers_when_it_goes_on() -> None:
    async with Server() as redis:
        redis.pause()
        with pytest.raises(TimeoutError):
            await redis.ask("PING", wait=0.2)
        redis.resume()
        assert await redis.ask("PING") == b"PONG"


async def test_listeners_are_lost_and_commands_are_not() -> None:
    async with Server() as redis, Ear(redis, "ng:ctl") as ear:
        await redis.ask("PUBLISH", "ng:ctl", b"\x00\xff")
        assert await ear.hear() == ("ng:ctl", b"\x00\xff")
        await redis.lose_listeners()
        with pytest.raises(asyncio.IncompleteReadError):
            await ear.hear()
        assert await redis.ask("PUBLISH", "ng:ctl", "x") == 0


async def test_everything_can_be_lost() -> None:
    async with Server() as redis:
        await redis.ask("SET", "a", 1)
        await redis.lose_everything()
        assert await redis.ask("DBSIZE") == 0


async def test_what_redis_refuses_is_told_in_its_words() -> None:
    async with Server() as redis:
        with pytest.raises(RedisError, match="ERR unknown command 'NO'"):
            await redis.ask("NO")


async def test_a_client_finds_the_server_by_its_url_with_and_without_tls() -> None:
    for made in (Server, TlsServer):
        async with made() as redis:
            client: Redis = Redis.from_url(redis.url)
            assert await client.ping()
            await client.aclose()


async def test_a_client_without_the_certificate_does_not_get_in() -> None:
    async with TlsServer() as redis:
        client: Redis = Redis.from_url(f"rediss://127.0.0.1:{redis.port}/0", ssl_cert_reqs="required")
        with pytest.raises(Exception, match=r"(?i)certificate"):
            await client.ping()
        await client.aclose()


async def pinged(client: Redis) -> bool:
    try:
        async with asyncio.timeout(0.3):
            return bool(await client.ping())
    except (OSError, TimeoutError, Exception):  # noqa: BLE001 - redis-py has many words for no answer
        return False


async def test_a_way_that_is_cut_keeps_its_connections_and_carries_nothing() -> None:
    async with Server() as redis, Way(redis) as way:
        client: Redis = Redis.from_url(way.url)
        assert await pinged(client)
        way.cut()
        assert not await pinged(client)
        assert await redis.ask("PING") == b"PONG"
        way.heal()
        assert await pinged(client)
        await client.aclose()


async def test_a_way_leads_to_another_server_after_it_was_shut() -> None:
    async with Server() as one, Server() as other, Way(one) as way:
        await other.ask("SET", "who", "other")
        client: Redis = Redis.from_url(way.url)
        assert await client.get("who") is None
        way.shut()
        assert not await pinged(client)
        way.lead(other)
        assert await client.get("who") == b"other"
        await client.aclose()


def test_a_segment_is_spoiled_in_ways_that_differ_from_it_and_each_other() -> None:
    segment = b"\x01segment of a bus"
    spoiled = poisons(segment)
    assert segment not in spoiled.values()
    assert len(set(spoiled.values())) == len(spoiled) > len(poisons())


async def test_poison_reaches_whoever_listens() -> None:
    async with Server() as redis, Ear(redis, "ng:{a}:live") as ear:
        sent = await poison(redis, "ng:{a}:live", b"\x01abc")
        heard = [await ear.hear() for _ in range(sent)]
        assert [payload for _, payload in heard] == list(poisons(b"\x01abc").values())
