"""Many nodes: what goes through Redis from one hub to a subscriber of another, in batches and one by one.

    .venv/bin/python benchmarks/nodes.py [--events 20000] [--payload 128] [--redis-server redis-server]

A Redis of its own, two hubs, one publisher at the first and one subscriber at the second, both in one light process.
"one by one" waits for each answer before the next publish; "pipelined" keeps up to `--window` of them open and sends a
quarter of that at a time, which the hub gathers into calls of the append script. Each offset is checked at the
subscriber. The last lines are what this Redis does without a hub: `redis-benchmark` with what an event costs at least,
an XADD and a PUBLISH, in pipelines of 64.
Figures are CPU time per event of each process, and events per second. Everything stays on loopback and ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from crowd import cpu_seconds, start
from light import Connection, Cursor
from machine import machine
from servers import BUILD, HERE, free_port, hub_server, redis

PATIENCE = 120.0


class Ends:
    """The publisher's and the subscriber's connection, and what they have heard."""

    def __init__(self) -> None:
        self.cursor = Cursor()
        self.acked = 0
        self.refused = 0
        self.is_ready = False
        self._news = asyncio.Event()

    def hear(self, _connection: Connection, message: dict[str, Any] | None) -> None:
        """Anything but events."""
        kind = None if message is None else message["type"]
        if kind == "ack":
            self.acked += 1
        elif kind in {"error", "gap"} or kind is None:
            self.refused += 1
            print(f"unexpected: {message}", file=sys.stderr)
        elif kind == "subscribed":
            self.cursor.stand_at(message["channels"]["board"]["position"])
            self.is_ready = True
        self._news.set()

    async def until(self, reached: Any) -> None:
        """Until `reached()`; looked at whenever something is heard, and ten times a second for events."""
        async with asyncio.timeout(PATIENCE):
            while not reached():
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await self._news.wait()


async def publish(ends: Ends, publisher: Connection, events: int, window: int, payload: int) -> dict[str, float]:
    """`events` of them, at most `window` unanswered. -> seconds until the last is acknowledged, and delivered"""
    pad, begun, before, some = "x" * payload, ends.acked, ends.cursor.events, max(window // 4, 1)
    began = time.monotonic()
    for first in range(0, events, some):
        await ends.until(lambda sent=first: begun + sent + some - ends.acked <= window)
        publisher.send_all(
            {"type": "publish", "id": number, "channel": "board", "event": "e", "data": {"pad": pad}}
            for number in range(first, min(first + some, events))
        )
    await ends.until(lambda: ends.acked - begun == events)
    acked = time.monotonic() - began
    await ends.until(lambda: ends.cursor.events - before == events)
    return {"acked_s": acked, "delivered_s": time.monotonic() - began}


async def measure(options: argparse.Namespace, redis_port: int, redis_pid: int) -> list[dict[str, Any]]:
    """Both ways on one pair of hubs."""
    cpus = sorted(os.sched_getaffinity(0))
    hubs, ports, rows = [], [], []
    query = ""
    try:
        for name in ("a", "b"):
            server = hub_server()
            query, port = server.query, free_port()
            settings = {"NG_NODE": name, "NG_REDIS_URL": f"redis://127.0.0.1:{redis_port}", "NG_ANONYMOUS": "1"}
            server.environment.update(settings, NG_CONFIG=str(BUILD / "nodes.toml"))
            hubs.append(await start(server, cpus[0], port))
            ports.append(port)
        os.sched_setaffinity(0, {cpus[-1]})
        ends = Ends()
        subscriber = await Connection.open(ports[1], ends.cursor, ends.hear, query)
        subscriber.send({"type": "subscribe", "id": 0, "channel": "board"})
        await ends.until(lambda: ends.is_ready)
        publisher = await Connection.open(ports[0], Cursor(), ends.hear, query)
        processes = {"hub_a": hubs[0].pid, "hub_b": hubs[1].pid, "redis": redis_pid}
        for way, window, events in (
            ("one by one", 1, options.events // 10),
            ("pipelined", options.window, options.events),
        ):
            before = {name: cpu_seconds(pid) for name, pid in processes.items()}
            took = await publish(ends, publisher, events, window, options.payload)
            used = {name: cpu_seconds(pid) - before[name] for name, pid in processes.items()}
            rows.append(
                {
                    "way": way,
                    "events": events,
                    "events_per_s": round(events / took["delivered_s"]),
                    **{f"{name}_cpu_us": round(seconds / events * 1e6, 1) for name, seconds in used.items()},
                    "holes": ends.cursor.holes,
                    "repeats": ends.cursor.repeats,
                    "refused": ends.refused,
                }
            )
            print(json.dumps(rows[-1]), file=sys.stderr)
        return rows
    finally:
        for hub in hubs:
            hub.terminate()
        await asyncio.gather(*(hub.wait() for hub in hubs))


def alone(port: int, pid: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """What Redis does by itself."""
    pad, rows = "x" * options.payload, []
    commands = {
        "XADD": ["XADD", "alone", "MAXLEN", "~", "10000", "*", "entries", pad],
        "PUBLISH": ["PUBLISH", "alone", pad],
    }
    for name, command in commands.items():
        before, began = cpu_seconds(pid), time.monotonic()
        base = ["redis-benchmark", "-p", str(port), "-n", str(10 * options.events), "-c", "1", "-P", "64", "-q"]
        subprocess.run([*base, *command], check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
        took, used = time.monotonic() - began, cpu_seconds(pid) - before
        calls = 10 * options.events
        rows.append(
            {
                "way": f"{name} alone",
                "events": calls,
                "events_per_s": round(calls / took),
                "redis_cpu_us": round(used / calls * 1e6, 2),
            }
        )
        print(json.dumps(rows[-1]), file=sys.stderr)
    return rows


def main() -> None:
    """Run it and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--payload", type=int, default=128)
    parser.add_argument("--window", type=int, default=250, help="publishes that wait for their answer, pipelined")
    parser.add_argument("--redis-server", default="redis-server")
    options = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    (BUILD / "nodes.toml").write_text('[channels.board]\nsubscribe = ["anonymous", "admin"]\nbroadcast = ["admin"]\n')
    with redis(options.redis_server) as (port, pid):
        rows = asyncio.run(measure(options, port, pid)) + alone(port, pid, options)
    report = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "payload": options.payload, "rows": rows}
    (Path(HERE) / "results" / "nodes.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
