"""What was measured, in figures, with what a reader needs to judge them."""

import os
import platform
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from neurograph_ws_client import __version__ as client_version
from neurograph_ws_client.urls import is_loopback, masked

from .._version import __version__
from ..exits import Exit
from ..notes import Notes
from ..render import object_line
from ..settings import Format, Settings
from ..stdout import put
from ..tables import flat
from ..verify.figures import share
from .plan import Plan

# Of a run at most, so that it can be said which figures the answer is made of.
_PERCENTILES = {"min": 0.0, "p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


@dataclass(slots=True)
class Results:
    """One run."""

    took: float = 0.0
    sent: int = 0
    answered: int = 0
    received: int = 0
    expected: int | None = None
    rate: float | None = None
    latencies: list[float] = field(default_factory=list)
    """Seconds."""
    errors: Counter[str] = field(default_factory=Counter)
    gaps: int = 0

    def shape(self) -> dict[str, Any]:
        """Everything that was measured."""
        took = max(self.took, 1e-9)
        told: dict[str, Any] = {
            "sent": self.sent,
            "answered": self.answered,
            "seconds": round(self.took, 3),
            "per_second": round((self.received or self.answered) / took, 1),
        }
        if self.rate is not None:
            told["asked_per_second"] = round(self.rate, 1)
        if self.expected is not None:
            told |= {"received": self.received, "expected": self.expected, "gaps": self.gaps}
        if self.latencies:
            ordered = sorted(self.latencies)
            told["latency_ms"] = {name: round(share(ordered, at) * 1000, 3) for name, at in _PERCENTILES.items()}
            told["latency_ms"]["max"] = round(ordered[-1] * 1000, 3)
        if self.errors:
            told["errors"] = dict(self.errors)
        return told


def tell(settings: Settings, plan: Plan, results: Results, node: str) -> Exit:
    """The figures, and under which circumstances; what was refused decides the exit code."""
    told = {
        "bench": plan.kind,
        "url": masked(settings.url),
        "clients": plan.clients,
        "bytes": plan.size,
        **results.shape(),
        "machine": f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}",
        "versions": f"ng-ws {__version__}, client {client_version}, Python {platform.python_version()}, node {node}",
    }
    if settings.format is Format.JSON:
        put(object_line(told))
    else:
        put("".join(f"{name:<20} {value}\n" for name, value in flat(told)).encode())
    notes = Notes(settings)
    if is_loopback(settings.url):
        notes.say("loopback flatters latency, and the bench shares this machine with the hub")
    if results.errors:
        notes.warn(f"{results.errors.total()} requests failed: {dict(results.errors)}")
        return Exit.RATE_LIMITED if "rate_limited" in results.errors else Exit.UNEXPECTED
    if results.expected is not None and results.received < results.expected:
        notes.warn(f"{results.expected - results.received} of {results.expected} events did not come in time")
        return Exit.DATA_LOST
    return Exit.OK
