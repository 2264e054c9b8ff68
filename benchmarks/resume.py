"""W7 and pm11: thousands of clients resume at once, and thousands are asked to go and come back, with nothing lost.

    .venv/bin/python benchmarks/resume.py [--clients 9000] [--missed 100] [--seconds 10] [--rate 2]
    .venv/bin/python benchmarks/resume.py --only restart --clients 10000 --seconds 20

One hub, one process of light clients (`light.py`), on a core each. First everybody connects and is cut; `--missed`
events are published; then the same number connect anew without resuming (what the handshake alone costs) and, in
another turn, resume with their tokens. At last all are asked to reconnect (`goaway` with reason `rebalance`, window
20 s, deadline 30 s) while events go on: each opens its second connection first, resumes there from its own cursor, and
both feed it. `--only restart` ends the process by SIGTERM instead, with a durable channel and nobody else to go to: it
drains and exits, the next one starts on its port, and everybody resumes there. Every offset of every client is checked.
Everything stays on loopback and ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from light import Connection, Cursor, Pace
from run import BUILD, HERE, Server, cpu_name, free_port, hub_server, running

DURABLE = "retention = { durable = true }\n"
CHANNELS = '[channels.board]\nsubscribe = ["anonymous", "admin"]\nbroadcast = ["admin"]\n'
LIMITS = {
    "NG_RATE_DEFAULT": "100/100",
    "NG_HTTP_RATE": "100000/100000",
    "NG_MAX_CONNECTIONS": "19000",
    "NG_DRAIN_WINDOW": "0",
    "NG_DRAIN_DEADLINE": "0",
}
PATIENCE = 90.0
COMING_BACK = 10.0
"""Seconds over which clients that were closed spread their first attempt, and that no later pause exceeds."""


class Client:
    """One client: a cursor, its newest token, and the connections that feed the cursor."""

    def __init__(self, crowd: Crowd) -> None:
        self.cursor = Cursor()
        self.token: str | None = None
        self.current: Connection | None = None
        self.switching: asyncio.Task[None] | None = None
        self._crowd = crowd

    async def connect(self, *, resumes: bool) -> None:
        """Open a connection, and follow the channel on it anew or by resuming."""
        connection = await Connection.open(self._crowd.port, self.cursor, self.hear)
        if resumes:
            positions = {"board": self.cursor.position}
            connection.send({"type": "connect", "resume": self.token, "positions": positions})
        else:
            connection.send({"type": "subscribe", "channel": "board"})
        if self.current is None:
            self.current = connection

    def hear(self, connection: Connection, message: dict[str, Any] | None) -> None:
        """Anything but events."""
        crowd = self._crowd
        if message is None:
            crowd.closed[connection.code or 1006] += 1
            self.current = None if self.current is connection else self.current
            if crowd.comes_back and self.current is None:
                self.switching = asyncio.ensure_future(self._come_back())
            crowd.told()
            return
        kind = message["type"]
        if kind == "subscribed":
            self.cursor.stand_at(message["channels"]["board"]["position"])
            crowd.count("subscribed")
        elif kind == "welcome" and message["resumed"]:
            self.cursor.stand_at(message["subscriptions"]["board"]["position"])
            self.current = connection
            crowd.count("resumed")
        elif kind == "reconnection_token":
            self.token = message["token"]
            crowd.count("token")
        elif kind == "goaway":
            low, high = message["reconnect_in"]
            if not crowd.comes_back:
                self.switching = asyncio.ensure_future(self._switch(random.uniform(low, high)))
            crowd.count("goaway")
        elif kind in {"gap", "error"}:
            crowd.count(kind)

    async def _switch(self, wait: float) -> None:
        await asyncio.sleep(wait)
        self._crowd.opened_at.append(time.monotonic())
        await self.connect(resumes=True)

    async def _come_back(self) -> None:
        while self.current is None:
            await asyncio.sleep(random.uniform(0, COMING_BACK))
            try:
                await self.connect(resumes=True)
            except OSError:
                self._crowd.counts["refused"] += 1


class Crowd:
    """All clients, and what has happened to them."""

    comes_back = False
    """Whether who is closed comes back by itself; else it does so when it is asked to go."""

    def __init__(self, port: int, size: int) -> None:
        self.port = port
        self.clients = [Client(self) for _ in range(size)]
        self.counts: Counter[str] = Counter()
        self.closed: Counter[int] = Counter()
        self.opened_at: list[float] = []
        self._news = asyncio.Event()

    def count(self, what: str) -> None:
        """One more."""
        self.counts[what] += 1
        self.told()

    def told(self) -> None:
        """Something happened."""
        self._news.set()

    async def until(self, reached: Any) -> None:
        """Until `reached()`; looked at whenever something happens and at least ten times a second."""
        async with asyncio.timeout(PATIENCE):
            while not reached():
                self._news.clear()
                try:
                    async with asyncio.timeout(0.1):
                        await self._news.wait()
                except TimeoutError:
                    continue

    async def connect_all(self, seconds: float, *, resumes: bool) -> None:
        """Everybody connects, spread over `seconds`."""
        pace = Pace(len(self.clients) / seconds)
        async with asyncio.TaskGroup() as group:
            for client in self.clients:
                await pace.turn()
                group.create_task(client.connect(resumes=resumes))

    async def cut(self) -> None:
        """Every connection is lost."""
        for client in self.clients:
            if client.current is not None:
                client.current.abort()
        await self.until(lambda: all(client.current is None for client in self.clients))

    def verdict(self) -> dict[str, int]:
        """What the cursors have seen."""
        cursors = [client.cursor for client in self.clients]
        return {
            "events": sum(cursor.events for cursor in cursors),
            "repeats_dropped": sum(cursor.repeats for cursor in cursors),
            "holes": sum(cursor.holes for cursor in cursors),
            "gaps": self.counts["gap"],
            "errors": self.counts["error"],
        }


def cpu_seconds(pid: int) -> float:
    """Time the process and its threads have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Operator:
    """Publishes and asks by REST."""

    def __init__(self, port: int, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30)

    async def publish(self, number: int) -> None:
        """So many events in one request."""
        body = [{"channel": "board", "event": "x", "data": {"pad": "x" * 100}}] * number
        (await self._http.post("/api/v1/publish", json=body)).raise_for_status()

    async def rebalance(self) -> None:
        """Ask everybody to reconnect."""
        body = {"window": 20, "deadline": 30}
        (await self._http.post("/api/v1/clients/rebalance", json=body)).raise_for_status()

    async def connections(self) -> int:
        """How many the hub has."""
        return int((await self._http.get("/api/v1/status")).json()["data"]["connections"])

    async def emptied(self, left: int = 0) -> None:
        """Until the hub has no more than `left`."""
        async with asyncio.timeout(PATIENCE):
            while await self.connections() > left:  # noqa: ASYNC110 - the hub is another process
                await asyncio.sleep(0.1)


