"""`make verify`: campaigns against the hub must pass, and the same against hubs with a planted bug must be caught.

One hub alone, then two and three nodes that share a Redis; then bugs, each planted from outside by tests/support.
Prints a line when a run begins, and one table at the end. `--only` takes a part of it: alone, nodes, planted.
"""

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
PLANTED = ROOT / "tests" / "support" / "planted.py"
NG_WS = [sys.executable, "-m", "ng_ws"]
PASSED, VIOLATED, USAGE = 0, 8, 2
LONGEST = 600


class Bug(NamedTuple):
    """Faults under which a planted bug shows itself, and the rules that have to say so."""

    faults: str
    rules: tuple[str, ...]


BUGS = {
    "off-by-one": Bug("cut,rst", ("V12", "I3")),
    "duplicate": Bug("cut,rst", ("I3",)),
    "head-first": Bug("cut,rst", ("I3",)),
    "gap-swallowed": Bug("kill,cut", ("I3",)),
    "offset-reused": Bug("kill,cut", ("V2", "I1")),
    "gap-invented": Bug("cut,rst", ("V12",)),
    "answer-forgotten": Bug("none", ("I6",)),
}
# And what has to happen to nodes and their Redis.
NODE_BUGS = {
    "offset-reused-after-failover": Bug("failover", ()),
    "hole-exposed": Bug("deaf,partition", ()),
    "epoch-swallowed": Bug("flush,redis-empty", ()),
}
# What may cost entries, without anything else, so that the times until it is told are its own.
LOSSES = "flush,del,redis-empty,redis-kill,failover"


class Run(NamedTuple):
    """One call of `ng-ws verify`, and how it has to end."""

    name: str
    options: tuple[str, ...]
    bug: str | None = None
    rules: tuple[str, ...] = ()
    """Those that have to find the bug."""

    @property
    def wanted(self) -> int:
        """The exit code."""
        return PASSED if self.bug is None else VIOLATED


class Shown(NamedTuple):
    """How it ended."""

    run: Run
    code: int
    seconds: float
    results: Sequence[Mapping[str, Any]]
    error: str

    @property
    def is_good(self) -> bool:
        """Whether as it has to, and by the rules that are meant for it."""
        found = self.results[-1]["violations"] if self.results else {}
        return self.code == self.run.wanted and all(rule in found for rule in self.run.rules)


def alone() -> list[Run]:
    """Three seeds with every class of faults."""
    return [Run("one hub", ("--for", "25s", "--seed", str(seed))) for seed in (1, 2, 3)]


def nodes() -> list[Run]:
    """Two and three nodes with every class of faults, and two under those that may cost entries."""
    return [
        Run("two nodes", ("--nodes", "2", "--for", "30s", "--seed", "1")),
        Run("three nodes", ("--nodes", "3", "--for", "30s", "--seed", "2")),
        Run("two, losses", ("--nodes", "2", "--for", "30s", "--seed", "3", "--fault", LOSSES)),
    ]


def planted(*, has_nodes: bool) -> list[Run]:
    """A short campaign against hubs with each of the bugs."""
    short = ("--for", "10s", "--seed", "1")
    runs = [_planted(name, bug, short) for name, bug in BUGS.items()]
    if has_nodes:
        long = ("--nodes", "2", "--for", "15s", "--seed", "1")
        runs += [_planted(name, bug, long) for name, bug in NODE_BUGS.items()]
    return runs


def _planted(name: str, bug: Bug, options: tuple[str, ...]) -> Run:
    command = shlex.join([sys.executable, str(PLANTED), name])
    return Run(f"planted {name}", (*options, "--fault", bug.faults, "--hub-command", command), name, bug.rules)


def shown(run: Run) -> Shown:
    """Run it."""
    print(f"verify: {run.name} {shlex.join(run.options[:6])}", file=sys.stderr, flush=True)
    began = monotonic()
    command = [*NG_WS, "verify", "--start-hub", "--quiet", "--format", "json", *run.options]
    try:
        done = subprocess.run(command, text=True, check=False, capture_output=True, timeout=LONGEST)  # noqa: S603 - our own
    except subprocess.TimeoutExpired:
        return Shown(run, -1, monotonic() - began, (), f"it did not end within {LONGEST} s")
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return Shown(run, done.returncode, monotonic() - began, results, done.stderr.strip())


