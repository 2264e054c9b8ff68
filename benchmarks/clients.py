"""What the Python client and `ng-ws` cost: wheel, import, idle memory, CPU per event, start; each beside its budget.

    .venv/bin/python benchmarks/clients.py [yardstick] [wheel] [import] [idle] [events] [pipe] [first] [sync] [start]

A scripted hub in a process of its own floods one subscriber with events of about 330 bytes, composed beforehand, so
that only the subscriber's CPU is counted; a rate is its inverse, on one core with nothing else to do. CPU, not time:
the machine may be busy. The least of several runs stands, beside what reading such an event by orjson costs there and
then. Loopback only; ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import orjson
from machine import machine
from neurograph_ws_client import NeurographWSClient, SyncClient
from neurograph_ws_client.codec import JsonCodec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State
from websockets.typing import Subprotocol

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "clients/python/src"
EVENTS = 50_000
CLIENTS = 500
ROUNDS = 3


def frames(count: int) -> list[bytes]:
    """Unmasked text frames of events from offset 1 on."""
    vector = [round(0.0625 * number + 0.0123, 6) for number in range(8)]
    data = {"token_id": 4711, "vector": vector, "priority": 120, "is_novel": False, "nearest_dist": 0.0625}
    made = []
    for offset in range(1, count + 1):
        event = {"type": "event", "channel": "signals", "offset": offset, "event": "signal.input.text"}
        event |= {"ts": 1_795_949_829.778671, "data": data | {"neighbors": [{"token_id": 7, "distance": 0.0625}]}}
        event |= {"tags": {"host": "db4", "env": "prod"}}
        body = json.dumps(event, separators=(",", ":")).encode()
        made.append(b"\x81\x7e" + len(body).to_bytes(2) + body)
    return made


async def flood() -> None:
    """The scripted hub: its port on stdout; each subscriber gets `EVENTS` events as fast as it reads."""
    parts = frames(EVENTS)
    chunks = [b"".join(parts[start : start + 200]) for start in range(0, EVENTS, 200)]

    async def speak(socket: ServerConnection) -> None:
        rights = {"signals": {"rights": ["subscribe"]}}
        await socket.send(json.dumps({"type": "welcome", "conn": "c", "role": "viewer", "channels": rights}))
        # Who has seen enough leaves in the midst of it.
        with contextlib.suppress(ConnectionClosed, ConnectionError):
            async for payload in socket:
                body = json.loads(payload)
                for message in body if isinstance(body, list) else [body]:
                    await answer(socket, message)

    async def answer(socket: ServerConnection, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "subscribe":
                told = {"signals": {"position": "eeee:0", "behind": 0, "delivery": "all", "on_slow": "gap"}}
                await socket.send(json.dumps({"type": "subscribed", "id": message["id"], "channels": told}))
                for chunk in chunks if message.get("max_rate") is None else ():
                    if socket.state is not State.OPEN:
                        return
                    socket.transport.write(chunk)
                    await socket.drain()
            case "connect":
                await socket.send(json.dumps({"type": "welcome", "id": message["id"], "conn": "c", "role": "viewer"}))
            case "ping":
                await socket.send(json.dumps({"type": "pong", "id": message.get("id")}))
            case "get_reconnection_token":
                error = {"type": "error", "id": message["id"], "code": 400, "error": "unknown_type", "message": "no"}
                await socket.send(json.dumps(error))

    named = [Subprotocol(JsonCodec.subprotocol)]
    async with serve(speak, "127.0.0.1", 0, subprotocols=named, compression=None, ping_interval=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


class Flood:
    """The scripted hub as a process."""

    def __enter__(self) -> str:
        command = [sys.executable, __file__, "--flood"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        return f"ws://127.0.0.1:{int(self._process.stdout.readline())}/ws"

    def __exit__(self, *_: object) -> None:
        self._process.communicate("")


def children_cpu() -> float:
    """Seconds of computing of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def least(measure: Callable[[], float], rounds: int = ROUNDS) -> float:
    """Of several runs the one that the machine disturbed least."""
    return min(measure() for _ in range(rounds))


