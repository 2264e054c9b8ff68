"""What gathering writes costs in latency and saves in CPU: workloads on hubs with one `NG_FLUSH_MS` after the other.

    .venv/bin/python benchmarks/flush.py [--workload W3] [--rounds 2] [--duration 5]

Writes `results/flush.json`, the plot `results/flush.svg`, and the table that stands in the README of the benchmarks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from typing import Any

from machine import machine
from run import RESULTS, Bench, take_turns
from servers import hub_server
from workloads import WORKLOADS

SETTINGS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Milliseconds that writes are gathered for at most."""
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 320, 56, 56, 28, 44
CURVES = (("cpu", "CPU, µs per delivery", "#1d70b8"), ("p50", "p50 ms", "#00703c"), ("p99", "p99 ms", "#d4351c"))


def rows(runs: dict[str, list[dict[str, Any]]]) -> list[dict[str, float]]:
    """Medians by setting."""
    return [
        {
            "flush_ms": float(name),
            "cpu": statistics.median(run["cpu_s_per_million"] for run in measured),
            "p50": statistics.median(run["p50_ms"] for run in measured),
            "p99": statistics.median(run["p99_ms"] for run in measured),
            "lost": max(run["lost"] for run in measured),
        }
        for name, measured in runs.items()
    ]


def markdown(found: list[dict[str, float]]) -> str:
    """The table."""
    lines = ["| `NG_FLUSH_MS` | CPU µs per delivery | p50 ms | p99 ms | lost |", "|---:|---:|---:|---:|---:|"]
    lines += [
        f"| {row['flush_ms']:g} | {row['cpu']:.2f} | {row['p50']:.1f} | {row['p99']:.1f} | {row['lost']:.0f} |"
        for row in found
    ]
    return "\n".join(lines)


def svg(found: list[dict[str, float]], title: str) -> str:
    """The plot: settings from left to right, CPU by the left scale, latencies by the right one."""
    most = {"cpu": 1.1 * max(row["cpu"] for row in found), "ms": 1.1 * max(row["p99"] for row in found)}
    step = (WIDTH - LEFT - RIGHT) / max(1, len(found) - 1)
    height = HEIGHT - TOP - BOTTOM

    def place(number: int, name: str, value: float) -> tuple[float, float]:
        scale = most["cpu" if name == "cpu" else "ms"]
        return LEFT + number * step, TOP + height * (1 - value / scale)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        '    font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="16" font-weight="bold">{title}</text>',
        f'<path d="M{LEFT} {TOP}V{TOP + height}H{WIDTH - RIGHT}V{TOP}" fill="none" stroke="#888"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        y = TOP + height * (1 - share)
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{share * most["cpu"]:.1f}</text>')
        parts.append(f'<text x="{WIDTH - RIGHT + 6}" y="{y + 4:.0f}">{share * most["ms"]:.1f}</text>')
    for number, row in enumerate(found):
        x = LEFT + number * step
        parts.append(f'<text x="{x:.0f}" y="{TOP + height + 16}" text-anchor="middle">{row["flush_ms"]:g}</text>')
    for number, (name, label, colour) in enumerate(CURVES):
        points = [place(at, name, row[name]) for at, row in enumerate(found)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        scale = "left scale" if name == "cpu" else "right scale"
        x = LEFT + number * 190
        parts.append(f'<text x="{x}" y="{HEIGHT - 8}" fill="{colour}">{label} ({scale})</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="16" text-anchor="end">NG_FLUSH_MS from left to right</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", default="W3", choices=("W1", "W2", "W3"))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--duration", type=float, default=5.0)
    options = parser.parse_args()

    hub, workload = hub_server("bot"), WORKLOADS[options.workload]
    chosen = {f"{ms:g}": replace(hub, environment=hub.environment | {"NG_FLUSH_MS": f"{ms:g}"}) for ms in SETTINGS}
    runs = take_turns(Bench(options.duration), workload, chosen, options.rounds)
    found = rows(runs)
    report = {"workload": options.workload, "title": workload.title, "date": time.strftime("%Y-%m-%d")}
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(report | {"machine": machine(), "rows": found, "runs": runs}, indent=1)
    (RESULTS / "flush.json").write_text(text + "\n")
    (RESULTS / "flush.svg").write_text(svg(found, f"{options.workload}: {workload.title}"))
    print(markdown(found))


if __name__ == "__main__":
    main()
