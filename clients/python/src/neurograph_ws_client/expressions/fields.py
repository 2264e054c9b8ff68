"""Names in filters: bare ones are of the data, `dim.` is an axis of the vector."""

from ..encoder import Axis

WHOLE = frozenset({"event", "key", "content_type", "data"})
"""Fields that are no paths."""
_BRANCHES = ("data.", "tags.", "meta.")


def path_of(name: str) -> str | None:
    """The path of the protocol (F2); None for an axis that does not exist."""
    if name in WHOLE or name.startswith(_BRANCHES):
        return name
    if name.startswith("dim."):
        axis = name[4:].upper()
        return f"data.vector.{Axis[axis].value}" if axis in Axis.__members__ else None
    return f"data.{name}"


def axes() -> str:
    """The names of the axes."""
    return ", ".join(axis.name.lower() for axis in Axis)
