"""Names in filters that were probably meant otherwise."""

from difflib import get_close_matches

from neurograph_ws_client.expressions.fields import WHOLE

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


def nearly_known(name: str, channels: tuple[str, ...]) -> str | None:
    """A known field that was probably meant by a bare name; None where the name may well be right."""
    known = [field for channel in channels for field in KNOWN.get(channel, ())]
    first = name.partition(".")[0]
    if not channels or any(channel not in KNOWN for channel in channels) or first in known or name in WHOLE:
        return None
    near = get_close_matches(first, [*known, *WHOLE], n=1, cutoff=0.7)
    return near[0] if near else None
