"""Who has to speak when the master has changed (N5): those who were there before the change, as they were then."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from channels.backplane.redis.appending import Changed
from channels.backplane.redis.continuity import Continuity
from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.replica import Standing
from tests.support.redis import RedisServer
from tests.support.redis_nodes import eventually, nodes

HERE = Standing("e1", 3, "b3")


class World:
    """The bus of node a, and whoever else is there, by `node/run`."""

    node = "a"
    run = "ra"

    def __init__(self, *there: str, patience: float = 0.1) -> None:
        self.there = set(there)
        self.speak = set(there)
        """Those that answer."""
        self.stored: set[str] = set()
        """Those that the store knows of."""
        self.asked: list[Mapping[str, Any]] = []
        self._heard: dict[str, Callable[[str, Mapping[str, Any]], None]] = {}
        self.continuity = Continuity(
            self,
            RedisFigures(),
            standing=lambda _: HERE,
            heard_of=lambda: set(self.there),
            known=self.known,
            left=lambda *_: None,
            patience=patience,
        )

    async def known(self) -> set[str]:
        return self.there | self.stored

    def tell(self, kind: str, body: Mapping[str, Any], *, keep: bool = False) -> None:
        self.asked.append(body)
        for who in self.speak:
            node, _, run = who.partition("/")
            answer = {"ask": body["ask"], "run": run, "standings": {}}
            asyncio.get_running_loop().call_soon(self._heard["standing"], node, answer)

    def listen(self, kind: str, heard: Callable[[str, Mapping[str, Any]], None]) -> None:
        self._heard[kind] = heard

    def lose(self, who: str) -> None:
        """It is gone, and so long that nobody remembers it."""
        self.there.discard(who)
        self.speak.discard(who)

    async def keeps(self, old: str, new: str) -> bool:
        verdict = await self.continuity.decide("actions", Changed(old, new, "e1", 3, "b3"))
        return verdict.keeps


def found(world: World, *replids: str) -> None:
    for replid in replids:
        world.continuity.found(replid, 0.0)


@pytest.mark.clause("N5")
async def test_if_everybody_who_was_there_speaks_the_epoch_is_kept() -> None:
    world = World("b/rb", "c/rc", patience=5.0)
    found(world, "r1", "r2")
    assert await world.keeps("r1", "r2")


@pytest.mark.clause("N5")
async def test_who_was_there_when_the_change_was_noticed_is_missed_at_the_first_append_long_after() -> None:
    world = World("b/rb", "c/rc")
    found(world, "r1", "r2")
    world.lose("b/rb")
    assert not await world.keeps("r1", "r2")


@pytest.mark.clause("N5")
async def test_who_was_gone_before_the_change_is_not_missed() -> None:
    world = World("b/rb", "c/rc", patience=5.0)
    found(world, "r1", "r2")
    world.lose("b/rb")
    found(world, "r3")
    assert await world.keeps("r2", "r3")


@pytest.mark.clause("N5")
async def test_a_channel_that_has_slept_through_two_changes_needs_those_of_both() -> None:
    world = World("b/rb", "c/rc")
    found(world, "r1", "r2")
    world.lose("b/rb")
    found(world, "r3")
    assert not await world.keeps("r1", "r3")


@pytest.mark.clause("N5")
async def test_the_next_life_of_a_node_cannot_speak_for_the_one_before() -> None:
    world = World("b/rb")
    found(world, "r1", "r2")
    world.lose("b/rb")
    world.there.add("b/next")
    world.speak.add("b/next")
    assert not await world.keeps("r1", "r2")


@pytest.mark.clause("N5")
async def test_those_that_only_the_store_knows_are_asked_too() -> None:
    world = World()
    world.stored.add("b/rb")
    assert not await world.keeps("r1", "r2")
    world.speak.add("b/rb")
    world = World(patience=5.0)
    world.stored.add("b/rb")
    world.speak.add("b/rb")
    assert await world.keeps("r1", "r2")


@pytest.mark.clause("N5")
async def test_who_comes_when_a_question_has_just_been_answered_begins_another() -> None:
    """Before those who are told of its end have had their turn."""
    world = World("b/rb", patience=5.0)
    found(world, "r1", "r2")
    continuity: Any = world.continuity
    ask, others = continuity._ask, list[asyncio.Task[Any]]()

    async def answered(ids: tuple[str, str]) -> Any:
        done = await ask(ids)
        if not others:
            changed = Changed("r1", "r2", "e1", 3, "b3")
            others.append(asyncio.create_task(world.continuity.decide("logs", changed)))
        return done

    continuity._ask = answered
    assert await world.keeps("r1", "r2")
    assert (await others[0]).keeps
    assert (len(world.asked), continuity._rounds) == (2, {})


@pytest.mark.clause("N5", "N9")
async def test_the_bus_has_worked_when_what_is_published_by_the_one_connection_comes_back_on_the_other(
    server: RedisServer,
) -> None:
    """A subscription that lives says nothing of the connection for commands."""
    async with nodes(server, "a") as (a,):
        listener = a.backplane.parts.listener
        await eventually(lambda: listener.proven_at > 0)
        store: Any = a.backplane.parts.store
        call, store.call = store.call, _drop(store.call, "echo")
        await asyncio.wait_for(store.call("echo", "x", "PING"), 5)  # the last echo of before is back
        before = listener.proven_at
        canaries = a.backplane.figures.canary_seconds
        seen = sum(canaries.counts)
        await eventually(lambda: sum(canaries.counts) > seen + 5)
        assert listener.proven_at == before
        store.call = call
        await eventually(lambda: listener.proven_at > before)


def _drop(call: Any, name: str) -> Any:
    async def dropped(kind: str, key: str, *command: Any) -> Any:
        return await call("ping", key, "PING") if kind == name else await call(kind, key, *command)

    return dropped


@pytest.mark.clause("N5", "N9")
async def test_whether_a_quiet_log_goes_on_is_decided_while_those_are_there_who_know(server: RedisServer) -> None:
    """Nobody publishes; the id of the master changes when its first replica comes."""
    with RedisServer() as master, RedisServer() as replica:
        async with nodes(master, "a", "b") as (a, b):
            await a.append("one")
            await b.logs.has("actions", "one")
            before = master.command("HGET", "ng:{actions}:meta", "replid")
            replica.replica_of(master)
            await eventually(lambda: master.command("HGET", "ng:{actions}:meta", "replid") != before)
            await a.ready()
            await b.ready()
            assert (a.rotations(), b.rotations()) == ({}, {})
