"""`RedisBackplane` obeys the contract of backplanes, with a real Redis."""

from collections.abc import AsyncIterator

import pytest

from channels._native import decode_entries
from channels.backplane.redis import RedisBackplane, RedisOptions
from channels.publication import Position
from tests.support.backplane import BackplaneContract, Door, publication
from tests.support.redis import RedisServer
from tests.support.redis_nodes import QUICK, eventually
from tests.support.replicas import Logs


class Replicas(Logs):
    """Tells a `Door` what came through."""

    def __init__(self, door: Door) -> None:
        super().__init__("a")
        self._door = door

    def apply(self, channel: str, epoch: str, first: int, entries: bytes) -> Position:
        position = super().apply(channel, epoch, first, entries)
        self._door.delivered += [(channel, entry[0]) for entry in decode_entries(entries)]
        return position


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def backplane(server: RedisServer, door: Door) -> AsyncIterator[RedisBackplane]:
    backplane = RedisBackplane(RedisOptions(server.url, "a", **QUICK), epochs=lambda: "k3Fq")
    await backplane.start(door.deliver, Replicas(door))
    await eventually(lambda: backplane.failure is None)
    yield backplane
    await backplane.stop()


class TestContract(BackplaneContract):
    """The suite that holds every backplane."""

    async def test_statistics_count_what_became_of_every_publication(
        self, backplane: RedisBackplane, door: Door
    ) -> None:
        for one in (publication(), publication(mid="m1"), publication(mid="m1"), publication("f", mid="m1")):
            await self.append(backplane, one)
        counted = {"stored": 2, "duplicates": 1, "conflicts": 1, "refused": 0, "mids": 0}
        unused = {"mids_refused": 0, "mids_forgotten": 0, "batches_refused": 0}
        assert backplane.statistics() == counted | unused
