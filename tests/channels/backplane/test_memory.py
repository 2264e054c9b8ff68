from typing import TYPE_CHECKING

import pytest

from channels.backplane.memory import MemoryBackplane
from channels.dedup import MidWindow
from tests.support.backplane import Door, LocalContract, answers, publication

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channels.backplane import Result


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def backplane(door: Door) -> MemoryBackplane:
    backplane = MemoryBackplane()
    await backplane.start(door.deliver)
    return backplane


class TestContract(LocalContract):
    """`MemoryBackplane` obeys the contract."""


class Clock:
    """A monotonic clock that stands still."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def append(backplane: MemoryBackplane, *, mid: str | None = None, batch_id: str | None = None) -> list[object]:
    results: list[Sequence[Result]] = []
    backplane.append("actions", [publication(mid=mid)], results.append, batch_id)
    return answers(results[0])  # the memory answers before it returns


@pytest.mark.clause("M31", "N17")
@pytest.mark.parametrize("again", [{"mid": "m1"}, {"batch_id": "b1"}])
async def test_mids_and_batches_are_remembered_for_300_s(door: Door, again: dict[str, str]) -> None:
    clock = Clock()
    backplane = MemoryBackplane(monotonic=clock)
    await backplane.start(door.deliver)
    append(backplane, **again)
    stored = []
    for clock.now in (1_299.9, 1_300.0):
        append(backplane, **again)
        stored.append(len(door.delivered))
    assert stored == [1, 2]


@pytest.mark.clause("M31")
async def test_a_sweep_forgets_what_the_window_no_longer_covers(door: Door) -> None:
    clock = Clock()
    backplane = MemoryBackplane(monotonic=clock)
    await backplane.start(door.deliver)
    append(backplane, mid="m1")
    held = []
    for now in (1_299.0, 1_300.0):
        backplane.sweep(now)
        held.append(backplane.statistics()["mids"])
    assert held == [1, 0]


async def test_a_full_window_refuses_what_carries_a_mid_and_takes_the_rest(door: Door) -> None:
    backplane = MemoryBackplane(mids=MidWindow(most=1))
    await backplane.start(door.deliver)
    append(backplane, mid="m1")
    assert [append(backplane, mid="m2"), append(backplane)] == [["overloaded"], ["k3Fq:2"]]


async def test_before_the_start_everything_is_refused() -> None:
    assert append(MemoryBackplane()) == ["log_unavailable"]
