"""One subscriber on one channel: where it stands, what it handled, what it is owed: V3 to V7, V9.

The subscription is unfiltered and of delivery `all`, so its offsets are consecutive; a stretch is not owed where a gap
or a refused recovery said so, and everything else is.
"""

from collections.abc import Mapping
from typing import NamedTuple

from neurograph_ws_client.positions import Position

from .handled import Handled
from .ledger import Entry
from .rules import Findings


class Hole(NamedTuple):
    """Offsets after `after` up to and including `upto` (None: all of the epoch) that were owed and passed over."""

    epoch: str
    after: int
    upto: int | None
    line: int


class Stream:
    """What one subscriber saw of one channel."""

    def __init__(self, subscriber: str, channel: str, findings: Findings) -> None:
        self.subscriber, self.channel = subscriber, channel
        self.cursor: Position | None = None
        self.fin = 0
        self.messages = self.repeats = 0
        self._name = f"{subscriber} on {channel}"
        self._findings = findings
        self._epochs: dict[str, Handled] = {}
        # The newest; a start without a cursor may stand in an older one.
        self._epoch: str | None = None
        self._line = 0
        self._holes: list[Hole] = []
        # Up to here a subscriber that lost its cursor takes repeats.
        self._forgiven: dict[str, int] = {}

    # -- what happens ------------------------------------------------------------------------------------------------

    def recovered(self, asked: Position, start: Position, number: int) -> None:
        """It asked for a position, and it was granted (V6)."""
        before = self.cursor
        if before is None or asked != before:
            self._break("V6", f"recovered from {asked}, and had been at {before}", number)
        if start.epoch != asked.epoch:
            self._break("V6", f"recovery of {asked} was granted across an epoch, to {start}", number)
        elif start.offset != asked.offset:
            self._break("V6", f"recovery of {asked} was granted and begins after {start}", number)
        if before is not None:
            self._owe_between(before, start, number)
        self._stand(start, number)

    def started(self, start: Position, number: int, *, lost: bool) -> None:
        """It starts here by its own wish, or because its recovery was refused: what lies between is not owed.

        With `lost` it came without its cursor, as a session of which only the token is left: then it starts at or
        before the place it was at, and takes the repeats. Its token may have been given before an epoch ended
        (R8, R16): then a gap leads out of that one, and nothing is delivered in it.
        """
        before = self.cursor
        if lost and before is not None:
            self._forgiven[before.epoch] = self._of(before.epoch).last
            if start.epoch == before.epoch and start.offset > before.offset:
                self._break("V6", f"a resume without positions begins after {start}, beyond {before}", number)
                self._owe_between(before, start, number)
            elif start.epoch in self._epochs:
                self.cursor, self._line = start, number
                return
        self._stand(start, number)

    def handled(self, place: Position, number: int) -> None:
        """The application was given an entry."""
        self.messages += 1
        cursor = self.cursor
        if cursor is None:
            self._break("V5", f"{place} came before any start", number)
            self._stand(place, number)
        elif place.epoch != cursor.epoch or place.epoch != self._epoch:
            self._other_epoch(cursor, place, number)
        elif place.offset > cursor.offset:
            if place.offset > cursor.offset + 1:
                self._break("V5", f"{place} follows {cursor} without a gap between", number)
                self._owe_between(cursor, Position(place.epoch, place.offset - 1), number)
            self._take(place, number)
            self.cursor, self._line = place, number
        else:
            self._at_or_below(place, number)

    def missed(self, start: Position, end: Position, reason: str, number: int) -> None:
        """A gap: from the place where delivery stopped to `end`, nothing will come.

        Reason `epoch` may lead back: the position was beyond the head of a log that lost its end (P11). What stands
        there later are other entries at the same offsets, and V2 and V3 say so.
        """
        cursor = self.cursor
        if cursor != start:
            self._break("V5", f"a gap begins at {start}, and delivery stopped at {cursor}", number)
            if cursor is not None:
                self._owe_between(cursor, start, number)
        if end.epoch == start.epoch and end.offset < start.offset and reason != "epoch":
            self._break("V5", f"a gap from {start} goes back to {end}", number)
        elif cursor is None or end.epoch != cursor.epoch or end.offset > cursor.offset or reason == "epoch":
            self._stand(end, number)

    def confirmed(self, head: Position, number: int) -> None:
        """It knows the head: what lies before it is owed too."""
        self.fin = number
        if self.cursor is None:
            return
        if head.epoch != self.cursor.epoch:
            self._break("V5", f"the head is {head}, and delivery stopped at {self.cursor} without a gap", number)
        self._owe_between(self.cursor, head, number)

    def lost(self, acked: Mapping[tuple[str, str], Mapping[int, Entry]]) -> int:
        """Judge what was owed, at the end (V7). -> how many acknowledged entries are lost"""
        gone: dict[Position, tuple[Entry, int]] = {}
        for hole in self._holes:
            entries, handled = acked.get((self.channel, hole.epoch), {}), self._of(hole.epoch)
            upto = max(entries, default=0) if hole.upto is None else hole.upto
            for offset in range(hole.after + 1, upto + 1):
                if offset in entries and not handled.line_of(offset):
                    gone.setdefault(Position(hole.epoch, offset), (entries[offset], hole.line))
        for place, (entry, line) in gone.items():
            self._break("V7", f"{entry.id} at {place} was acknowledged and never came", entry.line, line)
        return len(gone)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _break(self, rule: str, what: str, *numbers: int) -> None:
        self._findings.add(rule, f"{self._name}: {what}", self._line, *numbers)

    def _of(self, epoch: str) -> Handled:
        return self._epochs.setdefault(epoch, Handled())

    def _take(self, place: Position, number: int) -> None:
        handled = self._of(place.epoch)
        if (before := handled.line_of(place.offset)) == 0:
            handled.add(place.offset, number)
        elif place.offset <= self._forgiven.get(place.epoch, 0):
            self.repeats += 1
        else:
            self._findings.add("V3", f"{self._name}: {place} was handled twice", before, number)

    def _at_or_below(self, place: Position, number: int) -> None:
        handled = self._of(place.epoch)
        if (before := handled.line_of(place.offset)) != 0:
            self._findings.add("V3", f"{self._name}: {place} was handled twice", before, number)
            return
        if place.offset < handled.last:
            self._break("V4", f"{place} came after {Position(place.epoch, handled.last)}", number)
        else:
            self._break("V5", f"{place} came although it had been told as missed up to {self.cursor}", number)
        handled.add(place.offset, number)

    def _other_epoch(self, cursor: Position, place: Position, number: int) -> None:
        if place.epoch in self._epochs and place.epoch != self._epoch:
            self._break("V9", f"{place} came after {cursor}: its epoch was over", number)
            return
        self._break("V5", f"{place} follows {cursor}: the epoch changed without a gap", number)
        self._owe_between(cursor, Position(place.epoch, place.offset - 1), number)
        self._stand(place, number)
        self._take(place, number)

    def _owe_between(self, before: Position, start: Position, number: int) -> None:
        if before.epoch != start.epoch:
            self._holes.append(Hole(before.epoch, before.offset, None, number))
            self._holes.append(Hole(start.epoch, 0, start.offset, number))
        elif before.offset < start.offset:
            self._holes.append(Hole(before.epoch, before.offset, start.offset, number))

    def _stand(self, place: Position, number: int) -> None:
        if place.epoch != self._epoch:
            if place.epoch in self._epochs:
                self._break("V9", f"{place} follows epoch {self._epoch}, which is newer", number)
            self._of(place.epoch)
            self._epoch = place.epoch
        self.cursor, self._line = place, number
