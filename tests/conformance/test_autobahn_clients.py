"""What the clients stand on under the Autobahn suite as a server, sections 1-7 and 10: `websockets`, `ws`, Bun, Deno.

It is not our framing: what is not strict there (text that is judged at its end, an answer that is lost behind an error)
is none of our business, what fails is.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from scripts import autobahn

TYPESCRIPT = Path(__file__).resolve().parents[2] / "clients" / "ts"
ENOUGH = 240
"""Cases in those sections, about: a run of fewer is no proof."""
WITHIN = 400.0

pytestmark = pytest.mark.timeout(480)


@pytest.fixture
def suite() -> Iterator[tuple[str, Path]]:
    try:
        with autobahn.serve("quick") as served:
            yield served
    except autobahn.MissingError as missing:
        pytest.skip(f"missing: {missing}")


def judge(index: Path, agent: str, *known: str) -> None:
    found = json.loads(index.read_text())[agent]
    lax = {"behavior": "OK", "behaviorClose": "OK"}
    strict = {case: one | lax if one["behavior"] == "NON-STRICT" else one for case, one in found.items()}
    assert set(autobahn.wrong(strict)) <= set(known)
    assert len(found) >= ENOUGH


async def test_the_library_of_the_python_client(suite: tuple[str, Path]) -> None:
    """By the options that the client gives it: no pings of its own, no proxy, no limit that is not the hub's."""
    url, index = suite

    async def talk(path: str, *, echoes: bool = False) -> str | bytes:
        last: str | bytes = ""
        async with connect(url + path, ping_interval=None, proxy=None, max_size=None, compression=None) as connection:
            try:
                while True:
                    last = await connection.recv()
                    if echoes:
                        await connection.send(last)
            except ConnectionClosed:
                return last

    for number in range(1, int(await talk("/getCaseCount")) + 1):
        await talk(f"/runCase?case={number}&agent=websockets", echoes=True)
    await talk("/updateReports?agent=websockets")
    # A close within a message that has not ended: answered with 1002, where the suite wants 1000.
    judge(index, "websockets", "7.1.5: FAILED, close WRONG CODE")


RUNTIMES = {
    "ws": ("node", "NG_NODE", ()),
    "bun": ("bun", "NG_BUN", ("run",)),
    "deno": ("deno", "NG_DENO", ("run", "--no-config", "--no-lock", "--allow-net", "--allow-env")),
}
"""How each runtime is started: its command, what names another one, what stands before the script."""


@pytest.mark.parametrize("agent", RUNTIMES)
def test_what_the_typescript_client_is_given(agent: str, suite: tuple[str, Path]) -> None:
    name, variable, before = RUNTIMES[agent]
    runtime = shutil.which(os.environ.get(variable, name))
    if runtime is None:
        pytest.skip(f"no {name}: it is not on the path, and {variable} names none")
    if agent == "ws" and not (TYPESCRIPT / "node_modules" / "ws").exists():
        pytest.skip("no development packages of clients/ts (npm ci there)")
    url, index = suite
    command = [runtime, *before, str(TYPESCRIPT / "tests" / "support" / "echo.mjs"), url, agent]
    done = subprocess.run(command, cwd=TYPESCRIPT, capture_output=True, text=True, timeout=WITHIN, check=False)
    assert done.returncode == 0, done.stderr
    judge(index, agent)