def cpu_of(*command: str) -> float:
    """Seconds of computing of a command."""
    before = children_cpu()
    subprocess.run(command, check=True, capture_output=True, env=environ())
    return children_cpu() - before


def environ(**more: str) -> dict[str, str]:
    """Without the settings of who runs this."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NG_")}
    return {**kept, **more}


# -- what is measured --------------------------------------------------------------------------------------------------


def wheel() -> None:
    """Sizes of what is installed."""
    for name, folders in (("client", ["neurograph_ws_client"]), ("notebook", ["neurograph_jupyter"])):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as files:
            for path in sorted(one for folder in folders for one in (PACKAGES / folder).rglob("*.*")):
                if path.suffix != ".pyc":
                    files.write(path, path.relative_to(PACKAGES))
        show(f"wheel, {name}", packed.tell() / 1000, "kB", "60 (both)")
    live = PACKAGES / "neurograph_jupyter"
    show(
        "live view of the notebook",
        sum((live / f"live.{kind}").stat().st_size for kind in ("js", "py")) / 1000,
        "kB",
        "20",
    )


def imported() -> None:
    """What the client costs beyond websockets, which comes with the first connection; and the name of the package."""
    client = "from neurograph_ws_client import NeurographWSClient"
    base = least(lambda: cpu_of(sys.executable, "-c", "import websockets.asyncio.client"), 20)
    both = least(lambda: cpu_of(sys.executable, "-c", f"import websockets.asyncio.client; {client}"), 20)
    show("import of the client beyond websockets", (both - base) * 1000, "ms", "15")
    nothing = least(lambda: cpu_of(sys.executable, "-c", "import asyncio"), 20)
    name = least(lambda: cpu_of(sys.executable, "-c", "import asyncio, neurograph_ws_client"), 20)
    show("import neurograph_ws_client, and no name of it", (name - nothing) * 1000, "ms", "")


def idle() -> None:
    """What a client that is connected, subscribed and silent holds in memory."""

    async def run(url: str) -> float:
        first = [NeurographWSClient(url, compression=False) for _ in range(20)]
        await asyncio.gather(*(connected(client) for client in first))
        before = resident()
        clients = [NeurographWSClient(url, compression=False) for _ in range(CLIENTS)]
        for start in range(0, CLIENTS, 50):
            await asyncio.gather(*(connected(client) for client in clients[start : start + 50]))
        used = resident() - before
        await asyncio.gather(*(client.close() for client in [*first, *clients]))
        return used / CLIENTS

    async def connected(client: NeurographWSClient) -> None:
        await client.connect()
        await client.subscribe("signals", lambda event: None, max_rate=1)

    with Flood() as url:
        show("memory of an idle client", asyncio.run(run(url)) / 1000, "kB", "40")


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def events() -> None:
    """CPU of the client per event, a handler that looks into it counted."""

    async def run(url: str) -> float:
        done, seen = asyncio.Event(), 0

        def handle(event: Any) -> None:
            nonlocal seen
            seen += event["priority"] > 0
            if event.offset == EVENTS:
                done.set()

        client = NeurographWSClient(url, compression=False)
        await client.connect()
        began = process_time()
        client.subscribe("signals", handle)
        await done.wait()
        used = process_time() - began
        await client.close()
        assert seen == EVENTS
        return used / EVENTS

    with Flood() as url:
        shown_rate("events to a handler", least(lambda: asyncio.run(run(url))), "100,000")


def sync() -> None:
    """CPU of `SyncClient` per event of its iterator."""
    count = 20_000

    def run(url: str) -> float:
        with SyncClient(url, compression=False) as client:
            began = process_time()
            for event in client.subscribe("signals", on_full="wait"):
                if event.offset == count:
                    return (process_time() - began) / count
        raise AssertionError

    with Flood() as url:
        shown_rate("events to a loop of SyncClient", least(lambda: run(url)), "-")


def pipe() -> None:
    """CPU of `ng-ws sub --format json` per event into a pipe, without its start."""

    def run(url: str, count: int) -> float:
        command = [sys.executable, "-m", "ng_ws", "sub", "signals", "--format", "json", "-q", "-n", str(count)]
        before = children_cpu()
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ(NG_URL=url)) as process:
            assert process.stdout is not None
            lines = 0
            while chunk := process.stdout.read(1 << 20):
                lines += chunk.count(b"\n")
        assert (process.returncode, lines) == (0, count)
        return children_cpu() - before

    with Flood() as url:
        few = EVENTS // 5
        more = least(lambda: run(url, EVENTS)) - least(lambda: run(url, few))
        shown_rate("ng-ws sub into a pipe", more / (EVENTS - few), "80,000")


def first() -> None:
    """From the start of `ng-ws sub` until its first line: elapsed, and what it has computed by then."""

    def run(url: str) -> tuple[float, float]:
        command = [sys.executable, "-m", "ng_ws", "sub", "signals", "--format", "json", "-q"]
        began = perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ(NG_URL=url)) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"{")
            took, used = perf_counter() - began, computed(process.pid)
            process.kill()
            process.communicate()
        return took, used

    with Flood() as url:
        runs = [run(url) for _ in range(5 * ROUNDS)]
    show("ng-ws sub, the first event", min(took for took, _ in runs) * 1000, "ms", "400")
    show("", min(used for _, used in runs) * 1000, "ms CPU", "-")


def computed(pid: int) -> float:
    """Seconds of computing of a process that runs, in user and kernel (proc(5), stat)."""
    members = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(members[11]) + int(members[12])) / os.sysconf("SC_CLK_TCK")


def yardstick() -> None:
    """CPU of orjson for one such event: what a busy machine makes of the other figures."""
    body = frames(1)[0][4:]

    def run() -> float:
        began = process_time()
        for _ in range(20_000):
            orjson.loads(body)
        return (process_time() - began) / 20_000

    show("orjson.loads of such an event", least(run) * 1e6, "µs CPU", "-")


def start() -> None:
    """CPU of the shortest commands."""
    version = least(lambda: cpu_of(sys.executable, "-m", "ng_ws", "--version"), 20)
    shown = least(lambda: cpu_of(sys.executable, "-m", "ng_ws", "--help"), 20)
    show("ng-ws --version", version * 1000, "ms CPU", "60")
    show("ng-ws --help", shown * 1000, "ms CPU", "200")


def show(what: str, value: float, unit: str, budget: str) -> None:
    """One line of the report."""
    print(f"{what:<32} {value:>10,.1f} {unit:<10} budget {budget}", flush=True)


def shown_rate(what: str, seconds: float, budget: str) -> None:
    """CPU of one event, and how many that makes in a second."""
    show(what, 1 / seconds, "events/s", budget)
    print(f"{'':<32} {seconds * 1e6:>10,.2f} µs CPU", flush=True)


MEASURES = {
    "yardstick": yardstick,
    "wheel": wheel,
    "import": imported,
    "idle": idle,
    "events": events,
    "pipe": pipe,
    "first": first,
    "sync": sync,
    "start": start,
}


def main() -> None:
    """Measure what was named, by default all."""
    if sys.argv[1:] == ["--flood"]:
        asyncio.run(flood())
        return
    named = sys.argv[1:] or list(MEASURES)
    if unknown := [name for name in named if name not in MEASURES]:
        raise SystemExit(f"expected some of {' '.join(MEASURES)}, got {' '.join(unknown)}")
    print(json.dumps(machine()))
    for name in named:
        MEASURES[name]()


if __name__ == "__main__":
    main()
