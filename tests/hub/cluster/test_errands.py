"""Work beside the loop's turns: whatever becomes of it is told."""

import asyncio

import structlog

from hub.cluster.errands import Errands
from hub.counters import Counters
from tests.support.town import until


async def ended(errands: Errands) -> None:
    await until(lambda: not errands)


async def fail() -> None:
    raise RuntimeError("a mistake of a test")


async def test_what_fails_is_counted_and_told() -> None:
    counters = Counters()
    errands = Errands(counters)
    with structlog.testing.capture_logs() as lines:
        errands.run(fail())
        await ended(errands)
    assert [(line["event"], line["work"]) for line in lines] == [("cluster.failed", "fail")]
    assert dict(counters.values["errors"]) == {("internal", "cluster"): 1}


async def test_what_is_done_or_ended_is_no_failure() -> None:
    counters = Counters()
    errands = Errands(counters)
    errands.run(asyncio.sleep(0))
    await ended(errands)
    errands.run(asyncio.sleep(60))
    errands.stop()
    await ended(errands)
    assert dict(counters.values["errors"]) == {}
