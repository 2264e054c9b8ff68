"""What a node needs of its Redis: few commands, its own keys and channels, and TLS where it is wanted (5.7, 5.8)."""

from collections.abc import Sequence

import pytest

from channels.backplane.bus import News, Told
from tests.support.redis import RedisServer, free_port
from tests.support.redis_nodes import Node, eventually, nodes
from tests.support.tls import write_certificate

COMMANDS = (
    "auth hello ping client|setname info time script|load evalsha subscribe unsubscribe ssubscribe sunsubscribe "
    "publish spublish get set incr expire pexpire unlink del exists hget hmget hset hsetnx hdel hlen hgetall hincrby "
    "hscan hrandfield xadd xlen xrange xrevrange xread xtrim"
)
"""Those of deploy/redis/users.acl."""


async def _tell_left(channel: str, news: Sequence[News]) -> None:
    assert (channel, [(one.event, one.subject) for one in news]) == ("actions", [("leave", "ann")])


async def test_a_user_of_few_commands_on_its_own_keys_is_enough(server: RedisServer) -> None:
    allowed = [f"+{command}" for command in COMMANDS.split()]
    server.command(
        "ACL", "SETUSER", "ng", "on", ">s3cret", "resetkeys", "~ng:*", "resetchannels", "&ng:*", "-@all", *allowed
    )
    url = f"redis://ng:s3cret@127.0.0.1:{server.port}"
    async with nodes(url, "a", "b") as (a, b):
        await a.append("one", mid="m1")
        await b.append("join", channel="status", key="k1")
        await b.append("two", "three", batch_id="b1")
        await a.logs.has("actions", "one", "two", "three")
        assert await a.follow("room:1") is None
        a.bus.tell("kick", {"n": 1}, keep=True)
        (joined,) = await a.bus.present("actions", {"ann": 1.0})
        await a.bus.told("actions", [Told("ann", joined.mark, "e1")])
        assert await a.bus.former() == [("actions", "ann")]
        assert await a.bus.others() == ["b"]
        await b.bus.bury("a", _tell_left)
        await a.bus.vacate("actions")
        assert await a.bus.claim("session") > 0
        await eventually(lambda: a.backplane.figures.report.get("version") is not None)
        assert a.backplane.figures.report["min_replicas_to_write"] is None  # it may not be asked for
        assert (a.rotations(), a.backplane.failure) == ({}, None)


async def test_an_operator_sees_what_kind_of_store_it_is(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        async with nodes(server, "a") as (a,):
            await eventually(lambda: "version" in a.backplane.figures.report)
            report = a.backplane.figures.report
            assert str(report["version"]).startswith("7.")
            assert (report["appendonly"], report["replicas"], report["min_replicas_to_write"]) == (False, 0, "0")
            assert (report["breaker"], report["nodes"], report["followed"]) == ("closed", 1, 3)
            assert "expected maxmemory-policy noeviction, came allkeys-lru" in caplog.text
    finally:
        server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")


async def test_an_old_redis_is_named_and_the_node_is_not_ready(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.backplane.redis.inspection.LEAST_VERSION", (99, 0))
    node = Node(server.url, "a")
    await node.start()
    await eventually(lambda: "expected Redis 7.0 or newer" in (node.backplane.failure or ""))
    await node.stop()


async def test_tls_is_spoken_with_a_server_that_asks_for_it() -> None:
    server = RedisServer()
    certificate = write_certificate(server.folder / "redis.pem")
    files = {name: str(certificate) for name in ("tls_cert_file", "tls_key_file", "tls_ca_cert_file")}
    # Its plain port is for the test alone.
    tls_port = server.port + 10_000
    with server.start(tls_port=str(tls_port), tls_auth_clients="no", **files):
        url = f"rediss://127.0.0.1:{tls_port}?ssl_ca_certs={certificate}"
        async with nodes(url, "a", "b") as (a, b):
            await a.append("one")
            await b.logs.has("actions", "one")


async def test_a_socket_in_the_file_system_will_do() -> None:
    server = RedisServer()
    path = server.folder / "redis.sock"
    with server.start(unixsocket=str(path)):
        async with nodes(f"unix://{path}", "a", "b") as (a, b):
            await a.append("one")
            await b.logs.has("actions", "one")


async def test_a_redis_that_is_not_there_at_the_start_is_told_with_what_was_expected(
    caplog: pytest.LogCaptureFixture,
) -> None:
    node = Node(f"redis://:secret@127.0.0.1:{free_port()}")
    await node.start()
    await eventually(lambda: "expected it to run and to take this login: no connection to 127.0.0.1:" in caplog.text)
    assert node.backplane.failure is not None
    assert "secret" not in caplog.text
    await node.stop()
