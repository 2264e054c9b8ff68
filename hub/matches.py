"""What lies near a place, as tokens with their similarity."""

from collections.abc import Sequence
from typing import NamedTuple, overload

from channels._native import SignalSystem, Token


def similarity(distance: float) -> float:
    """1 at the same place, falling with the distance as 1 / (1 + distance)."""
    return 1 / (1 + distance)


class Match(NamedTuple):
    """A token, and how similar it is: above 0, at most 1."""

    token: Token
    similarity: float


class Matches(Sequence[Match]):
    """What a question found, the most similar first; iterates as (token, similarity)."""

    def __init__(self, found: Sequence[Match]) -> None:
        self._found = tuple(found)

    def top(self, n: int = 5) -> "Matches":
        """The first `n`."""
        return Matches(self._found[: max(n, 0)])

    @overload
    def __getitem__(self, index: int) -> Match: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Match]: ...
    def __getitem__(self, index: int | slice) -> Match | Sequence[Match]:
        return self._found[index]

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        shown = ", ".join(f"{token.token_id} ({alike:.3f})" for token, alike in self._found[:5])
        return f"<Matches {len(self)}: {shown}{', …' if len(self) > 5 else ''}>"


def matches(
    signals: SignalSystem, vector: Sequence[float], limit: int, radius: float | None, event_type: str | None
) -> Matches:
    """The most similar tokens of the window; one that left while it was looked at is left out."""
    near = signals.find_neighbors(vector, limit, radius, event_type=event_type)
    tokens = ((signals.get_token(one.token_id), similarity(one.distance)) for one in near)
    return Matches([Match(token, alike) for token, alike in tokens if token is not None])
