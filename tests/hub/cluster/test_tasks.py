"""Work beside the loop's turns: whatever becomes of it is told."""

import asyncio

import structlog

from hub.cluster.tasks import Tasks
from hub.counters import Counters
from tests.support.town import until


async def ended(tasks: Tasks) -> None:
    await until(lambda: not tasks)


async def fail() -> None:
    raise RuntimeError("a mistake of a test")


async def test_what_fails_is_counted_and_told() -> None:
    counters = Counters()
    tasks = Tasks(counters)
    with structlog.testing.capture_logs() as lines:
        tasks.run(fail())
        await ended(tasks)
    assert [(line["event"], line["work"]) for line in lines] == [("cluster.failed", "fail")]
    assert dict(counters.values["errors"]) == {("internal", "cluster"): 1}


async def test_what_is_done_or_ended_is_no_failure() -> None:
    counters = Counters()
    tasks = Tasks(counters)
    tasks.run(asyncio.sleep(0))
    await ended(tasks)
    tasks.run(asyncio.sleep(60))
    tasks.stop()
    await ended(tasks)
    assert dict(counters.values["errors"]) == {}
