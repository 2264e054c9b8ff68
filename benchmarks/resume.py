"""W7: thousands of clients resume at once, and thousands are asked to reconnect, with nothing lost.

    .venv/bin/python benchmarks/resume.py [--clients 9000] [--missed 100] [--seconds 10] [--rate 2] [--only drain]

One hub, one process of light clients (`light.py`), on a core each. First everybody connects and is cut; `--missed`
events are published; then the same number connect anew without resuming (what the handshake alone costs) and, in
another turn, resume with their tokens. At last all are asked to reconnect (`goaway` with reason `rebalance`, window
20 s, deadline 30 s) while events go on: each opens its second connection first, resumes there from its own cursor, and
both feed it. Every offset of every client is checked. Everything stays on loopback and ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from typing import Any

from crowd import CHANNELS, LIMITS, PATIENCE, Crowd, Operator, cpu_seconds
from handshakes import Used, used
from machine import machine
from servers import BUILD, HERE, Server, hub_server, running


def each(before: Used, after: Used, size: int) -> Used:
    """Microseconds between, for each of `size`."""
    return Used((after.loop - before.loop) / size, (after.others - before.others) / size)


async def resume(crowd: Crowd, operator: Operator, pid: int, options: argparse.Namespace) -> dict[str, Any]:
    """W7: what a resume costs beyond its handshake, and when the last client has everything."""
    size = len(crowd.clients)
    await crowd.gather(options.seconds)
    await crowd.cut()
    await operator.emptied()

    bare = Crowd(crowd.ports, size)
    before = used(pid)
    await bare.connect_all(options.seconds, resumes=False)
    await bare.until(lambda: bare.counts["subscribed"] == size)
    handshake = each(before, used(pid), size)
    await bare.cut()
    await operator.emptied()

    for _ in range(options.missed // 100):
        await operator.publish(100)
    wanted = size * options.missed
    before, began = used(pid), time.monotonic()
    await crowd.connect_all(options.seconds, resumes=True)
    await crowd.until(lambda: crowd.verdict()["events"] >= wanted)
    took, resumed = time.monotonic() - began, each(before, used(pid), size)
    return {
        "clients": size,
        "missed_each": options.missed,
        "spread_over_s": options.seconds,
        "last_after_s": round(took, 2),
        "handshake_cpu_us": round(sum(handshake), 1),
        "resume_cpu_us": round(sum(resumed), 1),
        "beyond_handshake_cpu_us": round(sum(resumed) - sum(handshake), 1),
        "of_that_event_loop_us": round(resumed.loop - handshake.loop, 1),
        "resumed": crowd.counts["resumed"],
        **crowd.verdict(),
    }


async def drain(crowd: Crowd, operator: Operator, pid: int, options: argparse.Namespace) -> dict[str, Any]:
    """Everybody is asked to go and comes back, two connections feeding one cursor, while events go on."""
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
    after = crowd.verdict()
    return {
        "clients": size,
        "all_back_after_s": round(took, 2),
        "peak_to_mean": crowd.peak_to_mean(began),
        "cpu_s": round(cpu_seconds(pid) - before, 2),
        "published": published,
        "closed": dict(crowd.closed),
        **{name: after[name] - seen[name] for name in after},
    }


async def measure(port: int, pid: int, server: Server, options: argparse.Namespace) -> dict[str, Any]:
    """Both parts on one hub."""
    operator = Operator(port, server.query.removeprefix("?token="))
    crowd = Crowd([port], options.clients)
    figures = {}
    if options.only == "drain":
        await crowd.gather(options.seconds)
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
    parser.add_argument("--only", choices=["drain"], help="leave the resumes out")
    parser.add_argument("--missed", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=2.0, help="events per second while all are asked to go")
    options = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    (BUILD / "resume.toml").write_text(CHANNELS)
    server = hub_server()
    server.environment.update(LIMITS, NG_CONFIG=str(BUILD / "resume.toml"), NG_DRAIN_WINDOW="0", NG_DRAIN_DEADLINE="0")
    cpus = sorted(os.sched_getaffinity(0))
    with running(server, cpus[0]) as at:
        os.sched_setaffinity(0, {cpus[-1]})
        figures = asyncio.run(measure(at.port, at.pid, server, options))
    report = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), **figures}
    (HERE / "results" / f"{options.only or 'resume'}.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
