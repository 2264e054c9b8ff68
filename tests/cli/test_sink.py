"""Writing without blocking the loop."""

import asyncio
import errno
import os
import threading
from pathlib import Path

from ng_ws.sink import Sink

SOON = 5.0


async def test_what_came_in_one_turn_is_there_after_it() -> None:
    read, write = os.pipe()
    sink = Sink(write)
    assert [sink.write(b"one\n"), sink.write(b"two\n")] == [None, None]
    await asyncio.sleep(0)
    assert os.read(read, 100) == b"one\ntwo\n"
    await sink.finish()
    os.close(read)
    os.close(write)


async def test_a_reader_that_is_slow_is_waited_for_and_gets_every_line_in_order() -> None:
    read, write = os.pipe()
    sink = Sink(write)
    lines = [f"{number:0>9999}\n".encode() for number in range(50)]
    received = bytearray()

    def consume() -> None:
        while part := os.read(read, 65536):
            received.extend(part)

    reader = threading.Thread(target=consume)
    waited = 0
    for line in lines:
        waiting = sink.write(line)
        if waiting is not None:
            waited += 1
            if not reader.ident:
                reader.start()
            async with asyncio.timeout(SOON):
                await waiting
    await sink.finish()
    os.close(write)
    await asyncio.to_thread(reader.join)
    assert waited > 0
    assert bytes(received) == b"".join(lines)
    os.close(read)


async def test_finishing_waits_for_the_reader_only_as_long_as_it_was_told() -> None:
    read, write = os.pipe()
    sink = Sink(write)
    assert sink.write(b"x" * 100_000) is not None
    async with asyncio.timeout(SOON):
        await sink.finish(patience=0.01)
    assert 0 < len(os.read(read, 200_000)) < 100_000
    os.close(read)
    os.close(write)


async def test_the_end_of_the_reader_shows_while_there_is_nothing_to_write() -> None:
    read, write = os.pipe()
    sink = Sink(write)
    os.close(read)
    async with asyncio.timeout(SOON):
        assert await sink.closed is None
    assert sink.write(b"late\n") is None
    await sink.finish()
    os.close(write)


async def test_a_reader_that_ends_while_it_is_waited_for_ends_the_waiting() -> None:
    read, write = os.pipe()
    sink = Sink(write)
    waiting = None
    while waiting is None:
        waiting = sink.write(b"x" * 65536)
    task = asyncio.ensure_future(waiting)
    os.close(read)
    async with asyncio.timeout(SOON):
        await task
        await sink.closed
    await sink.finish()
    os.close(write)


async def test_a_file_takes_everything(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("wb") as file:
        sink = Sink(file.fileno())
        sink.write(b"x" * 100_000)
        sink.write(b"y")
        await sink.finish()
    assert path.read_bytes() == b"x" * 100_000 + b"y"


async def test_a_write_that_fails_is_kept_for_whoever_asks_why_it_ended() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    sink = Sink(full)
    sink.write(b"line\n")
    fault = await sink.closed
    assert fault is not None
    assert fault.errno == errno.ENOSPC
    await sink.finish()
    os.close(full)
