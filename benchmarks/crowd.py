"""Thousands of light clients in one process, each with a cursor, its newest token and the connections that feed it.

What the measurements of coming back and of going have in common: the clients, who publishes, and how a hub is started.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from light import Connection, Cursor, Pace
from servers import BUILD, HERE, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

DURABLE = "retention = { durable = true }\n"
CHANNELS = '[channels.board]\nsubscribe = ["anonymous", "admin"]\nbroadcast = ["admin"]\n'
LIMITS = {
    "NG_RATE_DEFAULT": "100/100",
    "NG_HTTP_RATE": "100000/100000",
    "NG_MAX_CONNECTIONS": "19000",
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
        connection = await Connection.open(random.choice(self._crowd.ports), self.cursor, self.hear)
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
            if crowd.follows:
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
    """All clients, and what has happened to them. `ports`: the hubs that take connections, as a balancer knows them."""

    comes_back = False
    """Whether who is closed comes back by itself."""
    follows = True
    """Whether who is asked to go does so."""

    def __init__(self, ports: Sequence[int], size: int) -> None:
        self.ports = list(ports)
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

    async def gather(self, seconds: float) -> None:
        """Everybody connects, spread over `seconds`, follows the channel and has a token."""
        size = len(self.clients)
        await self.connect_all(seconds, resumes=False)
        await self.until(lambda: self.counts["subscribed"] == size)
        for client in self.clients:
            client.current.send({"type": "get_reconnection_token"})
        await self.until(lambda: self.counts["token"] == size)

    async def cut(self) -> None:
        """Every connection is lost."""
        for client in self.clients:
            if client.current is not None:
                client.current.abort()
        await self.until(lambda: all(client.current is None for client in self.clients))

    def peak_to_mean(self, began: float) -> float:
        """Most second connections opened in one second since `began`, against the mean of the whole window."""
        starts = sorted(moment - began for moment in self.opened_at)
        mean = len(starts) / max(1.0, starts[-1] - starts[0])
        return round(max(Counter(map(int, starts)).values()) / mean, 2)

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


class Operator:
    """Publishes and asks by REST."""

    def __init__(self, port: int, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30)

    async def publish(self, number: int) -> None:
        """So many events in one request."""
        body = [{"channel": "board", "event": "x", "data": {"pad": "x" * 100}}] * number
        (await self._http.post("/api/v1/publish", json=body)).raise_for_status()

    async def publish_until(self, over: asyncio.Event, rate: float) -> int:
        """Events at `rate` per second. -> how many were acknowledged; a hub that is not there takes none."""
        published = 0
        while not over.is_set():
            try:
                await self.publish(1)
                published += 1
            except httpx.HTTPError:
                pass  # it drains, or is away
            await asyncio.sleep(1 / rate)
        return published

    async def rebalance(self) -> None:
        """Ask everybody to reconnect."""
        body = {"window": 20, "deadline": 30}
        (await self._http.post("/api/v1/clients/rebalance", json=body)).raise_for_status()

    async def connections(self) -> int:
        """How many the hub has."""
        return int((await self._http.get("/api/v1/status")).json()["data"]["connections"])

    async def emptied(self) -> None:
        """Until the hub has none."""
        async with asyncio.timeout(PATIENCE):
            while await self.connections():  # noqa: ASYNC110 - the hub is another process
                await asyncio.sleep(0.1)


def cpu_seconds(pid: int) -> float:
    """Time the process and its threads have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
                pass
            await asyncio.sleep(0.02)
