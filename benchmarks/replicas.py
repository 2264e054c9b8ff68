"""What an entry costs that goes through a store: the CPU time of making its binary form, and of taking it into a log.

    .venv/bin/python benchmarks/replicas.py [--rounds 5] [--entries 200000] [--size 128]

`encode` is `encode_entries`, rules and JSON checked; `apply` is `apply_entries` of what it made, joined, into a log
that nobody follows: read, checked, composed as the `event` message, kept. `append` is the same on a node alone. CPU of
the process per entry, by the entries in one call; medians over rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

from machine import machine

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from channels._native import Plane, encode_entries  # noqa: E402 - the repository's own

BATCHES = (1, 32, 256)
EPOCH = "bench"
Entry = tuple[str, bytes, str | None, bytes | None, str | None, str | None]


def measure(batch: int, count: int, size: int) -> dict[str, float]:
    """One round: CPU in microseconds for each entry."""
    entries: list[Entry] = [("event", b'"' + b"x" * (size - 2) + b'"', None, None, None, None)] * batch
    calls, now = count // batch, time.time()
    plane = Plane()
    ours, alone = (plane.open_log(name, seconds=300.0, max_bytes=64 << 20) for name in ("replica", "alone"))
    plane.begin_log(ours, EPOCH, 0)
    figures = {}

    begun = time.process_time()
    for _ in range(calls):
        packed = encode_entries(entries, now)
    figures["encode_us"] = time.process_time() - begun

    joined = b"".join(packed)
    begun = time.process_time()
    for call in range(calls):
        plane.apply_entries(ours, EPOCH, call * batch + 1, joined)
    figures["apply_us"] = time.process_time() - begun

    begun = time.process_time()
    for _ in range(calls):
        plane.append(alone, entries, now)
    figures["append_us"] = time.process_time() - begun
    plane.stop()
    return {name: seconds / (calls * batch) * 1e6 for name, seconds in figures.items()}


def main() -> None:
    """Measure, keep, show."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--entries", type=int, default=200_000)
    arguments.add_argument("--size", type=int, default=128)
    chosen = arguments.parse_args()
    kept = []
    print(f"| entries in a call, {chosen.size} B each | encode: CPU µs per entry | apply | append, on a node alone |")
    print("|---:|---:|---:|---:|")
    for batch in BATCHES:
        runs = [measure(batch, chosen.entries, chosen.size) for _ in range(chosen.rounds)]
        row = {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}
        kept.append({"batch": batch, "size": chosen.size} | row)
        print(f"| {batch} | {' | '.join(f'{figure:.2f}' for figure in row.values())} |")
    document = {"machine": machine(), "entries": kept}
    (HERE / "results" / "replicas.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
