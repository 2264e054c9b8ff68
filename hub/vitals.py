"""Which parts of the hub are watched, and when each of them is well."""

from typing import TYPE_CHECKING

from channels import SignalSystemError
from hub.health import OK, Health, State

if TYPE_CHECKING:
    from hub.hub import Hub

SLOW_LOOP = 0.1
"""Seconds of lag at the 99th percentile from which the loop counts as degraded."""


def watch(hub: "Hub") -> None:
    """Enter every part into the book of `hub`."""
    vitals = Vitals(hub)
    hub.health.add("plane", vitals.plane, vital=True)
    hub.health.add("signals", vitals.signals, vital=True)
    hub.health.add("broker", vitals.broker)
    hub.health.add("backplane", vitals.store)
    hub.health.add("auth", vitals.auth)
    hub.health.add("metrics", vitals.loop)


class Vitals:
    """The parts' states as they are now."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub

    def plane(self) -> Health:
        """Failed once an I/O thread was lost."""
        return self._running(self._hub.connections.failure)

    def signals(self) -> Health:
        """Failed once the SignalSystem does not work, or the pump could not go on."""
        try:
            self._hub.signals.count_tokens()
        except SignalSystemError as error:
            return Health(State.FAILED, str(error))
        return self._running(self._hub.pump.failure)

    def broker(self) -> Health:
        """Well while the hub runs."""
        return self._running(None)

    def store(self) -> Health:
        """Failed while a store elsewhere cannot be relied on (N10).

        Degraded while a durable log cannot be written: its publishes are refused, all else goes on. Degraded as well
        where the node goes on alone by choice.
        """
        broker = self._hub.broker
        if broker.backplane.failure is not None:
            return Health(State.FAILED, broker.backplane.failure)
        if self._hub.cluster is not None and self._hub.cluster.failure is not None and not broker.backplane.is_alone:
            return Health(State.STARTING, self._hub.cluster.failure)
        if broker.backplane.is_alone:
            return Health(State.DEGRADED, "Redis is away, and this node goes on alone (NG_REDIS_ABSENT)")
        failed = broker.durable.unwritable
        if not failed:
            return self._running(None)
        return Health(State.DEGRADED, f"{len(failed)} durable logs cannot be written: {next(iter(failed.values()))}")

    def auth(self) -> Health:
        """Starting until every key set has been loaded; degraded while other nodes hold other keys."""
        if not self._hub.authenticator.is_ready:
            return Health(State.STARTING, "a key set has not been loaded yet")
        failure = self._hub.cluster and self._hub.cluster.agreement.failure
        return Health(State.DEGRADED, failure) if failure else OK

    def loop(self) -> Health:
        """Degraded while the event loop is late."""
        lag = self._hub.loop_lag.figures().p99
        return OK if lag < SLOW_LOOP else Health(State.DEGRADED, f"event loop late by {lag * 1_000:.0f} ms (p99)")

    def _running(self, failure: str | None) -> Health:
        if failure is not None:
            return Health(State.FAILED, failure)
        return OK if self._hub.health.is_started else Health(State.STARTING)
