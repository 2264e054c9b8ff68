"""What time does to a hub, once a second. A part that makes a mistake over it keeps no other from its turn."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from hub import logs

if TYPE_CHECKING:
    from hub.hub import Hub

log = structlog.get_logger("hub")


class Sweeps:
    """Of every part; the last look is whether the process should end."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub

    def run(self) -> None:
        """All of them."""
        hub, now, wall = self._hub, self._hub.monotonic(), self._hub.wall()
        self.attempt(lambda: hub.broker.sweep(wall, now))
        self.attempt(hub.connections.staleness.check)
        self.attempt(hub.connections.announcements.sweep)
        if hub.cluster is not None:
            self.attempt(hub.cluster.sweep)
        self.attempt(lambda: hub.authenticator.sweep(wall, now))
        self.attempt(lambda: hub.auth_buckets.sweep(now))
        self.attempt(lambda: hub.publish_rates.sweep(now))
        self.attempt(lambda: hub.resumption.sweep(wall))
        self.attempt(lambda: hub.actions.sweep(now))
        self.attempt(hub.status_reporter.report_changes)
        self.attempt(_tell_dropped)
        self.attempt(self._look)

    def attempt(self, work: Callable[[], None]) -> None:
        """Do `work`; what goes wrong in it is told, and ends nothing."""
        try:
            work()
        except Exception as error:  # the next time may go well, and the hub goes on
            self._hub.counters.error("internal", "report")
            log.error("hub.work_failed", exc_info=error)

    def _look(self) -> None:
        if not self._hub.health.is_live:
            self._hub.on_fatal()


def _tell_dropped() -> None:
    summary = logs.current().limiter.take_summary()
    if summary:
        log.warning("log.dropped", lines=summary)
