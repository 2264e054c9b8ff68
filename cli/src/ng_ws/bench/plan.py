"""What is to be measured, within bounds: a bench must not take down what it measures."""

from dataclasses import dataclass
from typing import Literal

from neurograph_ws_client import Limits
from neurograph_ws_client.urls import is_loopback, masked

from ..exits import Exit, Failed
from ..settings import Settings

Kind = Literal["pub", "sub", "emit", "conn"]

MOST_CLIENTS = 1_000
MOST_EVENTS = 100_000
MOST_RATE = 20_000.0
MOST_BYTES = 65_536

# L24: a subject has so many times the rate of one of its connections.
_SUBJECT = 10

# Below what a bucket refills, so that nothing is refused for the clock's sake.
_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Plan:
    """The options of `bench`. `rate`: events a second over all clients; None: what the hub allows."""

    kind: Kind
    channel: str = "actions"
    clients: int = 10
    events: int = 100
    rate: float | None = None
    size: int = 128
    is_confirmed: bool = False


def check(settings: Settings, plan: Plan) -> None:
    """Only this machine is loaded without a word; others after `--yes`."""
    if not is_loopback(settings.url) and not plan.is_confirmed:
        text = f"bench: {masked(settings.url)} is not this machine: expected --yes before it is put under load"
        raise Failed(Exit.USAGE, text, "next: the same with --yes, if whoever runs that hub agrees")


def rate_of(plan: Plan, limits: Limits, senders: int) -> float:
    """Events a second over all senders; more than the hub's buckets let through is refused before anything is sent."""
    capacity, refill = limits.rates.get("emit" if plan.kind == "emit" else "publish", (60.0, 10.0))
    allowed = refill * min(senders, _SUBJECT)
    if plan.rate is None:
        return allowed * _SHARE
    burst = capacity * min(senders, _SUBJECT)
    if plan.rate > allowed and plan.events > burst:
        text = f"--rate: expected at most {allowed:g} events per second here, got {plan.rate:g}"
        hint = (
            f"next: fewer than {burst:g} events (-n) fit into the buckets; or NG_RATE_PUBLISH, NG_RATE_EMIT at the hub"
        )
        raise Failed(Exit.USAGE, text, hint)
    return plan.rate
