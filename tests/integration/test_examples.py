"""The examples run as they stand."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.hub import RunningHub

EXAMPLES = Path(__file__).parents[2] / "examples"
SOON = 20.0


@pytest.fixture
async def hub() -> AsyncIterator[RunningHub]:
    running = await asyncio.to_thread(RunningHub.start, metrics_interval=0.2)
    try:
        yield running
    finally:
        await asyncio.to_thread(running.stop)


async def start(hub: RunningHub, name: str, role: str | None, *arguments: str) -> asyncio.subprocess.Process:
    token = {} if role is None else {"NG_TOKEN": hub.token(role)}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", str(EXAMPLES / name), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "COLUMNS": "120", "NG_URL": hub.url, **token},
    )


async def until(process: asyncio.subprocess.Process, text: str) -> list[str]:
    """The lines up to the first one that holds a text."""
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(SOON):
        while line := (await process.stdout.readline()).decode():
            lines.append(line.rstrip())
            if text in line:
                return lines
    raise AssertionError(f"{text!r} never came: {lines}")


async def stop(process: asyncio.subprocess.Process) -> str:
    process.terminate()
    async with asyncio.timeout(SOON):
        _, err = await process.communicate()
    return err.decode()


@pytest.mark.accept("J7", "K8")
async def test_the_bot_answers_every_line_with_what_is_near(hub: RunningHub) -> None:
    process = await start(hub, "bot.py", "bot")
    async with asyncio.timeout(SOON):
        out, err = await process.communicate(b"disk failing on db4\n\nDisk failing on DB4!\nlogin refused for ann")
    first, second, third = out.decode().splitlines()
    assert (process.returncode, err.decode()) == (0, "")
    assert (first, second.split()[0], third) == ("new", "like", "new")


@pytest.mark.accept("J8")
async def test_the_demo_shows_metrics_to_anybody_and_signals_to_who_may_see_them(hub: RunningHub) -> None:
    anonymous = await start(hub, "websocket_demo.py", None, hub.url)
    lines = await until(anonymous, "Metrics: {")
    assert "-- connecting -> connected" in lines[1]
    assert lines[2] == "Connected to n1 as anonymous; channels: metrics, status"
    assert await stop(anonymous) == ""
    developer = await start(hub, "websocket_demo.py", "developer", hub.url)
    await until(developer, "Signal signal.input.text: {'token_id': ")
    assert await stop(developer) == ""


@pytest.mark.accept("K7")
async def test_a_dashboard_takes_twenty_lines(hub: RunningHub) -> None:
    screen, terminal = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / "dashboard_20_lines.py")),
        stdout=terminal,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "120", "LINES": "50", "NG_URL": hub.url},
    )
    drawn = b""
    async with asyncio.timeout(SOON):
        while b"cpu_percent" not in drawn:
            drawn += await asyncio.to_thread(os.read, screen, 65_536)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(SOON):
        _, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "")
    os.close(screen)
    os.close(terminal)
    code = (EXAMPLES / "dashboard_20_lines.py").read_text().partition("async def main")[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 20


@pytest.mark.accept("J6", "X4")
async def test_the_embedder_knows_what_lies_near_by_meaning() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / "embedder.py"),
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(EXAMPLES.parent)},
    )
    told, _ = await asyncio.wait_for(process.communicate(), SOON)
    assert [line.split("  ")[1].strip() for line in told.decode().splitlines()] == ["new", "known", "new", "known"]
