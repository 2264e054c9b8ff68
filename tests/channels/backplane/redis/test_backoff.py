import asyncio

from channels.backplane.redis.backoff import Backoff


class Bounds:
    """What was asked for, and no wait."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def __call__(self, least: float, most: float) -> float:
        self.asked.append(most)
        return 0.0


async def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_success() -> None:
    bounds = Bounds()
    backoff = Backoff(0.1, 5.0, bounds)
    await backoff.pause()
    for _ in range(8):
        backoff.failed()
        await backoff.pause()
    backoff.succeeded()
    await backoff.pause()
    await backoff.pause(least=3)
    assert bounds.asked == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 0.8]


async def test_a_pause_is_cut_short_where_there_is_reason_to() -> None:
    backoff = Backoff(1_000.0, 1_000.0, lambda _, most: most)
    backoff.failed()
    pausing = asyncio.create_task(backoff.pause())
    await asyncio.sleep(0)
    backoff.hurry()
    await pausing
