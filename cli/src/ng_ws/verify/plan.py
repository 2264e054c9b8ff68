"""What a run was asked to be, and the bounds of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..durations import seconds
from ..exits import Exit, Failed, misused
from .schedule import ALONE, EVERYWHERE, KINDS

MAX_CLIENTS = 2_000
MAX_PUBLISHERS = 100
MAX_CHANNELS = 64
MAX_SEEDS = 100
MAX_DURATION = 3_600.0
MAX_NODES = 8

# Entries handled by all subscribers together: the checker keeps sixteen bytes of each.
MAX_HANDLED = 10_000_000

# Entries published: the checkers keep about two kilobytes of each, whatever it holds.
MAX_PUBLISHED = 500_000


_NAME = "next: name channels on which the role may publish and that nobody minds: --channels room:verify"


@dataclass(frozen=True, slots=True)
class Plan:
    """The options of `verify`; `rate` is of all publishers together, entries a second."""

    clients: int
    publishers: int
    channels: tuple[str, ...]
    rate: float
    duration: float
    seeds: tuple[int, ...]
    faults: tuple[str, ...]
    starts_hub: bool
    hub_command: str | None = None
    history: Path | None = None
    nodes: int = 1
    # As it was asked for; None is the one on PATH.
    redis_server: str | None = None


def channels_of(given: Sequence[str] | None, *, starts_hub: bool) -> tuple[str, ...]:
    """Read `--channels`: names, or for a hub of our own how many."""
    names = tuple(dict.fromkeys(name for text in given or () for name in text.split(",") if name))
    if not names and starts_hub:
        names = ("2",)
    if not names:
        why = "because --url or NG_URL names a hub (the default 2 is for a hub of its own)"
        raise Failed(Exit.USAGE, f"--channels: expected names of channels, {why}, got none", _NAME)
    if len(names) == 1 and names[0].isdecimal():
        count = int(names[0])
        if not starts_hub or not 1 <= count <= MAX_CHANNELS:
            raise misused("--channels", f"names, or 1 to {MAX_CHANNELS} with a hub of our own", names[0])
        return tuple(f"verify:{number}" for number in range(1, count + 1))
    if len(names) > MAX_CHANNELS:
        raise misused("--channels", f"1 to {MAX_CHANNELS} names of channels", len(names), _NAME)
    return names


def faults_of(given: Sequence[str] | None, *, starts_hub: bool, is_near: bool, nodes: int = 1) -> tuple[str, ...]:
    """Read `--fault`: those that were named, else all that can be had; `none` is none."""
    names = tuple(dict.fromkeys(name for text in given or () for name in text.split(",") if name))
    if names == ("none",):
        return ()
    own = tuple(KINDS) if nodes > 1 else ALONE
    possible = own if starts_hub else EVERYWHERE if is_near else ()
    for name in names:
        if name not in KINDS:
            hint = "; ".join(f"{known}: {kind.does}" for known, kind in KINDS.items())
            raise misused("--fault", f"{', '.join(KINDS)} or none", name, hint)
        if name not in possible:
            raise _impossible(name, starts_hub=starts_hub)
    return names or possible


def _impossible(name: str, *, starts_hub: bool) -> Failed:
    needs = KINDS[name].needs
    if starts_hub:
        return misused("--fault", f"--nodes 2 or more for {name}", "one hub alone")
    what = {"": "a hub on this machine", "hub": "a hub of our own", "store": "hubs of our own, --nodes 2 or more,"}
    return misused("--fault", f"{what[needs]} for {name}", "--url", "next: the same with --start-hub, or --fault none")


def duration_of(text: str) -> float:
    """Read `--for`."""
    duration = seconds("--for", text)
    if not 0.5 <= duration <= MAX_DURATION:
        raise misused("--for", "a time from 500ms to 1h", text)
    return duration


def checked(plan: Plan) -> Plan:
    """The plan, if this process can hold what it would bring."""
    if len(plan.seeds) > MAX_SEEDS:
        raise misused("--seed", f"at most {MAX_SEEDS} seeds", len(plan.seeds))
    handled = plan.clients * plan.rate * plan.duration
    if handled > MAX_HANDLED:
        expected = f"at most {MAX_HANDLED:,} handled entries (clients x rate x time)"
        raise misused("--clients, --rate, --for", expected, f"{handled:,.0f}")
    published = plan.rate * plan.duration
    if published > MAX_PUBLISHED:
        expected = f"at most {MAX_PUBLISHED:,} published entries (rate x time)"
        raise misused("--rate, --for", expected, f"{published:,.0f}")
    return plan