HEADER = ("run", "verdict", "s", "entries", "lost", "twice", "recovered", "epochs ended", "told within", "found")


def row(one: Shown) -> tuple[str, ...]:
    """Its line of the table."""
    seconds = f"{one.seconds:.0f}"
    if not one.results:
        said = (one.error.splitlines() or [""])[0][:60]
        return (one.run.name, _word(one), seconds, *[""] * (len(HEADER) - 4), said)
    told = one.results[-1]
    slowest = max((times["max"] for times in told["told_ms"].values()), default=None)
    rate = told["recovery_rate"]
    return (
        one.run.name,
        _word(one),
        seconds,
        str(told["handled"]),
        str(told["lost"]),
        str(told["duplicates"]),
        "" if rate is None else f"{rate:.1%}",
        str(sum(told["epochs_rotated"].values())),
        "" if slowest is None else f"{slowest / 1000:.1f} s",
        " ".join(f"{rule}:{count}" for rule, count in told["violations"].items()),
    )


def _word(one: Shown) -> str:
    if one.run.bug is not None:
        return "caught" if one.is_good else "NOT CAUGHT"
    return "passed" if one.is_good else {VIOLATED: "VIOLATED"}.get(one.code, f"FAILED ({one.code})")


def table(rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they have to be."""
    lines = [HEADER, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    padded = ([text.ljust(width) for text, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def told_of(all_shown: Sequence[Shown]) -> Iterable[str]:
    """Of each fault that may cost entries: how long it took until everybody connected was told."""
    worst: dict[str, tuple[int, float]] = {}
    for one in all_shown:
        for result in one.results if one.run.bug is None else ():
            for kind, times in result["told_ms"].items():
                count, most = worst.get(kind, (0, 0.0))
                worst[kind] = count + times["count"], max(most, times["max"])
    for kind, (count, most) in sorted(worst.items()):
        yield f"{kind}: {count} gaps told, the last {most / 1000:.1f} s after it"


def details(one: Shown) -> Iterable[str]:
    """What speaks against a run."""
    yield f"{one.run.name}: {_word(one)}; again: ng-ws verify --start-hub {shlex.join(one.run.options)}"
    for result in one.results:
        yield from (f"  {reason}" for reason in result["incomplete"][:3])
        yield from (f"  {found['rule']}: {found['what']}" for found in result["found"][:3])
    if not one.results:
        yield f"  {one.error[-600:]}"


def has_redis() -> bool:
    """Whether nodes can be joined here."""
    probe = [*NG_WS, "verify", "--nodes", "2", "--for", "500ms", "--fault", "none", "--hub-command", "false"]
    done = subprocess.run(probe, text=True, check=False, capture_output=True, timeout=60)  # noqa: S603 - our own
    if done.returncode == USAGE:
        print(done.stderr.strip(), file=sys.stderr)
    return done.returncode != USAGE


def main(arguments: Sequence[str]) -> int:
    """0 if the hub passed and every bug was caught."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Campaigns of faults, and hubs with planted bugs.")
    parser.add_argument("--only", action="append", choices=("alone", "nodes", "planted"), help="a part; repeatable")
    parts = parser.parse_args(arguments).only or ["alone", "nodes", "planted"]
    can_join = has_redis() if {"nodes", "planted"} & set(parts) else False
    runs = alone() if "alone" in parts else []
    if "nodes" in parts and can_join:
        runs += nodes()
    if "planted" in parts:
        runs += planted(has_nodes=can_join)
    all_shown = [shown(run) for run in runs]
    print(table(map(row, all_shown)))
    print("\n".join(told_of(all_shown)))
    bad = [one for one in all_shown if not one.is_good]
    for one in bad:
        print("\n".join(details(one)))
    bugs = [one for one in all_shown if one.run.bug is not None]
    honest = [one for one in all_shown if one.run.bug is None]
    skipped = "" if can_join or parts == ["alone"] else "; nodes skipped: no redis-server"
    print(
        f"verify: {sum(one.is_good for one in honest)} of {len(honest)} campaigns passed; "
        f"{sum(one.is_good for one in bugs)} of {len(bugs)} planted bugs caught{skipped}"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
