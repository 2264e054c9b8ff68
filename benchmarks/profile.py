"""Where the CPU time of a workload goes: the hub under `perf`, by thread and by what the time is spent in.

    .venv/bin/python benchmarks/profile.py [W1 W3 …] [--seconds 4]

Needs `perf` (linux-tools) and the right to use it. Shares are of samples taken while the workload runs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import build
from servers import hub_server, running
from workloads import WORKLOADS, Workload

FREQUENCY = "999"
LEAST = 1.0
"""Per cent below which a row is left out."""
WARM_UP = 3.0


def profile(workload: Workload, seconds: float, generator: Path) -> list[tuple[float, str, str]]:
    """Shares in per cent, the largest first: thread, and the library or the kernel."""
    cores, hub = sorted(os.sched_getaffinity(0)), hub_server("bot")
    with running(hub, cores[0], workload.environment) as at, tempfile.TemporaryDirectory() as folder:
        url = f"ws://127.0.0.1:{at.port}/ws{hub.query}"
        told = ["--protocol", "ng", "--channel", workload.channel, "--duration", str(seconds + 2 * WARM_UP)]
        told += ["--server-pid", str(at.pid), "--url", url, "--pub-url", url, *workload.arguments]
        command = ["taskset", "-c", str(cores[-1]), str(generator), *told]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as load:
            time.sleep(WARM_UP)
            data = str(Path(folder) / "perf.data")
            record = ["perf", "record", "--quiet", "-F", FREQUENCY, "-p", str(at.pid), "-o", data]
            subprocess.run([*record, "--", "sleep", str(seconds)], check=True, stderr=subprocess.DEVNULL)
            load.wait()
        report = ["perf", "report", "-i", data, "--stdio", "--sort", "comm,dso", "--field-separator", ";"]
        text = subprocess.run(report, check=True, capture_output=True, text=True).stdout
    rows = [line.split(";") for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(float(share.strip().rstrip("%")), thread.strip(), what.strip()) for share, thread, what in rows]


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=["W1", "W3"], choices=("W1", "W2", "W3", "W5"))
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    if shutil.which("perf") is None:
        sys.exit("perf was expected on the path (package linux-tools), it is not there")
    generator = build()
    for name in options.workloads:
        print(f"{name}: {WORKLOADS[name].title}\n\n| share | thread | in |\n|---:|---|---|")
        for share, thread, what in profile(WORKLOADS[name], options.seconds, generator):
            if share >= LEAST:
                print(f"| {share:.1f} % | {thread} | {what} |")
        print(flush=True)


if __name__ == "__main__":
    main()
