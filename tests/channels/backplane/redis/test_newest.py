"""The newest entry of each key, as of one history (N13, S6)."""

from typing import Any

import pytest

from channels.backplane.redis.scripts import NEWEST
from tests.support.redis import RedisServer
from tests.support.redis_nodes import Node, eventually, nodes

FEW = {"max_entries": 4.0}


@pytest.mark.clause("N13", "N8")
@pytest.mark.parametrize("change", ["epoch", "master"])
async def test_pages_of_two_histories_are_not_mixed(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr("channels.backplane.redis.healing.NEWEST_BYTES", 2_000)
    with RedisServer() as replica:
        async with nodes(server, "a", limits=FEW) as (a,):
            for number in range(200):
                await a.append(f"e{number}", channel="status", key=f"k{number}", data=b'"' + b"x" * 100 + b'"')
            b = Node(server.url, "b")
            b.logs = type(b.logs)("b", FEW)
            store: Any = None
            pages: list[bytes] = []

            async def run(script: Any, keys: Any, *arguments: Any) -> Any:
                reply = await original(script, keys, *arguments)
                if script is NEWEST:
                    if not pages and change == "epoch":
                        server.command("DEL", "ng:{status}:meta")
                        await a.append("new", channel="status", key="of the new epoch")
                    elif not pages:
                        replica.replica_of(server)  # the first one changes the id
                    pages.append(arguments[1])
                return reply

            await b.start()
            store = b.backplane.parts.store
            original, store.run = store.run, run
            try:
                await b.ready()
            finally:
                await b.stop()
            assert len(pages) >= 2
            assert pages.count(b"0") == (1 if change == "epoch" else 2)  # a cursor is of one history
            if change == "epoch":
                assert (b.log("status").newest, b.log("status").events[-1]) == ([], "new")
                assert b.log("status").epoch == a.log("status").epoch
            else:
                assert len(b.log("status").newest) == 200


@pytest.mark.clause("N13", "N17")
async def test_one_that_cannot_be_read_is_left_out_and_counted(server: RedisServer) -> None:
    async with nodes(server, "a", limits=FEW) as (a,):
        for number in range(20):
            await a.append(f"e{number}", channel="status", key=f"k{number}")
        spoilt = (7).to_bytes(8, "little") + b"rubbish"
        server.command(b"HSET", b"ng:{status}:last", b"k6", spoilt)
        server.command(b"HSET", b"ng:{status}:last", b"short", b"x")
        async with nodes(server, "b", limits=FEW) as (b,):
            assert b.log("status").newest == [(number + 1, f"e{number}") for number in range(20) if number != 6]
            await eventually(lambda: b.backplane.figures.details["unreadable/newest"] == 2)


@pytest.mark.clause("N3", "N11")
async def test_a_thousand_appends_leave_no_thousand_keys(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        before = server.command("DBSIZE")
        for _ in range(500):
            await a.append("e")
            await b.append("e")
        assert server.command("HGET", "ng:{actions}:meta", "head") == b"1000"
        assert server.command("DBSIZE") - before <= 4  # meta, log, and one of each node
        await a.append("e", batch_id="mine")
        await a.append("e", batch_id="yours")
        assert len(server.command("KEYS", "ng:{actions}:mid:b:*")) == 2