async def gather(crowd: Crowd, options: argparse.Namespace) -> None:
    """Everybody connects, follows the channel and has a token."""
    size = len(crowd.clients)
    await crowd.connect_all(options.seconds, resumes=False)
    await crowd.until(lambda: crowd.counts["subscribed"] == size)
    for client in crowd.clients:
        client.current.send({"type": "get_reconnection_token"})
    await crowd.until(lambda: crowd.counts["token"] == size)


async def resume(crowd: Crowd, operator: Operator, pid: int, options: argparse.Namespace) -> dict[str, Any]:
    """W7: what a resume costs beyond its handshake, and when the last client has everything."""
    size = len(crowd.clients)
    await gather(crowd, options)
    await crowd.cut()
    await operator.emptied()

    bare = Crowd(crowd.port, size)
    before = cpu_seconds(pid)
    await bare.connect_all(options.seconds, resumes=False)
    await bare.until(lambda: bare.counts["subscribed"] == size)
    handshakes = cpu_seconds(pid) - before
    await bare.cut()
    await operator.emptied()

    for _ in range(options.missed // 100):
        await operator.publish(100)
    wanted = size * options.missed
    before, began = cpu_seconds(pid), time.monotonic()
    await crowd.connect_all(options.seconds, resumes=True)
    await crowd.until(lambda: crowd.verdict()["events"] >= wanted)
    took, used = time.monotonic() - began, cpu_seconds(pid) - before
    return {
        "clients": size,
        "missed_each": options.missed,
        "spread_over_s": options.seconds,
        "last_after_s": round(took, 2),
        "handshake_cpu_us": round(handshakes / size * 1e6, 1),
        "resume_cpu_us": round(used / size * 1e6, 1),
        "beyond_handshake_cpu_us": round((used - handshakes) / size * 1e6, 1),
        "resumed": crowd.counts["resumed"],
        **crowd.verdict(),
    }


async def drain(crowd: Crowd, operator: Operator, pid: int, options: argparse.Namespace) -> dict[str, Any]:
    """pm11: everybody is asked to go and comes back, two connections feeding one cursor, while events go on."""
    size = len(crowd.clients)
    crowd.counts.clear()
    crowd.closed.clear()
    seen, before, began = crowd.verdict(), cpu_seconds(pid), time.monotonic()
    published = 0
    await operator.rebalance()
    while crowd.counts["resumed"] < size or sum(crowd.closed.values()) < size:
        if time.monotonic() - began > PATIENCE:
            break
        await operator.publish(1)
        published += 1
        await asyncio.sleep(1 / options.rate)
    took = time.monotonic() - began
    await crowd.until(lambda: crowd.verdict()["events"] >= seen["events"] + size * published)
    starts = sorted(moment - began for moment in crowd.opened_at)
    per_second = Counter(int(moment) for moment in starts)
    mean = size / max(1.0, starts[-1] - starts[0])
    after = crowd.verdict()
    return {
        "clients": size,
        "all_back_after_s": round(took, 2),
        "peak_to_mean": round(max(per_second.values()) / mean, 2),
        "cpu_s": round(cpu_seconds(pid) - before, 2),
        "published": published,
        "closed": dict(crowd.closed),
        **{name: after[name] - seen[name] for name in after},
    }


async def start(server: Server, core: int, port: int) -> asyncio.subprocess.Process:
    """A hub on `port`, ready."""
    environment = os.environ | server.environment | {"NG_PORT": str(port)}
    log = (BUILD / "server.log").open("ab")
    with log:
        process = await asyncio.create_subprocess_exec(
            "taskset", "-c", str(core), *server.command, env=environment, cwd=HERE.parent, stdout=log, stderr=log
        )
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient() as http:
        while True:
            try:
                if (await http.get(f"http://127.0.0.1:{port}/health/ready")).status_code == httpx.codes.OK:
                    return process
            except httpx.TransportError:
                await asyncio.sleep(0.02)


async def publish_until(operator: Operator, over: asyncio.Event, options: argparse.Namespace) -> int:
    """Events at the rate asked for. -> how many were acknowledged; a hub that is not there takes none."""
    published = 0
    while not over.is_set():
        try:
            await operator.publish(1)
            published += 1
        except httpx.HTTPError:
            pass  # it drains, or is away
        await asyncio.sleep(1 / options.rate)
    return published


async def restart(server: Server, core: int, options: argparse.Namespace) -> dict[str, Any]:
    """pm11 on one node: SIGTERM, the drain, another process, and everybody back there."""
    port = free_port()
    operator = Operator(port, server.query.removeprefix("?token="))
    crowd, size, over = Crowd(port, options.clients), options.clients, asyncio.Event()
    process = await start(server, core, port)
    try:
        await gather(crowd, options)
        crowd.comes_back = True
        publishing = asyncio.ensure_future(publish_until(operator, over, options))
        before, began = cpu_seconds(process.pid), time.monotonic()
        process.send_signal(signal.SIGTERM)
        await crowd.until(lambda: sum(crowd.closed.values()) >= size)
        drained, used = time.monotonic() - began, cpu_seconds(process.pid) - before
        code = await process.wait()
        exited = time.monotonic() - began
        process = await start(server, core, port)
        ready = time.monotonic() - began
        await crowd.until(lambda: crowd.counts["resumed"] >= size)
        back = time.monotonic() - began
        over.set()
        published = await publishing
        await crowd.until(lambda: crowd.verdict()["events"] >= size * published)
        return {
            "clients": size,
            "all_closed_after_s": round(drained, 2),
            "drain_cpu_s": round(used, 2),
            "exited_after_s": round(exited, 2),
            "exit_code": code,
            "next_ready_after_s": round(ready, 2),
            "all_back_after_s": round(back, 2),
            "published": published,
            "goaways": crowd.counts["goaway"],
            "refused_attempts": crowd.counts["refused"],
            "closed": dict(crowd.closed),
            **crowd.verdict(),
        }
    finally:
        process.kill()


async def measure(port: int, pid: int, server: Server, options: argparse.Namespace) -> dict[str, Any]:
    """Both parts on one hub."""
    operator = Operator(port, server.query.removeprefix("?token="))
    crowd = Crowd(port, options.clients)
    figures = {}
    if options.only == "drain":
        await gather(crowd, options)
    else:
        figures["W7"] = await resume(crowd, operator, pid, options)
        print(f"W7     {json.dumps(figures['W7'])}", file=sys.stderr)
    figures["drain"] = await drain(crowd, operator, pid, options)
    print(f"drain  {json.dumps(figures['drain'])}", file=sys.stderr)
    return figures


def main() -> None:
    """Run it and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=9_000, help="each needs two descriptors for a moment")
    parser.add_argument("--only", choices=["drain", "restart"], help="leave the resumes out")
    parser.add_argument("--missed", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=2.0, help="events per second while all are asked to go")
    options = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    (BUILD / "resume.toml").write_text(CHANNELS + (DURABLE if options.only == "restart" else ""))
    server = hub_server()
    server.environment.update(LIMITS, NG_CONFIG=str(BUILD / "resume.toml"))
    cpus = sorted(os.sched_getaffinity(0))
    if options.only == "restart":
        with tempfile.TemporaryDirectory() as directory:
            for name in ("NG_DRAIN_WINDOW", "NG_DRAIN_DEADLINE"):
                del server.environment[name]  # as they ship
            server.environment.update(NG_DATA_DIR=directory)
            os.sched_setaffinity(0, {cpus[-1]})
            figures = {"restart": asyncio.run(restart(server, cpus[0], options))}
        print(f"restart  {json.dumps(figures['restart'])}", file=sys.stderr)
    else:
        with running(server, cpus[0]) as (port, pid):
            os.sched_setaffinity(0, {cpus[-1]})
            figures = asyncio.run(measure(port, pid, server, options))
    machine = {"cpu": cpu_name(), "cores": len(cpus), "kernel": platform.release(), "python": platform.python_version()}
    report = {"date": time.strftime("%Y-%m-%d"), "machine": machine, **figures}
    name = f"{options.only or 'resume'}.json"
    (HERE / "results" / name).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
