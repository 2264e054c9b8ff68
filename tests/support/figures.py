"""Figures as the native plane gives them, for tests that need no plane."""

from typing import Any

BOUNDS = [0.001, 0.01, 0.1]


def histogram(*counts: int, total: float = 0.0) -> dict[str, Any]:
    """Counts per bound and beyond."""
    return {"bounds": BOUNDS, "counts": list(counts or (0,) * (len(BOUNDS) + 1)), "sum": total}


def channel(**changes: Any) -> dict[str, Any]:
    """Figures of one channel."""
    base = {"appended": 0, "deliveries": 0, "cursors": 0, "entries": 0, "bytes": 0, "gaps": {}}
    return {**base, "first_write_seconds": histogram(), "last_write_seconds": histogram(), **changes}


def stats(channels: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Figures of a plane."""
    names = (
        "connections opened messages_in bytes_in unreadable answers deliveries bytes_out stalls overruns panics late "
        "inbox_full view_bytes log_overflow inbox logs log_bytes"
    )
    base: dict[str, Any] = dict.fromkeys(names.split(), 0)
    histograms = {"io_turn_seconds": histogram(), "heartbeat_seconds": histogram()}
    return {**base, "closed": {}, **histograms, "channels": channels or {}, **changes}
