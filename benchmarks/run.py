"""Measure workloads on the hub and on its peers in one run, and write the tables.

    .venv/bin/python benchmarks/run.py W1 [W3 …|all] [--rounds 3] [--servers floor,hub,…] [--duration S]

The figure is server CPU time per delivery (utime + stime of the server and its children), because the machine is
shared: wall time says more about the neighbours than about the server. Servers take turns within a round, so that a
disturbance hits all of them; medians over rounds are reported, and each figure as a ratio to the floor of the same run.
The server is pinned to the first core, the generator to the last. Everything stays on loopback and ends by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from machine import machine
from servers import BUILD, HERE, Server, running, servers
from workloads import LATENCY, MEMORY, TAKEN, WORKLOADS, Figure, Workload

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

RESULTS = HERE / "results"
GENERATOR_TIMEOUT = 600.0
ELSEWHERE = frozenset({"hub_undisturbed", "hub_nodes", "hub_asking"})
"""Rows of those workloads alone that name them."""
IN_TIME_MS = 100.0
"""The highest p99 at which a rate counts as borne."""


def build() -> Path:
    """Compile the load generator and the floor (once); returns the generator."""
    BUILD.mkdir(exist_ok=True)
    subprocess.run(
        ["cargo", "build", "--release", "--quiet", "--target-dir", str(BUILD)], cwd=HERE / "wsload", check=True
    )
    for name, flags in (("floor", []), ("floor_uring", ["-DURING"])):
        command = ["cc", "-O2", "-D_GNU_SOURCE", *flags, "-o", str(BUILD / name), str(HERE / "peers" / "floor.c")]
        subprocess.run(command, check=True)
    return BUILD / "release" / "wsload"


class Bench:
    """The generator and the cores that server and generator are pinned to."""

    def __init__(self, duration: float | None) -> None:
        cpus = sorted(os.sched_getaffinity(0))
        self._cores = (cpus[0], cpus[-1])
        self._generator = build()
        self._duration = duration

    def measure(self, name: str, server: Server, workload: Workload) -> dict[str, Any]:
        """A workload on a fresh server. -> the generator's result; of several rates the highest that was borne."""
        if not workload.rates:
            return self._run(name, server, workload)
        best: dict[str, Any] | None = None
        for rate in workload.rates:
            run = self._run(name, server, workload, ("--rate", str(rate)))
            if run["p99_ms"] >= IN_TIME_MS or run["lost"] or run["disconnects"]:
                return best or run
            best = run
        if best is None:
            raise SystemExit(f"{workload.title}: no rate is named")
        return best

    def _run(self, name: str, server: Server, workload: Workload, more: tuple[str, ...] = ()) -> dict[str, Any]:
        told = (*workload.told.get(name, workload.arguments), *more)
        duration = workload.duration if self._duration is None or not workload.duration else self._duration
        protocol = server.takes or server.protocol if workload.figure is TAKEN else server.protocol
        with running(server, self._cores[0], workload.environment) as at:
            command = ["taskset", "-c", str(self._cores[1]), str(self._generator), "--protocol", protocol]
            command += ["--channel", workload.channel, "--server-pid", str(at.pid), "--duration", str(duration)]
            command += ["--url", f"ws://127.0.0.1:{at.port}{server.path}{server.query}"]
            command += ["--pub-url", f"ws://127.0.0.1:{at.publish_port}{server.path}{server.query}", *told]
            done = subprocess.run(command, capture_output=True, text=True, timeout=GENERATOR_TIMEOUT, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the generator ended with {done.returncode}: {done.stderr.strip()}")
        result: dict[str, Any] = json.loads(done.stdout)
        return result


COLUMNS = ("cpu_s_per_million", "msgs_per_cpu_s", "bytes_per_conn", "deliveries_per_s", "acks", "p50_ms", "p99_ms")


def table(results: dict[str, list[dict[str, Any]]], workload: Workload) -> list[dict[str, Any]]:
    """Medians per server, with the ratio to the workload's unit in the same run."""
    figure, rows = workload.figure.field, []
    for name, runs in results.items():
        row: dict[str, Any] = {"server": name}
        row |= {column: round(statistics.median(run[column] for run in runs), 3) for column in COLUMNS}
        row["deliveries"] = round(statistics.median(run["deliveries"] for run in runs))
        row["lost"] = max(run["lost"] for run in runs)
        rows.append(row)
    unit = next((row[figure] for row in rows if row["server"] == workload.unit), None)
    for row in rows:
        row["ratio"] = round(row[figure] / unit, 2) if unit else None
    return rows


def markdown(rows: Iterable[dict[str, Any]], workload: Workload) -> str:
    """The table as it stands in the README of the benchmarks."""
    figure = workload.figure
    head = ["server", figure.title, f"ratio to {workload.unit}"]
    if figure is not MEMORY:
        head += (
            ["p50 ms", "p99 ms", "deliveries", "lost"] if figure is not LATENCY else ["p50 ms", "deliveries", "lost"]
        )
    if figure is TAKEN:
        head.append("acks")
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for row in rows:
        ratio = f"{row['ratio']:.2f}" if row["ratio"] is not None else "-"
        cells = [row["server"], shown(figure, row), ratio]
        if figure is not MEMORY:
            cells += [f"{row['p50_ms']:.1f}", *([] if figure is LATENCY else [f"{row['p99_ms']:.1f}"])]
            cells += [f"{row['deliveries']:,}", str(row["lost"])]
        if figure is TAKEN:
            cells.append(f"{row['acks']:,.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def shown(figure: Figure, values: dict[str, Any]) -> str:
    """The figure of a run or row in words for a table."""
    return f"{values[figure.field]:,.{figure.digits}f}"


def take_turns(
    bench: Bench, workload: Workload, chosen: dict[str, Server], rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """Every server once a round. -> the runs by server; one that cannot be measured is told and left out."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    for number in range(rounds):
        for name, server in chosen.items():
            try:
                run = bench.measure(name, server, workload)
            except (RuntimeError, subprocess.TimeoutExpired, SystemExit) as error:
                print(f"round {number + 1}  {name:22} not measured: {error}", file=sys.stderr)
                continue
            results[name].append(run)
            said = (
                f"{shown(workload.figure, run)} {workload.figure.title}, p99 {run['p99_ms']:.1f} ms, lost {run['lost']}"
            )
            print(f"round {number + 1}  {name:22} {said}, other CPU {run['other_cpu_s']:.1f} s", file=sys.stderr)
    return {name: runs for name, runs in results.items() if runs}


def choose(workload: Workload, wanted: set[str] | None, known: dict[str, Server]) -> dict[str, Server]:
    """The servers of a workload that were asked for and are installed; what is missing is told."""
    chosen = {}
    for name, server in known.items():
        if workload.servers:
            is_meant = name in workload.servers
        else:
            is_meant = name in workload.also or name not in ELSEWHERE
            is_meant = is_meant and (wanted is None or name in wanted)
        if not is_meant:
            continue
        if server.needs is not None and not server.needs.exists():
            print(f"{name} is not installed (benchmarks/peers/install.sh): no row", file=sys.stderr)
            continue
        chosen[name] = server
    return chosen


def main() -> None:
    """Run workloads and write their results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="+", metavar="WORKLOAD", help=f"{', '.join(WORKLOADS)}, or all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", type=float, help="seconds of each run instead of the workload's own")
    parser.add_argument("--servers", help="comma list; all that are installed by default")
    options = parser.parse_args()

    names = list(WORKLOADS) if options.workloads == ["all"] else options.workloads
    if unknown := [name for name in names if name not in WORKLOADS]:
        parser.error(f"unknown workload {', '.join(unknown)}; known: {', '.join(WORKLOADS)}, all")
    known = servers()
    wanted = set(options.servers.split(",")) if options.servers else None
    if wanted is not None and (strangers := wanted - set(known)):
        parser.error(f"unknown server {', '.join(sorted(strangers))}; known: {', '.join(known)}")
    bench = Bench(options.duration)
    for name in names:
        workload = WORKLOADS[name]
        results = take_turns(bench, workload, choose(workload, wanted, known), options.rounds)
        rows = table(results, workload)
        report = {"workload": name, "title": workload.title, "date": time.strftime("%Y-%m-%d"), "machine": machine()}
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name.lower()}.json").write_text(
            json.dumps(report | {"rows": rows, "runs": results}, indent=1) + "\n"
        )
        print(f"{name}: {workload.title}\n\n{markdown(rows, workload)}\n", flush=True)


if __name__ == "__main__":
    main()
