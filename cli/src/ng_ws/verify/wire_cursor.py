"""The cursor of one client on one channel, as far as its journal shows it: the client's half of I4, and I5."""

from collections import deque
from typing import NamedTuple

from neurograph_ws_client.positions import Position

from .rules import Findings

# What a client may have before its handler; beyond, its queue is not bounded as it should be, and the oldest is let go.
_MOST = 50_000


class Received(NamedTuple):
    """What moves the cursor once it is settled: an event when it was handled, others in passing (P4 to P7)."""

    place: Position
    is_event: bool


class WireCursor:
    """Handled up to here, and what waits."""

    def __init__(self, name: str, findings: Findings) -> None:
        self.place: Position | None = None
        self._name = name
        self._findings = findings
        self._line = 0
        self._waiting: deque[Received] = deque(maxlen=_MOST)
        self._is_left = False

    def starts(self, place: Position, *, keeps_larger: bool) -> None:
        """`subscribed`, or `welcome.subscriptions`, which leaves a larger cursor of the same epoch alone (P4)."""
        if self._is_left:
            # What came of the former subscription was dropped, and comes again where the new one begins before it.
            self._waiting.clear()
            self._is_left = False
        if self.place is None:
            self.place = place
        elif not (keeps_larger and self.place.reaches(place)):
            self._waiting.append(Received(place, is_event=False))

    def left(self) -> None:
        """The client wants the channel no more: the next start is that of a subscription anew."""
        self._is_left = True

    def received(self, place: Position, *, is_event: bool) -> None:
        """An event, a gap or a watermark came."""
        self._waiting.append(Received(place, is_event))

    def handled(self, place: Position, number: int) -> None:
        """The handler has finished with an event (P5), or passed a gap."""
        if self.place is not None and self.place.reaches(place) and not self._is_set_back(place):
            self._findings.add("I5", f"{self._name}: {place} was handled after {self.place}", self._line, number)
            return
        if not any(one.place == place for one in self._waiting):
            self._findings.add("I4", f"{self._name}: {place} was handled and never came", number)
        else:
            while self._waiting.popleft().place != place:
                pass
        self.place, self._line = place, number

    def presented(self, place: Position, number: int) -> None:
        """A resume presents the cursor the client then has (I4)."""
        possible = self._possible()
        if possible and place not in possible:
            told = " or ".join(sorted(map(str, possible)))
            self._findings.add("I4", f"{self._name}: presented {place}, and was at {told}", self._line, number)

    def _is_set_back(self, place: Position) -> bool:
        """Whether a start lies before it, at a place below the cursor: then repeats were asked for."""
        for one in self._waiting:
            if one.place == place:
                return False
            if not one.is_event and one.place.epoch == place.epoch and one.place.offset < place.offset:
                return True
        return False

    def _possible(self) -> set[Position]:
        """The cursor, and where it stands if the gaps and watermarks right behind it were settled already."""
        if self.place is None:
            return set()
        place = self.place
        possible = {place}
        for one in self._waiting:
            if not one.is_event:
                place = one.place
                possible.add(place)
            elif not place.reaches(one.place):
                break
        return possible
