"""What a handshake costs the hub: processor time of its event loop and of its other threads, from accept to `welcome`.

    .venv/bin/python benchmarks/handshakes.py [--against TREE] [--tokens one|own|none] [--rounds 6] [--size 500]

Connections come one after the other, so that nothing is spread over many of them. `--against` names another tree of
this repository with its native core in it: both take turns on the same core, and the ratio is told. Tokens: `one` that
all present, each client with its `own`, or `none` (anonymous). The figures are the kernel's, per thread (schedstat).
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import jwt
from servers import HERE, SECRET, free_port, hub_server, process

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST = (
    "GET /ws{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
QUIET = {"NG_DRAIN_WINDOW": "0", "NG_DRAIN_DEADLINE": "0", "NG_HEARTBEAT_TIMEOUT": "600"}
SETTLED = 0.15
"""Seconds for what the last handshake leaves behind it."""


class Used(NamedTuple):
    """Processor time in microseconds: of the event loop's thread, and of all others."""

    loop: float
    others: float


def used(pid: int) -> Used:
    """Since the process `pid` began, of which the event loop has the first thread."""
    threads = {path.name: path / "schedstat" for path in Path(f"/proc/{pid}/task").iterdir()}
    times = {name: int(path.read_text().split()[0]) / 1_000 for name, path in threads.items()}
    return Used(times[str(pid)], sum(times.values()) - times[str(pid)])


def queries(kind: str) -> Iterator[str]:
    """Of one client after the other."""
    claims = {"sub": "bench", "role": "admin", "exp": int(time.time()) + 86_400}
    one, number = jwt.encode(claims, SECRET, algorithm="HS256"), 0
    while True:
        number += 1
        own = jwt.encode({**claims, "sub": f"u{number}"}, SECRET, algorithm="HS256") if kind == "own" else one
        yield "" if kind == "none" else f"?token={own}"


def allow_files() -> None:
    """As many descriptors as the connections of a run need, where the system lets us."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 20_000), most))


def connect(port: int, query: str) -> socket.socket:
    """A connection that has its `welcome`."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(REQUEST.format(query=query, port=port).encode())
    heard = b""
    while b'"welcome"' not in heard:
        more = connection.recv(65_536)
        if not more:
            raise SystemExit(f"expected a welcome, came {heard!r}")
        heard += more
    return connection


def turn(port: int, pid: int, asked: list[str]) -> Used:
    """Per handshake of one turn."""
    before = used(pid)
    connections = [connect(port, query) for query in asked]
    time.sleep(SETTLED)
    after = used(pid)
    for connection in connections:
        connection.close()
    return Used((after.loop - before.loop) / len(asked), (after.others - before.others) / len(asked))


def main() -> None:
    """Run it and print a line per tree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="another tree of this repository")
    parser.add_argument("--tokens", choices=["one", "own", "none"], default="one")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--size", type=int, default=500, help="handshakes in a turn")
    options = parser.parse_args()
    allow_files()
    cores = sorted(os.sched_getaffinity(0))
    trees = [HERE.parent, *([options.against.resolve()] if options.against else [])]
    asked = queries(options.tokens)
    figures: list[list[Used]] = [[] for _ in trees]
    with ExitStack() as stack:
        hubs = []
        for tree in trees:
            environment = {**QUIET, "PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}
            port = free_port()
            hubs.append((port, stack.enter_context(process(hub_server(), cores[0], port, environment))))
        os.sched_setaffinity(0, {cores[-1]})
        for number in range(options.rounds + 1):
            for at in sorted(range(len(trees)), reverse=number % 2 == 1):
                figure = turn(*hubs[at], [next(asked) for _ in range(options.size)])
                if number:  # the first turn warms up
                    figures[at].append(figure)
    medians = [Used(*(statistics.median(column) for column in zip(*rows, strict=True))) for rows in figures]
    for tree, median in zip(trees, medians, strict=True):
        print(f"{tree}: event loop {median.loop:.0f} µs, other threads {median.others:.0f} µs")
    if len(medians) > 1:
        print(f"event loop, ratio: {medians[0].loop / medians[1].loop:.2f}")


if __name__ == "__main__":
    main()
