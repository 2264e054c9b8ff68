"""Positions `"<epoch>:<offset>"`: the place just after an entry of a channel (P1, P2)."""

import re
from typing import NamedTuple, Self

_FORM = re.compile(r"([A-Za-z0-9_-]{4,16}):(0|[1-9][0-9]{0,15})")


class Position(NamedTuple):
    """An epoch and an offset; two of different epochs cannot be compared, so there is no order here."""

    epoch: str
    offset: int

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read a position; ValueError says what came."""
        found = _FORM.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise ValueError(f"expected a position like k3Fq:902, got {text!r:.80}")
        return cls(found[1], int(found[2]))

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"

    def reaches(self, other: "Position") -> bool:
        """Whether this place is at or after the other one in the same epoch."""
        return self.epoch == other.epoch and self.offset >= other.offset
