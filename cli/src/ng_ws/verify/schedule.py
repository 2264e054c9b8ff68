"""Which faults come when: a seed decides it all, and it is written down before the first one happens."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple

# The run begins with so much calm, or a fifth of a short one, and ends with a tenth of it.
CALM = 5.0

# One more fault for so many seconds of the run; each kind that was asked for comes at least once.
EVERY = 2.5

MAX_FAULTS = 500


Needs = Literal["", "hub", "store"]


class Kind(NamedTuple):
    """A class of faults: how long one lasts (seconds), what it needs of ours, and what it does.

    Needs `hub`: one that we started; `store`: nodes that share a Redis that we started.
    """

    shortest: float
    longest: float
    needs: Needs
    does: str


KINDS: dict[str, Kind] = {
    "cut": Kind(0.0, 0.0, "", "closes connections in order (FIN)"),
    "rst": Kind(0.0, 0.0, "", "resets connections"),
    "stall": Kind(0.3, 3.0, "", "reads nothing in either direction"),
    "hole": Kind(0.5, 5.0, "", "swallows bytes while TCP stays up (half-open)"),
    "refuse": Kind(0.3, 2.0, "", "resets new connections"),
    "delay": Kind(0.5, 3.0, "", "holds bytes for a while"),
    "jitter": Kind(0.5, 3.0, "", "holds bytes for an uneven while"),
    "slice": Kind(0.5, 2.0, "", "forwards a few bytes at a time"),
    "slow": Kind(0.5, 3.0, "", "slow handlers and slow readers"),
    "kill": Kind(0.1, 1.0, "hub", "kill -9 of a hub, and a new start"),
    "stop": Kind(0.0, 0.5, "hub", "SIGTERM: a hub drains; then a new start"),
    "pause": Kind(0.2, 2.0, "hub", "SIGSTOP and SIGCONT of a hub"),
    "partition": Kind(1.0, 6.0, "store", "one node and Redis do not hear each other"),
    "deaf": Kind(0.0, 0.0, "store", "Redis ends the connections that nodes listen on"),
    "redis-pause": Kind(0.5, 4.0, "store", "SIGSTOP and SIGCONT of Redis"),
    "redis-kill": Kind(0.2, 2.0, "store", "kill -9 of Redis, and a new start with its log"),
    "redis-empty": Kind(0.2, 2.0, "store", "kill -9 of Redis, and a new start with nothing"),
    "flush": Kind(0.0, 0.0, "store", "FLUSHALL"),
    "del": Kind(0.0, 0.0, "store", "the keys of one channel are deleted"),
    "failover": Kind(0.5, 1.5, "store", "a replica that lags becomes the master, and who lags too comes to it first"),
}

# Ends of a hub's process, and what may end what Redis keeps.
RESTARTS = frozenset({"kill", "stop"})
LOSSES = frozenset({"redis-kill", "redis-empty", "flush", "del", "failover"})
EVERYWHERE = tuple(name for name, kind in KINDS.items() if not kind.needs)
ALONE = tuple(name for name, kind in KINDS.items() if kind.needs != "store")


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned fault: at so many seconds of the run, for so long, on this share of the connections."""

    no: int
    kind: str
    at: float
    length: float
    share: float


def planned(seed: int, kinds: Sequence[str], duration: float) -> list[Fault]:
    """The schedule of a run, in order of time; overlaps are wanted."""
    random = Random(seed)  # noqa: S311 - a schedule is to be repeated, not to be unforeseeable
    calm = min(CALM, duration / 5)
    end = duration * 0.9
    names = list(dict.fromkeys(kinds))
    count = min(MAX_FAULTS, max(len(names), int((end - calm) / EVERY))) if names else 0
    names += [random.choice(names) for _ in range(count - len(names))]
    times = sorted(random.uniform(calm, end) for _ in names)
    random.shuffle(names)
    return [_fault(number, name, at, random) for number, (name, at) in enumerate(zip(names, times, strict=True), 1)]


def _fault(number: int, name: str, at: float, random: Random) -> Fault:
    kind = KINDS[name]
    length = random.uniform(kind.shortest, kind.longest)
    return Fault(number, name, round(at, 3), round(length, 3), round(random.uniform(0.1, 1.0), 2))
