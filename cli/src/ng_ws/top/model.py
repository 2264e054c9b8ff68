"""Figures of the hub as they are read once a second, and what changed in between."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic, time
from typing import Any

from neurograph_ws_client import AuthError, HubError, PermissionDenied
from neurograph_ws_client.durations import shown

from ..escape import escaped
from ..rest import call
from ..settings import Settings
from ..tables import rows_of

Row = Mapping[str, Any]

CHANNEL_COLUMNS = ("channel", "events/s", "subscribers", "entries", "kB", "position")
CONNECTION_COLUMNS = ("connection", "user", "role", "client", "address", "state", "since", "follows")

# Connections that are read and shown at most.
MOST = 500

SORTS = ("connection", "user", "role", "since", "follows")


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything that was read at one moment. `connections` None: the role may not see them, and why."""

    at: float
    status: Row = field(default_factory=dict)
    metrics: Row = field(default_factory=dict)
    channels: Sequence[Row] = ()
    connections: Sequence[Row] | None = None
    total: int = 0
    refusal: str = ""


def read(settings: Settings, at: Callable[[], float] = monotonic) -> Reading:
    """Ask the hub; raises HubError where it does not answer."""
    status = call(settings, "GET", "/api/v1/status")
    metrics = call(settings, "GET", "/api/v1/metrics")
    channels = rows_of(call(settings, "GET", "/api/v1/channels"), "channels")
    try:
        found = call(settings, "GET", f"/api/v1/clients?limit={MOST}")
    except (PermissionDenied, AuthError) as refusal:
        return Reading(at(), status, metrics, channels, refusal=refusal.message)
    return Reading(at(), status, metrics, channels, rows_of(found, "clients"), int(found.get("total", 0)))


class Model:
    """The last two readings, and how the connections are chosen and ordered."""

    def __init__(self) -> None:
        self.now: Reading | None = None
        self.before: Reading | None = None
        self.fault = ""
        self.wanted = ""
        self.sort = SORTS[0]

    def take(self, reading: Reading) -> None:
        """One more reading."""
        self.before, self.now, self.fault = self.now, reading, ""

    def failed(self, fault: HubError) -> None:
        """The hub did not answer; what was read before stays, and is told to be old."""
        self.fault = escaped(str(fault))

    def next_sort(self) -> str:
        """Order the connections by the next column."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        return self.sort

    def headlines(self) -> list[str]:
        """Three lines: the hub, its traffic, its core."""
        if self.now is None:
            return [self.fault or "asking the hub …", "", ""]
        status = self.now.status
        hub, core, system = (self.now.metrics.get(name, {}) for name in ("hub", "core", "system"))
        state = f"NOT ANSWERING: {self.fault}" if self.fault else status.get("state", "?")
        lines = [
            f"{status.get('node')}  {state}  up {shown(float(status.get('uptime_s') or 0))}  "
            f"hub {status.get('version')}  log {status.get('log')}  {status.get('connections')} connections  "
            f"cpu {_number(system, 'process_cpu_percent')} %  memory {_number(status, 'memory_mb')} MB  "
            f"loop p99 {_number(system, 'loop_lag_p99_ms')} ms",
            f"in {_number(hub, 'events_in_per_sec')} events/s  out {_number(hub, 'events_out_per_sec')} events/s  "
            f"{_number(hub, 'bytes_out_per_sec', 1000)} kB/s  latency p50 {_number(hub, 'latency_p50_ms')} "
            f"p99 {_number(hub, 'latency_p99_ms')} ms  gaps {hub.get('gaps', 0)}{self._more_gaps()}  "
            f"stalled {hub.get('stalls', 0)}",
            f"core {_number(core, 'events_per_sec')} signals/s  novel {_percent(core.get('novel_ratio'))}  "
            f"tokens {core.get('total_tokens', 0)}  p50 {_number(core, 'p50_us')} p99 {_number(core, 'p99_us')} µs",
        ]
        return [escaped(line) for line in lines]

    def _more_gaps(self) -> str:
        if self.now is None or self.before is None:
            return ""
        now, before = (reading.metrics.get("hub", {}).get("gaps", 0) for reading in (self.now, self.before))
        return f" (+{now - before})" if now > before else ""

    def channels(self) -> list[tuple[str, ...]]:
        """Rows of the table of channels, busiest first."""
        if self.now is None:
            return []
        before = {row["name"]: row for row in self.before.channels} if self.before else {}
        elapsed = self.now.at - self.before.at if self.before else 0.0
        rated = [(self._rate(row, before.get(row["name"]), elapsed), row) for row in self.now.channels]
        rated.sort(key=lambda pair: (-pair[0], pair[1]["name"]))
        return [
            (
                escaped(str(row["name"])),
                f"{rate:.1f}",
                str(row.get("subscribers", 0)),
                str(row.get("entries", 0)),
                f"{row.get('bytes', 0) / 1000:.1f}",
                escaped(str(row.get("position"))),
            )
            for rate, row in rated
        ]

    @staticmethod
    def _rate(row: Row, before: Row | None, elapsed: float) -> float:
        if before is None or elapsed <= 0:
            return 0.0
        return max(0.0, float(row.get("appended", 0) - before.get("appended", 0)) / elapsed)

    def connections(self, wall: float | None = None) -> list[tuple[str, ...]]:
        """Rows of the table of connections: those that hold the wanted word, in the order asked for."""
        rows = list(self.now.connections or ()) if self.now else []
        shapes = [_connection(row, time() if wall is None else wall) for row in rows]
        chosen = [shape for shape in shapes if self.wanted.lower() in " ".join(shape[1]).lower()]
        place = CONNECTION_COLUMNS.index(self.sort)
        if self.sort == "since":
            chosen.sort(key=lambda pair: pair[0])
        elif self.sort == "follows":
            chosen.sort(key=lambda pair: -len(pair[1][place].split()))
        else:
            chosen.sort(key=lambda pair: pair[1][place])
        return [row for _, row in chosen]

    def footing(self) -> str:
        """What is said below the connections."""
        if self.now is None:
            return ""
        if self.now.connections is None:
            return f"connections: {escaped(self.now.refusal)} (ng-ws token new --role admin)"
        shown_rows = len(self.connections())
        chosen = f" with {escaped(self.wanted)!r}" if self.wanted else ""
        return f"{shown_rows} of {self.now.total} connections{chosen}, by {self.sort}; enter: story of one"


def _connection(row: Row, wall: float) -> tuple[float, tuple[str, ...]]:
    client = row.get("client") or {}
    since = float(row.get("since") or wall)
    shape = (
        str(row.get("id")),
        str(row.get("user") or "-"),
        str(row.get("role")),
        " ".join(map(str, client.values())) or "-",
        str(row.get("address")),
        str(row.get("state", row.get("node"))),
        shown(max(0.0, wall - since)),
        " ".join(map(str, row.get("subscriptions") or ())) or "-",
    )
    return since, tuple(map(escaped, shape))


def _number(row: Row, name: str, by: float = 1.0) -> str:
    value = row.get(name)
    return "-" if value is None else f"{float(value) / by:.1f}"


def _percent(value: Any) -> str:
    return "-" if value is None else f"{float(value) * 100:.1f} %"
