"""What durability costs: segment files beside SQLite, and a durable channel of the hub beside one in memory.

    .venv/bin/python benchmarks/durable.py [--rounds 3] [--records 20000] [--publishes 20000]

Store: the plane's segment files and SQLite (the standard library's, WAL mode) take the same records in the same
batches under the same sync policy, in turns within a round; a batch counts when it is stored. `never` is the kernel's
time, `always` a sync for every batch. CPU is of the whole process: for the segment files it holds the entries in
memory, their JSON form and the events to Python as well, for SQLite the insert alone: the files are charged more.
Hub: CPU of the hub per publish of 128 B over one WebSocket (256 on their way, each answered) and over the REST batch
(256 in a request), the channel in memory and durable under each policy, in turns. Medians over rounds. Everything is
written below `--directory`, which should be on a disk: a file system in memory syncs for nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import jwt
from machine import machine
from websockets.sync.client import connect

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from channels._native import EVENT_STORED, Plane  # noqa: E402 - the repository's own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = (128, 2_048)
BATCHES = (1, 32, 256)
POLICIES = ("never", "always")
SYNCED_RECORDS = 1_024
"""Records of a run in which every batch is synced: a disk makes some hundreds of syncs a second."""
REQUEST = 256
HUB_FIGURES = ("websocket_cpu_us", "rest_cpu_us")
SECRET = "benchmark-secret-of-at-least-32-bytes"
START_TIMEOUT = 30.0


def write_segments(directory: Path, size: int, batch: int, count: int, policy: str) -> None:
    """The way of the hub: append, flush, wait for EVENT_STORED."""
    plane = Plane(data_dir=directory, fsync=policy)
    plane.start()
    log = plane.open_log("bench", seconds=300.0, max_bytes=64 << 20, durable=True)
    entries = [("event", _data(size), None, None, None, None)] * batch
    for _ in range(count // batch):
        _, first = plane.append(log, entries, 1.0)
        plane.flush()
        _wait_stored(plane, first + batch - 1)
    plane.stop()


def _wait_stored(plane: Plane, offset: int) -> None:
    while True:
        select.select([plane.wakeup_fd()], [], [])
        for _, kind, _, place in plane.drain():
            if kind == EVENT_STORED and place[1] >= offset:  # type: ignore[index] - (epoch, offset)
                return


def write_sqlite(directory: Path, size: int, batch: int, count: int, policy: str) -> None:
    """One transaction for each batch."""
    directory.mkdir()
    database = sqlite3.connect(directory / "log.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"PRAGMA synchronous = {'FULL' if policy == 'always' else 'OFF'}")
    database.execute(
        "CREATE TABLE entry (channel INTEGER, offset INTEGER, ts REAL, event TEXT, key TEXT, data BLOB, tags BLOB,"
        " traceparent TEXT, tracestate TEXT, mark BLOB, PRIMARY KEY (channel, offset)) WITHOUT ROWID"
    )
    data, offset = _data(size), 0
    for _ in range(count // batch):
        rows = [(1, offset + n, 1.0, "event", None, data, None, None, None, None) for n in range(1, batch + 1)]
        database.execute("BEGIN")
        database.executemany("INSERT INTO entry VALUES (?,?,?,?,?,?,?,?,?,?)", rows)
        database.execute("COMMIT")
        offset += batch
    database.close()


STORES = {"segments": write_segments, "sqlite": write_sqlite}


def _data(size: int) -> bytes:
    return b'"' + b"x" * (size - 2) + b'"'


def measure_store(directory: Path, records: int) -> Iterator[dict[str, Any]]:
    """One round over all cases."""
    for policy in POLICIES:
        count = records if policy == "never" else min(records, SYNCED_RECORDS)
        for size in SIZES:
            for batch in BATCHES:
                for name, write in STORES.items():
                    with tempfile.TemporaryDirectory(dir=directory) as made:
                        begun, cpu = time.perf_counter(), time.process_time()
                        write(Path(made) / "store", size, batch, count, policy)
                        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
                    done = count // batch * batch
                    yield {
                        "policy": policy,
                        "size": size,
                        "batch": batch,
                        "store": name,
                        "records_per_s": done / seconds,
                        "cpu_us": cpu / done * 1e6,
                    }


def measure_hub(directory: Path, publishes: int) -> Iterator[dict[str, Any]]:
    """One round: a hub for each mode, CPU per publish."""
    for mode in ("memory", "never", "interval", "always"):
        with tempfile.TemporaryDirectory(dir=directory) as made:
            yield {"mode": mode} | _hub_cpu(Path(made), mode, publishes)


def _hub_cpu(directory: Path, mode: str, publishes: int) -> dict[str, float]:
    config = directory / "hub.toml"
    durable = "false" if mode == "memory" else "true"
    config.write_text(f"[channels.actions.retention]\ndurable = {durable}\n")
    wide = dict.fromkeys(("NG_RATE_PUBLISH", "NG_HTTP_RATE", "NG_MESSAGE_RATE"), "100000000/100000000")
    settings = {"NG_CONFIG": str(config), "NG_JWT_SECRET": SECRET, "NG_LOG_LEVEL": "warning", **wide}
    if mode != "memory":
        settings |= {"NG_DATA_DIR": str(directory / "data"), "NG_FSYNC": mode}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NG_")} | settings
    environment["PYTHONPATH"] = str(HERE.parent)
    hub = subprocess.Popen(
        [sys.executable, "-m", "hub", "serve", "--port", "0"],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = _url(hub)
        token = jwt.encode({"sub": "bench", "role": "admin", "exp": int(time.time()) + 86_400}, SECRET, "HS256")
        turns = publishes // REQUEST
        figures = {}
        for path, publishing in (("websocket", _over_websocket), ("rest", _over_rest)):
            with publishing(url, token) as publish:
                publish()  # imports and first pages
                before = _cpu(hub.pid)
                for _ in range(turns):
                    publish()
                figures[f"{path}_cpu_us"] = (_cpu(hub.pid) - before) / (turns * REQUEST) * 1e6
        return figures
    finally:
        hub.terminate()
        hub.wait(START_TIMEOUT)
        if hub.stdout is not None:
            hub.stdout.close()


@contextlib.contextmanager
def _over_rest(url: str, token: str) -> Iterator[Callable[[], None]]:
    content = json.dumps([{"channel": "actions", "event": "e", "data": "x" * 126}] * REQUEST)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:

        def publish() -> None:
            answer = client.post("/api/v1/publish", content=content)
            if answer.json()["data"]["stored"] != REQUEST:
                raise RuntimeError(f"expected {REQUEST} stored, came {answer.text[:300]}")

        yield publish


@contextlib.contextmanager
def _over_websocket(url: str, token: str) -> Iterator[Callable[[], None]]:
    texts = [
        json.dumps({"type": "publish", "id": ident, "channel": "actions", "event": "e", "data": "x" * 126})
        for ident in range(REQUEST)
    ]
    with connect(f"{url.replace('http', 'ws')}/ws?token={token}", compression=None) as socket:
        socket.recv()

        def publish() -> None:
            for text in texts:
                socket.send(text)
            for _ in texts:
                answer = socket.recv()
                if '"ack"' not in str(answer):
                    raise RuntimeError(f"expected an ack, came {answer!r}")

        yield publish


def _url(hub: subprocess.Popen[str]) -> str:
    for line in hub.stdout or ():
        if "ws://localhost:" in line:
            port = line.split("ws://localhost:")[1].split("/")[0]
            return f"http://127.0.0.1:{port}"
    raise RuntimeError("expected the hub's banner, came its end")


def _cpu(pid: int) -> float:
    """Seconds of user and system time of all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def medians(rows: list[dict[str, Any]], keys: tuple[str, ...], figures: tuple[str, ...]) -> list[dict[str, Any]]:
    """One row for each case."""
    cases: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        cases.setdefault(tuple(row[key] for key in keys), []).append(row)
    return [
        dict(zip(keys, case, strict=True))
        | {figure: round(statistics.median(run[figure] for run in runs), 2) for figure in figures}
        for case, runs in cases.items()
    ]


