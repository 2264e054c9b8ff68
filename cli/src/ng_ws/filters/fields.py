"""Names in filters: bare ones are of the data, `dim.` is an axis of the vector."""

from difflib import get_close_matches

from neurograph_ws_client import Axis

# What the hub's own channels carry; anything else is an application's.
KNOWN = {
    "signals": (
        *("token_id", "vector", "priority", "is_novel", "neighbors", "nearest_dist", "anomaly_score"),
        *("node", "payload"),
    ),
    "logs": ("ts", "level", "event", "node", "conn", "user", "reason", "code"),
    "connections": ("user", "role", "node", "address", "client", "since"),
    "status": ("state", "detail", "node"),
}
_WHOLE = frozenset({"event", "key", "content_type", "data"})
_BRANCHES = ("data.", "tags.", "meta.")


def path_of(name: str) -> str | None:
    """The path of the protocol (F2); None for an axis that does not exist."""
    if name in _WHOLE or name.startswith(_BRANCHES):
        return name
    if name.startswith("dim."):
        axis = name[4:].upper()
        return f"data.vector.{Axis[axis].value}" if axis in Axis.__members__ else None
    return f"data.{name}"


def axes() -> str:
    """The names of the axes."""
    return ", ".join(axis.name.lower() for axis in Axis)


def nearly_known(name: str, channels: tuple[str, ...]) -> str | None:
    """A known field that was probably meant by a bare name; None where the name may well be right."""
    known = [field for channel in channels for field in KNOWN.get(channel, ())]
    first = name.partition(".")[0]
    if not channels or any(channel not in KNOWN for channel in channels) or first in known or name in _WHOLE:
        return None
    near = get_close_matches(first, [*known, *_WHOLE], n=1, cutoff=0.7)
    return near[0] if near else None
