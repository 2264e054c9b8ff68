"""Threads and loops behind a notebook."""

import asyncio
import contextvars
import threading
from collections.abc import Iterator

import pytest
from neurograph_jupyter import NotebookError
from neurograph_jupyter.worker import Place, Worker

CELL: contextvars.ContextVar[str] = contextvars.ContextVar("CELL", default="none")


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.stop()


def test_an_interrupt_or_a_time_out_cancels_what_was_waited_for(worker: Worker) -> None:
    ended = threading.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        worker.wait(work(), 0.01)
    assert ended.wait(5)
    worker.stop()
    with pytest.raises(NotebookError, match="the session is closed"):
        worker.wait(work())
    worker.stop()


async def test_handlers_of_a_kernel_run_on_its_loop_in_the_cell_that_made_them(worker: Worker) -> None:
    seen: list[tuple[threading.Thread, str]] = []

    def act() -> None:
        seen.append((threading.current_thread(), CELL.get()))

    CELL.set("seventh")
    context = contextvars.copy_context()
    CELL.set("eighth")
    place = Place(asyncio.get_running_loop())
    for _ in range(2):
        await asyncio.to_thread(worker.wait, place.run(act, context), 5)
    await asyncio.to_thread(worker.wait, Place().run(act, context), 5)
    here = threading.current_thread()
    assert seen[:2] == [(here, "seventh")] * 2
    assert (seen[2][0] is worker._thread, seen[2][1]) == (True, "seventh")


async def test_what_a_handler_raises_is_raised_where_it_is_waited_for(worker: Worker) -> None:
    def act() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Place(asyncio.get_running_loop()).run(act, contextvars.copy_context())


async def test_a_loop_that_has_gone_is_posted_to_no_more() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    Place(loop).post(lambda: pytest.fail("ran"))
