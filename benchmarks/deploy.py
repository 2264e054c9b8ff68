"""pm11: a deployment with thousands of clients connected, and nothing lost.

    .venv/bin/python benchmarks/deploy.py alone [--clients 10000] [--seconds 20] [--rate 2]
    .venv/bin/python benchmarks/deploy.py nodes [--clients 10000] [--redis-server redis-server]

`alone`: the only hub is ended by SIGTERM. It drains, with a durable channel and nobody else to go to, and exits; the
next one starts on its port, and everybody resumes there. `nodes`: two hubs over a Redis of their own; the first is
ended by SIGTERM, its clients open their second connection at the other, it starts again, and then the other way round.
Drains are as they ship. Events go on all the while, and every offset of every client is checked. Hubs and Redis share
a core, the clients have the other. Everything stays on loopback and ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import sys
import tempfile
import time
from typing import Any

from crowd import CHANNELS, DURABLE, LIMITS, Crowd, Operator, cpu_seconds, start
from machine import machine
from nodes import redis
from servers import BUILD, HERE, Server, free_port, hub_server


async def alone(server: Server, core: int, options: argparse.Namespace) -> dict[str, Any]:
    """SIGTERM, the drain, another process, and everybody back there."""
    port = free_port()
    operator = Operator(port, server.query.removeprefix("?token="))
    crowd, size, over = Crowd([port], options.clients), options.clients, asyncio.Event()
    process = await start(server, core, port)
    try:
        await crowd.gather(options.seconds)
        crowd.comes_back, crowd.follows = True, False
        publishing = asyncio.ensure_future(operator.publish_until(over, options.rate))
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
        await process.wait()


class Node:
    """One of two hubs, and its process."""

    def __init__(self, name: str, server: Server, core: int, redis_port: int) -> None:
        self.name = name
        self.port = free_port()
        self.operator = Operator(self.port, server.query.removeprefix("?token="))
        environment = {"NG_NODE": name, "NG_REDIS_URL": f"redis://127.0.0.1:{redis_port}"}
        self._server = Server(server.command, server.environment | environment, server.query)
        self._core = core
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Ready."""
        self._process = await start(self._server, self._core, self.port)

    async def kill(self) -> None:
        """The end, if it has not ended."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def replace(self, crowd: Crowd) -> dict[str, Any]:
        """SIGTERM; everybody is at the other node; a new process takes its place."""
        there, process = await self.operator.connections(), self._process
        crowd.opened_at.clear()
        crowd.ports.remove(self.port)
        resumed, closed = crowd.counts["resumed"] + there, sum(crowd.closed.values()) + there
        before, began = cpu_seconds(process.pid), time.monotonic()
        process.send_signal(signal.SIGTERM)
        await crowd.until(lambda: crowd.counts["resumed"] >= resumed)
        back = time.monotonic() - began
        await crowd.until(lambda: sum(crowd.closed.values()) >= closed)
        used = cpu_seconds(process.pid) - before
        code = await process.wait()
        exited = time.monotonic() - began
        await self.start()
        crowd.ports.append(self.port)
        return {
            "clients": there,
            "all_back_after_s": round(back, 2),
            "peak_to_mean": crowd.peak_to_mean(began),
            "drain_cpu_s": round(used, 2),
            "exited_after_s": round(exited, 2),
            "exit_code": code,
            "next_ready_after_s": round(time.monotonic() - began, 2),
        }


async def nodes(server: Server, core: int, options: argparse.Namespace, redis_port: int) -> dict[str, Any]:
    """One node after the other is replaced while everybody stays connected somewhere."""
    both, over = [Node(name, server, core, redis_port) for name in ("one", "two")], asyncio.Event()
    try:
        for node in both:
            await node.start()
        crowd = Crowd([node.port for node in both], options.clients)
        await crowd.gather(options.seconds)
        publishing = [asyncio.ensure_future(node.operator.publish_until(over, options.rate / 2)) for node in both]
        figures: dict[str, Any] = {node.name: await node.replace(crowd) for node in both}
        over.set()
        published = sum(await asyncio.gather(*publishing))
        await crowd.until(lambda: crowd.verdict()["events"] >= options.clients * published)
        return {**figures, "published": published, "closed": dict(crowd.closed), **crowd.verdict()}
    finally:
        for node in both:
            await node.kill()


def main() -> None:
    """Run it and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["alone", "nodes"])
    parser.add_argument("--clients", type=int, default=10_000, help="each needs two descriptors for a moment")
    parser.add_argument("--seconds", type=float, default=20.0, help="over which they connect")
    parser.add_argument("--rate", type=float, default=2.0, help="events per second")
    parser.add_argument("--redis-server", default="redis-server")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    BUILD.mkdir(exist_ok=True)
    config = BUILD / "deploy.toml"
    config.write_text(CHANNELS + (DURABLE if options.what == "alone" else ""))
    server = hub_server()
    server.environment.update(LIMITS, NG_CONFIG=str(config))
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpus[-1]})
    if options.what == "alone":
        with tempfile.TemporaryDirectory() as directory:
            server.environment["NG_DATA_DIR"] = directory
            figures = asyncio.run(alone(server, cpus[0], options))
    else:
        with redis(options.redis_server) as (port, _):
            figures = asyncio.run(nodes(server, cpus[0], options, port))
    print(json.dumps(figures), file=sys.stderr)
    report = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), options.what: figures}
    (HERE / "results" / f"deploy-{options.what}.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
