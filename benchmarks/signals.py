"""The SignalSystem's figures (benchmarks/README.md "Signals"): `make bench-signals`, or parts of it by name.

Single calls are pinned to one processor and timed by the thread's own processor time, batches by wall time and that of
the process; median and best of the runs are kept, with the processor's name, the load and the versions. Inputs: the
same literal list each call ("a", as the user's documents do), or distinct vectors made in blocks just before the clock
starts ("b"). Where neighbours are looked for, the window is full and turned over twice, and a sample of every run is
compared with brute force. The queue is on and drained. What the crates do by themselves
(`cargo bench -p ng-signal`, `-p ng-plane --bench filters`) is run first.
"""

import argparse
import asyncio
import json
import math
import os
import random
import resource
import statistics
import subprocess
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from machine import machine

from channels import SignalPipeline, SignalSystem

HERE = Path(__file__).parent
RESULTS = HERE / "results"
RUNS = 15
BLOCK = 4_096
WINDOW = 131_072
LITERAL = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


class Source:
    """Vectors with a fixed seed: 1,000 Gaussian clusters of sigma 0.05 per axis, or uniform."""

    def __init__(self, kind: str, seed: int = 7) -> None:
        self.kind = kind
        self._chance = random.Random(seed)
        centres = random.Random(42)
        self._centres = [[centres.random() for _ in range(8)] for _ in range(1_000)]

    def vector(self) -> list[float]:
        if self.kind == "uniform":
            return [self._chance.random() for _ in range(8)]
        return [x + self._chance.gauss(0.0, 0.05) for x in self._chance.choice(self._centres)]

    def block(self, count: int = BLOCK) -> list[list[float]]:
        return [self.vector() for _ in range(count)]


def rows(block: list[list[float]]) -> "array[float]":
    return array("f", (x for vector in block for x in vector))


def summary(seconds: list[float], calls: int, **more: Any) -> dict[str, Any]:
    """Per second and in microseconds each, median and best."""
    median, best = statistics.median(seconds), min(seconds)
    return {
        **more,
        "per_second": round(calls / median),
        "per_second_best": round(calls / best),
        "us": round(median / calls * 1e6, 3),
        "us_best": round(best / calls * 1e6, 3),
        "runs": len(seconds),
    }


def drain(system: SignalSystem) -> None:
    while system.take_batch(BLOCK) is not None:
        pass


