"""How the hub's parts are: what probes, `/api/v1/modules` and channel `status` read."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Of one part."""

    STARTING = "starting"
    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Health:
    """A state and, where it is not `ok`, a sentence."""

    state: State
    detail: str = ""


OK = Health(State.OK)
Probe = Callable[[], Health]


class HealthBook:
    """The parts and their probes. A vital part that failed makes the process not live, any that failed not ready."""

    def __init__(self) -> None:
        self.is_started = False
        self.is_draining = False
        self.was_live: bool | None = None
        """Whether it was live when it began to stop its parts; None: it has not."""
        self._probes: dict[str, Probe] = {}
        self._vital: set[str] = set()

    def add(self, name: str, probe: Probe, *, vital: bool = False) -> None:
        """Watch one part."""
        self._probes[name] = probe
        if vital:
            self._vital.add(name)

    @property
    def names(self) -> list[str]:
        """Of the parts."""
        return list(self._probes)

    def report(self) -> dict[str, Health]:
        """Every part as it is now."""
        return {name: probe() for name, probe in self._probes.items()}

    @property
    def is_live(self) -> bool:
        """Whether the process can still do its work: a restart would change nothing for the better."""
        return not any(self._probes[name]().state is State.FAILED for name in self._vital)

    @property
    def is_ready(self) -> bool:
        """Whether new clients should come here (N10)."""
        return (
            self.is_started
            and not self.is_draining
            and not any(health.state in (State.FAILED, State.STARTING) for health in self.report().values())
        )
