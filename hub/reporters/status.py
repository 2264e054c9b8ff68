"""`status`: the health of each part, key = component, at once when it changes and once a minute (C21)."""

import time
from collections.abc import Callable, Mapping

from hub.health import Health, HealthBook
from hub.reporters.publisher import Publisher


class StatusReporter:
    """Compares the parts with what was last said of them."""

    def __init__(
        self,
        health: HealthBook,
        publisher: Publisher,
        node: str,
        *,
        prefix: str = "",
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`prefix`: what keys begin with where other nodes report on the same channel."""
        self._health = health
        self._publisher = publisher
        self._node = node
        self._prefix = prefix
        self._wall = wall
        self._told: dict[str, tuple[Health, float]] = {}

    def report_changes(self) -> None:
        """Say what is no longer as it was said to be."""
        self._tell({name: health for name, health in self._health.report().items() if self._has_changed(name, health)})

    def report_all(self) -> None:
        """Say everything, so that who looks at the recent past sees that all is well, and not that nothing was said."""
        self._tell(self._health.report())

    def _has_changed(self, name: str, health: Health) -> bool:
        told = self._told.get(name)
        return told is None or told[0] != health

    def _tell(self, parts: Mapping[str, Health]) -> None:
        for name, health in parts.items():
            since = self._wall() if self._has_changed(name, health) else self._told[name][1]
            self._told[name] = health, since
            data = {"component": name, "state": health.state, "since": round(since, 3), "node": self._node}
            if health.detail:
                data["detail"] = health.detail
            self._publisher.publish("status", "component_health", data, key=self._prefix + name)
