"""Bugs planted into nodes: they swallow what they are meant to, and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha1
from typing import NamedTuple

import pytest

from channels.publication import Position
from tests.support.planted import main
from tests.support.planted_nodes import (
    EPOCH_SWALLOWED,
    HOLE_EXPOSED,
    NODE_BUGS,
    NOTHING_READ,
    SAME_MASTER,
    Muffled,
    plant_in_scripts,
    shadowed,
)
from tests.support.redis_kit import Server, needs_redis


class Followed(NamedTuple):
    channel: str
    position: Position


class Logs:
    """The logs of a node: one, which takes what follows."""

    def __init__(self) -> None:
        self.position = Position("none", 0)
        self.begun: list[Position] = []

    def replica(self, channel: str) -> Followed:
        return Followed(channel, self.position)

    def replicas(self) -> list[Followed]:
        return [self.replica("a")]

    def apply(self, channel: str, epoch: str, first: int, entries: bytes) -> Position:
        if (epoch, first) != (self.position.epoch, self.position.offset + 1):
            raise ValueError(f"{epoch}:{first} does not follow {self.position}")
        self.position = Position(epoch, first + len(entries) - 1)
        return self.position

    def begin(self, channel: str, position: Position) -> None:
        self.begun.append(position)
        self.position = position


@pytest.fixture
def logs() -> Logs:
    return Logs()


Make = Callable[[str], Muffled]


@pytest.fixture
def muffled(logs: Logs) -> Make:
    """A log that stands at aaaa:5, as the backplane sees it."""

    def make(bug: str) -> Muffled:
        made = Muffled(logs, bug)
        made.begin("a", Position("aaaa", 3))
        assert made.apply("a", "aaaa", 4, b"xy") == Position("aaaa", 5)
        return made

    return make


def test_an_epoch_that_changes_is_swallowed_and_the_former_one_goes_on(logs: Logs, muffled: Make) -> None:
    replicas = muffled(EPOCH_SWALLOWED)
    replicas.begin("a", Position("bbbb", 0))
    assert replicas.replica("a").position == Position("bbbb", 0)
    assert replicas.apply("a", "bbbb", 1, b"xyz") == Position("bbbb", 3)
    assert (logs.position, logs.begun) == (Position("aaaa", 8), [Position("aaaa", 3)])
    # What is missing within an epoch is told as ever.
    replicas.begin("a", Position("bbbb", 7))
    assert logs.begun[1:] == [Position("bbbb", 7)]


def test_a_hole_is_swallowed_and_the_offsets_close_over_it(logs: Logs, muffled: Make) -> None:
    replicas = muffled(HOLE_EXPOSED)
    replicas.begin("a", Position("aaaa", 9))
    assert [one.position for one in replicas.replicas()] == [Position("aaaa", 9)]
    assert replicas.apply("a", "aaaa", 10, b"x") == Position("aaaa", 10)
    assert (logs.position, logs.begun) == (Position("aaaa", 6), [Position("aaaa", 3)])
    replicas.begin("a", Position("bbbb", 0))
    assert logs.position == Position("bbbb", 0)


@dataclass
class Script:
    text: str
    sha: str = ""


SCRIPT = """#!lua
local function id() return string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') end
redis.call('XADD', KEYS[1], '*', 'a', 'b')
return {id(), #redis.call('XRANGE', KEYS[1], '-', '+'), redis.sha1hex('')}
"""


@needs_redis
async def test_a_script_sees_another_redis_and_works_all_the_same() -> None:
    async with Server() as redis:
        own = (await redis.replication())["master_replid"].encode()
        empty = sha1(b"").hexdigest().encode()
        for shadow, reply in ((SAME_MASTER, [b"0" * 40, 1, empty]), (NOTHING_READ, [own, 0, empty])):
            await redis.ask("FLUSHALL")
            assert await redis.ask("EVAL", shadowed(SCRIPT, shadow), 1, "k") == reply


@needs_redis
async def test_a_planted_script_is_known_by_the_name_of_its_new_text() -> None:
    script = Script(SCRIPT)
    plant_in_scripts([script], SAME_MASTER)
    async with Server() as redis:
        assert await redis.ask("SCRIPT", "LOAD", script.text) == script.sha.encode()


@pytest.mark.parametrize("bug", NODE_BUGS)
def test_a_bug_of_nodes_is_refused_by_a_hub_alone(
    bug: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NG_REDIS_URL", raising=False)
    assert main([bug]) == 2
    assert f"{bug} is a bug of nodes" in capsys.readouterr().err


def test_a_bug_of_one_hub_is_refused_by_nodes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NG_REDIS_URL", "redis://127.0.0.1:9/0")
    assert main(["off-by-one"]) == 2
    assert "off-by-one is a bug of one hub alone" in capsys.readouterr().err