def full(kind: str, **options: Any) -> tuple[SignalSystem, Source, "array[float]"]:
    """A system whose window is full and was turned over twice, and what the window holds."""
    system, source = SignalSystem(index_window=WINDOW, **options), Source(kind)
    held = array("f")
    for _ in range(2 * WINDOW // BLOCK):
        block = rows(source.block())
        system.warm(block)
        held.extend(block)
    system.take_batch()
    return system, source, held


def brute(held: "array[float]", before: int, point: "array[float]", radius: float) -> list[float]:
    """The distances that the ten nearest of the window have, one by one."""
    window = held[max(0, before - WINDOW) * 8 : before * 8]
    near = []
    for place in range(0, len(window), 8):
        square = 0.0
        for axis in range(8):
            square += (window[place + axis] - point[axis]) ** 2
            if square > radius * radius * 1.01:
                break
        else:
            near.append(math.sqrt(square))
    return sorted(distance for distance in near if distance <= radius)[:10]


def is_right(held: "array[float]", before: int, distances: list[float], radius: float = 0.1) -> bool:
    truth = brute(held, before, held[before * 8 : before * 8 + 8], radius)
    # Single precision against double: at the radius itself either may be right.
    return abs(len(truth) - len(distances)) <= 1 and all(
        abs(a - b) < 1e-6 for a, b in zip(truth, distances, strict=False)
    )


def pinned() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


# --- parts ------------------------------------------------------------------------------------------------------------


def literal() -> Iterator[dict[str, Any]]:
    """Input (a), index off: 1,000 calls as the user's documents time them, and 1,000,000."""
    for calls in (1_000, 1_000_000):
        for vector, name in ((LITERAL, "list"), (array("f", LITERAL), "buffer")):
            system = SignalSystem(neighbors="off")
            system.take_batch()
            seconds = []
            for _ in range(RUNS if calls < 10_000 else 5):
                start = time.thread_time()
                for _ in range(max(calls // 10_000, 1)):
                    for _ in range(min(calls, 10_000)):
                        system.emit(event_type="signal.input.text", vector=vector, priority=200)
                    drain(system)
                seconds.append(time.thread_time() - start)
            yield summary(seconds, calls, figure="emit, index off, input (a)", input=name, in_a_row=calls)


def single() -> Iterator[dict[str, Any]]:
    """Input (b): novelty and the exact ten nearest within 0.1 of 131,072 live tokens."""
    for kind in ("clustered", "uniform"):
        system, source, held = full(kind)
        seconds, right, checked = [], 0, 0
        for _ in range(RUNS):
            block = source.block()
            before = len(held) // 8
            held.extend(rows(block))
            start = time.thread_time()
            results = [system.emit("signal.input.text", vector, 200) for vector in block]
            drain(system)
            seconds.append(time.thread_time() - start)
            for place in (0, BLOCK // 2, BLOCK - 1):
                checked += 1
                near = [neighbor.distance for neighbor in results[place].neighbors]
                right += is_right(held, before + place, near) and results[place].is_novel == (not near)
        stats = system.get_stats()
        more = {"p50_us": round(stats.emit_p50_us, 3), "p99_us": round(stats.emit_p99_us, 3)}
        figure = "emit, exact top-10 within 0.1, 131,072 live, input (b)"
        yield summary(seconds, BLOCK, figure=figure, input=kind, checked=checked, right=right, **more)


def latency() -> Iterator[dict[str, Any]]:
    """What `processing_time_us` says: the core alone, clock included."""
    for mode in ("off", "exact"):
        for kind in ("clustered", "uniform"):
            system, source, _ = full(kind, neighbors=mode)
            times = []
            for _ in range(RUNS):
                block = source.block()
                times += [system.emit("signal.input.text", vector).processing_time_us for vector in block]
                drain(system)
            times.sort()
            shares = {name: round(times[int(len(times) * share)], 3) for name, share in (("p50", 0.5), ("p99", 0.99))}
            yield {"figure": "core latency, us", "index": mode, "input": kind, **shares}


def batch() -> Iterator[dict[str, Any]]:
    """4,096 at a time from one buffer, wall time."""
    for threads in (1, 2):
        for kind in ("clustered", "uniform"):
            system, source, held = full(kind, threads=threads)
            seconds, processor, right, checked = [], [], 0, 0
            for _ in range(RUNS):
                block = rows(source.block())
                before = len(held) // 8
                held.extend(block)
                start, start_cpu = time.perf_counter(), time.process_time()
                result = system.emit_batch("signal.input.text", block)
                seconds.append(time.perf_counter() - start)
                processor.append(time.process_time() - start_cpu)
                drain(system)
                for place in (1, BLOCK // 2, BLOCK - 1):
                    checked += 1
                    right += is_right(held, before + place, [n.distance for n in result[place].neighbors])
            more = {"threads": threads, "cpu_us": round(statistics.median(processor) / BLOCK * 1e6, 3)}
            figure = "emit_batch of 4,096, the same work"
            yield summary(seconds, BLOCK, figure=figure, input=kind, checked=checked, right=right, **more)


def tokens() -> Iterator[dict[str, Any]]:
    """Tokens made, and ten million of them resident."""
    count = 1 << 20
    for mode in ("off", "exact"):
        system, seconds = SignalSystem(neighbors=mode), []
        block = rows(Source("clustered").block(count // 8))
        for number in range(24):
            start = time.thread_time()
            if mode == "off":
                system.create_tokens(count // 8)
            else:
                system.create_tokens(vectors=block)
            if number >= 8:  # the slab's pages have been touched
                seconds.append(time.thread_time() - start)
        yield summary(seconds, count // 8, figure="tokens created", index=mode)
    before = resident()
    system = SignalSystem(capacity=10_000_000)
    block = rows(Source("clustered").block(100_000))
    start = time.perf_counter()
    for _ in range(95):
        system.create_tokens(vectors=block)
    took = time.perf_counter() - start
    for _ in range(5):
        system.create_tokens(vectors=block)
    figure = "9,500,000 tokens with index, seconds; 10,000,000 resident, MiB"
    yield {"figure": figure, "seconds": round(took, 2), "mib": round(resident() - before)}


def texts() -> Iterator[dict[str, Any]]:
    """`process_text`, many at once and one after the other."""
    words = random.Random(5)
    lexicon = [
        "".join(words.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(words.randint(3, 9))) for _ in range(500)
    ]
    lines = [" ".join(words.choice(lexicon) for _ in range(8)) for _ in range(20_000)]

    async def together(pipeline: SignalPipeline) -> None:
        for start in range(0, len(lines), 1_000):
            await asyncio.gather(*(pipeline.process_text(line) for line in lines[start : start + 1_000]))

    async def alone(pipeline: SignalPipeline) -> None:
        for line in lines:
            await pipeline.process_text(line)

    for name, work in (("1,000 at once", together), ("one by one", alone)):
        seconds = []
        for _ in range(5):
            pipeline = SignalPipeline(SignalSystem())
            start = time.thread_time()
            asyncio.run(work(pipeline))
            seconds.append(time.thread_time() - start)
        yield summary(seconds, len(lines), figure="process_text", how=name)


def soak() -> Iterator[dict[str, Any]]:
    """Ten million emits with a consumer; resident memory at the start, in the middle and at the end."""
    system, source, _ = full("clustered")
    blocks = [rows(source.block()) for _ in range(64)]
    count, sizes, start = 10_000_000 // BLOCK + 1, [], time.perf_counter()
    for number in range(count):
        # Each block once more is a repeat of what has long left the window, moved a little.
        system.emit_batch("signal.input.text", blocks[number % len(blocks)])
        drain(system)
        # The slab has its full size after its first round: memory is flat from there on.
        if number in (count // 5, count // 2, count - 1):
            sizes.append(round(resident(), 1))
    yield {
        "figure": "soak: 10,000,000 emits, resident MiB at a fifth, a half and the end",
        "mib": sizes,
        "seconds": round(time.perf_counter() - start, 1),
    }


def resident() -> float:
    """MiB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


PARTS: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
    "literal": literal,
    "single": single,
    "latency": latency,
    "batch": batch,
    "tokens": tokens,
    "texts": texts,
    "soak": soak,
}
CRATES = {
    "crate": ("ng-signal",),
    # Semantic subscriptions in the data plane: an event's JSON is read, and judged for 100,000 distinct balls.
    "near": ("ng-plane", "--bench", "filters"),
}
PINNED = {"literal", "single", "latency", "tokens", "texts"}


def crate(*package: str) -> list[dict[str, Any]]:
    """What a crate's own bench says."""
    command = [
        "cargo",
        "bench",
        "--quiet",
        "--manifest-path",
        str(HERE.parent / "native/Cargo.toml"),
        "-p",
        *package,
    ]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*CRATES, *PARTS, []], help="all of them by default, but for soak")
    parser.add_argument("--output", type=Path, default=RESULTS / "signals.json")
    options = parser.parse_args()
    asked = options.parts or [*CRATES, *(name for name in PARTS if name != "soak")]
    found: dict[str, Any] = json.loads(options.output.read_text()) if options.output.exists() else {}
    everything = os.sched_getaffinity(0)
    for name in asked:
        if name in PINNED:
            pinned()
        before = machine()
        figures = crate(*CRATES[name]) if name in CRATES else list(PARTS[name]())
        os.sched_setaffinity(0, everything)
        found[name] = {"machine": before | {"load_after": machine()["load"]}, "figures": figures}
        for figure in figures:
            print(json.dumps(figure))
        options.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
