"""Which faults come when: a seed decides it all, and it is written down before the first one happens."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

# The run begins with so much calm, or a fifth of a short one, and ends with a tenth of it.
CALM = 5.0

# One more fault for so many seconds of the run; each kind that was asked for comes at least once.
EVERY = 2.5

MAX_FAULTS = 500


class Kind(NamedTuple):
    """A class of faults: how long one lasts (seconds), whether it needs a hub that we started, and what it does."""

    shortest: float
    longest: float
    needs_hub: bool
    does: str


KINDS: dict[str, Kind] = {
    "cut": Kind(0.0, 0.0, False, "closes connections in order (FIN)"),
    "rst": Kind(0.0, 0.0, False, "resets connections"),
    "stall": Kind(0.3, 3.0, False, "reads nothing in either direction"),
    "hole": Kind(0.5, 5.0, False, "swallows bytes while TCP stays up (half-open)"),
    "refuse": Kind(0.3, 2.0, False, "resets new connections"),
    "delay": Kind(0.5, 3.0, False, "holds bytes for a while"),
    "jitter": Kind(0.5, 3.0, False, "holds bytes for an uneven while"),
    "slice": Kind(0.5, 2.0, False, "forwards a few bytes at a time"),
    "slow": Kind(0.5, 3.0, False, "slow handlers and slow readers"),
    "kill": Kind(0.1, 1.0, True, "kill -9 of the hub, and a new start"),
    "stop": Kind(0.0, 0.5, True, "SIGTERM: the hub drains; then a new start"),
    "pause": Kind(0.2, 2.0, True, "SIGSTOP and SIGCONT"),
}

RESTARTS = frozenset({"kill", "stop"})
EVERYWHERE = tuple(name for name, kind in KINDS.items() if not kind.needs_hub)


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
