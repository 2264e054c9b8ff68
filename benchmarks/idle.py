"""What an idle connection takes of the hub's memory, and in whose heap: W4 taken apart.

    .venv/bin/python benchmarks/idle.py [--against TREE] [--first 1000] [--more 4000]

Anonymous connections with one subscription each; the difference between `--first` of them and `--more` further ones,
resident and by glibc's `malloc_info` (an arena per thread). `--against` names another tree of this repository with its
native core in it. The hub runs in a process that writes its figures when it is sent SIGUSR1.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import re
import runpy
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from handshakes import QUIET, allow_files, connect
from light import framed
from servers import BUILD, HERE, free_port, hub_server, process

TOLD = BUILD / "idle.txt"
SETTLED = 3.0
"""Seconds after which a connection is idle: it has given its buffers back."""
SUBSCRIBE = framed({"type": "subscribe", "channel": "metrics"})


def tell() -> dict[str, int]:
    """Bytes of this process: resident, per arena and free in it, mapped alone; and objects of Python."""
    libc = ctypes.CDLL("libc.so.6")
    libc.fopen.restype = ctypes.c_void_p
    target = BUILD / "malloc.xml"
    stream = ctypes.c_void_p(libc.fopen(str(target).encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    *heaps, rest = target.read_text().split("</heap>")
    figures = {"resident": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")}
    for number, heap in enumerate(heaps):
        figures[f"arena {number}"] = int(re.findall(r'<system type="current" size="(\d+)"', heap)[0])
        free = re.findall(r'<total type="(?:fast|rest)" count="\d+" size="(\d+)"', heap)
        figures[f"arena {number}, free"] = sum(map(int, free))
    figures["mapped"] = sum(map(int, re.findall(r'<total type="mmap" count="\d+" size="(\d+)"', rest)))
    return {**figures, "objects": sys.getallocatedblocks()}


def serve() -> None:
    """The hub, which tells its figures when it is asked."""
    BUILD.mkdir(exist_ok=True)

    def asked(*_: object) -> None:
        part = TOLD.with_suffix(".part")
        part.write_text(json.dumps(tell()))
        part.rename(TOLD)

    signal.signal(signal.SIGUSR1, asked)
    sys.argv = ["hub", "serve"]
    runpy.run_module("hub", run_name="__main__")


def ask(pid: int) -> dict[str, int]:
    """The figures of the hub."""
    TOLD.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    while not TOLD.exists():
        time.sleep(0.05)
    figures: dict[str, int] = json.loads(TOLD.read_text())
    return figures


def measure(tree: Path, first: int, more: int) -> dict[str, float]:
    """Per connection."""
    command = (sys.executable, str(HERE / "idle.py"), "--serve")
    server = replace(hub_server(), command=command)
    connections, told = [], []
    with process(server, min(os.sched_getaffinity(0)), port := free_port(), {**QUIET, "PYTHONPATH": str(tree)}) as pid:
        for count in (first, more):
            for _ in range(count):
                connections.append(connect(port, ""))
                connections[-1].sendall(SUBSCRIBE)
                while b'"subscribed"' not in connections[-1].recv(65_536):
                    pass
            time.sleep(SETTLED)
            told.append(ask(pid))
    for connection in connections:
        connection.close()
    before, after = told
    return {name: (after[name] - before.get(name, 0)) / more for name in after}


def main() -> None:
    """Run it and print a table per tree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="another tree of this repository")
    parser.add_argument("--first", type=int, default=1_000)
    parser.add_argument("--more", type=int, default=4_000)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    allow_files()
    for tree in [HERE.parent, *([options.against.resolve()] if options.against else [])]:
        print(tree)
        for name, figure in measure(tree, options.first, options.more).items():
            print(f"  {name:<16} {figure:8.0f}")


if __name__ == "__main__":
    main()
