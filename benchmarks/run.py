"""Measure a workload on the hub and on its peers in one run, and write the table.

    .venv/bin/python benchmarks/run.py W1 [--rounds 3] [--servers floor,hub,…] [--duration 10]

The figure is server CPU time per delivery (utime + stime of the server and its children), because the machine is
shared: wall time says more about the neighbours than about the server. Servers take turns within a round, so that a
disturbance hits all of them; medians over rounds are reported, and each figure as a ratio to the floor of the same run.
The server is pinned to the first core, the generator to the second. Everything stays on loopback and ends by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
BUILD = HERE / ".build"
SECRET = "benchmark-secret-of-at-least-32-bytes"
START_TIMEOUT = 20.0


@dataclass(frozen=True)
class Workload:
    """Arguments of the load generator, and what the row means."""

    title: str
    arguments: tuple[str, ...]
    floor: tuple[str, ...] | None = None
    """Arguments for the floor, where it cannot do what the servers do; none: the same."""
    figure: str = "cpu_s_per_million"
    """What the row is about: CPU-seconds per million deliveries, or messages taken per CPU-second."""


WORKLOADS = {
    "W1": Workload(
        "1,000 subscribers of one channel, 50 events/s of 128 B",
        ("--subscribers", "1000", "--rate", "50", "--payload", "128"),
    ),
    "W3": Workload(
        "100 subscribers of one channel, 2,000 events/s of 128 B",
        ("--subscribers", "100", "--rate", "2000", "--payload", "128"),
    ),
    "W5": Workload(
        "50 publishers in band, 3,200 publishes of 128 B under way, each with an id, 1 subscriber",
        ("--protocol", "ng-acked", "--publishers", "50", "--window", "3200", "--subscribers", "1", "--payload", "128"),
        figure="msgs_per_cpu_s",
    ),
    "W6": Workload(
        "W1 with 1 KiB of compressible JSON, permessage-deflate negotiated by all; the floor as in W1",
        ("--subscribers", "1000", "--rate", "50", "--payload", "1024", "--pad", "json", "--deflate"),
        ("--subscribers", "1000", "--rate", "50", "--payload", "128"),
    ),
}


@dataclass(frozen=True)
class Server:
    """How a server is started on a port, and how the generator reaches it."""

    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    query: str = ""


def hub_server() -> Server:
    """The hub as it ships, with one admin whose publish rate does not stand in the way of the measurement."""
    sys.path.insert(0, str(HERE.parent))
    import jwt  # noqa: PLC0415 - only this server needs it

    token = jwt.encode({"sub": "bench", "role": "admin", "exp": int(time.time()) + 86_400}, SECRET, algorithm="HS256")
    limits = {
        "NG_RATE_PUBLISH": "1000000/1000000",
        "NG_MESSAGE_RATE": "1000000/1000000",
        "NG_HANDSHAKE_RATE": "100000/100000",
        "NG_MAX_CONNECTIONS_PER_ADDRESS": "100000",
        "NG_JWT_SECRET": SECRET,
    }
    return Server((sys.executable, "-m", "hub", "serve"), limits, f"?token={token}")


def servers() -> dict[str, Server]:
    """Every server that can be measured here, in the order of the table."""
    peers = HERE / "peers"
    return {
        "floor": Server((str(BUILD / "floor"), "{port}")),
        "hub": hub_server(),
        "websockets_broadcast": Server((sys.executable, str(peers / "websockets_broadcast.py"), "{port}")),
        "starlette_send_text": Server((sys.executable, str(peers / "starlette_send_text.py"), "{port}")),
    }


def build() -> Path:
    """Compile the load generator and the floor (once); returns the generator."""
    BUILD.mkdir(exist_ok=True)
    subprocess.run(
        ["cargo", "build", "--release", "--quiet", "--target-dir", str(BUILD)], cwd=HERE / "wsload", check=True
    )
    floor = ["cc", "-O2", "-D_GNU_SOURCE", "-o", str(BUILD / "floor"), str(HERE / "peers" / "floor.c")]
    subprocess.run(floor, check=True)
    return BUILD / "release" / "wsload"


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(server: Server, core: int) -> Iterator[tuple[int, int]]:
    """The server on a free port, pinned to a core; yields (port, process id)."""
    port = free_port()
    environment = os.environ | server.environment | {"NG_PORT": str(port)}
    command = ["taskset", "-c", str(core), *(part.format(port=port) for part in server.command)]
    with (
        (BUILD / "server.log").open("wb") as log,
        subprocess.Popen(command, env=environment, cwd=HERE.parent, stdout=log, stderr=log) as process,
    ):
        try:
            wait_for_port(port, process)
            yield port, process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when the server accepts; raise when it ended or took longer than the start time-out."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(
                f"{process.args!r} ended with {process.returncode} before it listened; see {BUILD / 'server.log'}"
            )
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.05)
    raise SystemExit(f"{process.args!r} did not listen within {START_TIMEOUT:.0f} s")


def measure(
    generator: Path, server: Server, arguments: tuple[str, ...], duration: float, cores: tuple[int, int]
) -> dict[str, Any]:
    """One run of the generator against a fresh server."""
    with running(server, cores[0]) as (port, pid):
        command = ["taskset", "-c", str(cores[1]), str(generator), "--protocol", "ng", "--channel", "metrics"]
        command += ["--url", f"ws://127.0.0.1:{port}/ws{server.query}", "--server-pid", str(pid)]
        command += ["--duration", str(duration), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise SystemExit(f"the generator ended with {done.returncode}: {done.stderr.strip()}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


COLUMNS = ("cpu_s_per_million", "msgs_per_cpu_s", "acks", "p50_ms", "p99_ms", "deliveries", "lost")
TITLES = {"cpu_s_per_million": "CPU-s per million deliveries", "msgs_per_cpu_s": "messages per CPU-s"}


def table(results: dict[str, list[dict[str, Any]]], figure: str) -> list[dict[str, Any]]:
    """Medians per server, with the ratio to the floor of the same run."""
    rows = []
    for name, runs in results.items():
        row: dict[str, Any] = {"server": name}
        row |= {column: round(statistics.median(run[column] for run in runs), 3) for column in COLUMNS}
        row["lost"] = max(run["lost"] for run in runs)
        rows.append(row)
    floor = next((row[figure] for row in rows if row["server"] == "floor"), None)
    for row in rows:
        row["ratio_to_floor"] = round(row[figure] / floor, 2) if floor else None
    return rows


def markdown(rows: list[dict[str, Any]], figure: str) -> str:
    """The table as it stands in the README of the benchmarks."""
    head = ("server", TITLES[figure], "ratio to floor", "p50 ms", "p99 ms", "deliveries", "lost")
    if is_inbound := figure == "msgs_per_cpu_s":
        head += ("acks",)
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for row in rows:
        ratio = f"{row['ratio_to_floor']:.2f}" if row["ratio_to_floor"] else "-"
        latency = f"{row['p50_ms']:.1f} | {row['p99_ms']:.1f}"
        counts = f"{row['deliveries']:.0f} | {row['lost']}"
        shown = f"{row[figure]:.0f}" if is_inbound else f"{row[figure]:.2f}"
        counts += f" | {row['acks']:.0f}" if is_inbound else ""
        lines.append(f"| {row['server']} | {shown} | {ratio} | {latency} | {counts} |")
    return "\n".join(lines)


def cpu_name() -> str:
    """The processor as Linux names it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def main() -> None:
    """Run one workload and write its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", choices=sorted(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", type=float, default=10.0)
    parser.add_argument("--servers", help="comma list; all by default")
    options = parser.parse_args()

    known = servers()
    chosen = options.servers.split(",") if options.servers else list(known)
    if unknown := set(chosen) - set(known):
        parser.error(f"unknown server {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    cpus = sorted(os.sched_getaffinity(0))
    cores = (cpus[0], cpus[-1])
    generator, workload = build(), WORKLOADS[options.workload]
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    for number in range(options.rounds):
        for name in chosen:
            arguments = workload.floor if name == "floor" and workload.floor else workload.arguments
            run = measure(generator, known[name], arguments, options.duration, cores)
            results[name].append(run)
            figure = (
                f"{run[workload.figure]:.2f} {TITLES[workload.figure]}, p99 {run['p99_ms']:.1f} ms, lost {run['lost']}"
            )
            print(f"round {number + 1}  {name:22} {figure}, other CPU {run['other_cpu_s']:.1f} s", file=sys.stderr)
    rows = table(results, workload.figure)
    machine = {"cpu": cpu_name(), "cores": len(cpus), "kernel": platform.release(), "python": platform.python_version()}
    report = {"workload": options.workload, "title": workload.title, "date": time.strftime("%Y-%m-%d")}
    path = HERE / "results" / f"{options.workload.lower()}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report | {"machine": machine, "rows": rows, "runs": results}, indent=1) + "\n")
    print(f"{options.workload}: {workload.title}\n\n{markdown(rows, workload.figure)}")


if __name__ == "__main__":
    main()