def show(stores: list[dict[str, Any]], hubs: list[dict[str, Any]]) -> None:
    """Both tables, as they stand in the README."""
    print("| sync | bytes | batch | segments: records/s | CPU µs | SQLite: records/s | CPU µs |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for ours, other in zip(stores[::2], stores[1::2], strict=True):
        figures = [
            f"{row[key]:,.{digits}f}" for row in (ours, other) for key, digits in (("records_per_s", 0), ("cpu_us", 1))
        ]
        print(f"| {ours['policy']} | {ours['size']} | {ours['batch']} | {' | '.join(figures)} |")
    print("\n| channel | WebSocket: CPU µs per publish | more than in memory | REST: CPU µs | more |")
    print("|---|---:|---:|---:|---:|")
    for row in hubs:
        shown = (f"{row[key]:.1f} | {(row[key] / hubs[0][key] - 1) * 100:+.0f} %" for key in HUB_FIGURES)
        print(f"| {row['mode']} | {' | '.join(shown)} |")


def main() -> None:
    """Measure, keep, show."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--records", type=int, default=20_480)
    arguments.add_argument("--publishes", type=int, default=20_480)
    arguments.add_argument("--directory", type=Path, default=HERE / ".build")
    chosen = arguments.parse_args()
    chosen.directory.mkdir(exist_ok=True)
    stores: list[dict[str, Any]] = []
    hubs: list[dict[str, Any]] = []
    for _ in range(chosen.rounds):
        stores += measure_store(chosen.directory, chosen.records)
        hubs += measure_hub(chosen.directory, chosen.publishes)
    kept = medians(stores, ("policy", "size", "batch", "store"), ("records_per_s", "cpu_us"))
    told = medians(hubs, ("mode",), HUB_FIGURES)
    show(kept, told)
    document = {"machine": machine(), "store": kept, "hub": told, "runs": {"store": stores, "hub": hubs}}
    (HERE / "results" / "durable.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
