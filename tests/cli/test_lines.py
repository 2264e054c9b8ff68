"""Standard input, line by line."""

import asyncio
import os
from pathlib import Path

from ng_ws.lines import stdin_lines
from ng_ws.stdin import first_line

SOON = 5.0


async def test_lines_of_a_pipe_come_as_they_are_written() -> None:
    read, write = os.pipe()
    os.write(write, "one\r\n\nzwölf\nthr".encode())
    lines = stdin_lines(read)
    async with asyncio.timeout(SOON):
        assert [await anext(lines) for _ in range(2)] == ["one", "zwölf"]
        waiting = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0)
        assert not waiting.done()
        os.write(write, b"ee")
        os.close(write)
        assert await waiting == "three"
        assert [line async for line in lines] == []
    os.close(read)


async def test_waiting_for_a_line_can_be_cancelled() -> None:
    read, write = os.pipe()
    waiting = asyncio.ensure_future(anext(stdin_lines(read)))
    await asyncio.sleep(0)
    waiting.cancel()
    done, _ = await asyncio.wait({waiting}, timeout=SOON)
    assert done == {waiting}
    os.close(read)
    os.close(write)


async def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("one\ntwo\nthree")
    with path.open("rb") as file:
        assert [line async for line in stdin_lines(file.fileno())] == ["one", "two", "three"]


async def test_the_first_line_leaves_the_others_where_they_are() -> None:
    read, write = os.pipe()
    os.write(write, b"a.b.c\none\n")
    os.close(write)
    assert first_line(100, read) == "a.b.c"
    assert [line async for line in stdin_lines(read)] == ["one"]
    os.close(read)


async def test_a_first_line_without_end_is_cut() -> None:
    read, write = os.pipe()
    os.write(write, b"x" * 50)
    assert first_line(10, read) == "x" * 10
    os.close(read)
    os.close(write)
