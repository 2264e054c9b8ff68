"""Where a subscription starts (M24)."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Last:
    """The newest `n` entries that are still kept, then the live ones."""

    n: int


Start = Literal["new", "snapshot"] | Last


def wire_start(start: Start | None) -> Any:
    """The member `from` of a subscribe; None leaves it out. ValueError says what was expected."""
    match start:
        case None | "new" | "snapshot":
            return start
        case Last(n) if isinstance(n, int) and n >= 1:
            return {"last": n}
    raise ValueError(f'start: expected "new", "snapshot" or Last(n) with n of at least 1, got {start!r}')
