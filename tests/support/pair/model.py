"""What an application may see of its channels: the promise of the protocol, made small (V1-V11, I3-I5)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from neurograph_ws_client import Event, Gap
from neurograph_ws_client.effects import CursorMoved, Reject, Resolve
from neurograph_ws_client.positions import Position

if TYPE_CHECKING:
    from tests.support.pair.histories import Histories

FORWARD = {"retention", "limit", "slow"}
"""Reasons of gaps within an epoch (M49)."""


class Stream:
    """One subscription as its application lives it, over any number of connections and processes.

    `place`: up to where everything was handled or told as missing; None until the hub has told a start.
    """

    def __init__(
        self, channel: str, histories: "Histories", first_kept: Callable[[str], int], *, is_capped: bool
    ) -> None:
        self.channel = channel
        self.place: Position | None = None
        self.handled = self.gaps = 0
        self._histories = histories
        self._first_kept = first_kept
        self._is_capped = is_capped

    def take(self, item: Any) -> Position:
        """The application has handled `item`. -> where it stands now"""
        match item:
            case Event():
                self._event(item)
            case Gap():
                self._gap(item)
            case CursorMoved():
                self._moved(item.place)
        assert self.place is not None
        return self.place

    def _event(self, event: Event[Any]) -> None:
        assert self.place is not None, f"M9: {event!r} came before the hub had told a start"
        expected = Position(self.place.epoch, self.place.offset + 1)
        assert event.place == expected, f"V3, V4, V5: {self.channel} stands at {self.place}, and {event.place} came"
        stored = self._histories.entry(self.channel, *event.place)
        assert event.data == stored, f"V1, V2: {self.channel} {event.place} is {stored}, and {event.data} was handled"
        self.place = event.place
        self.handled += 1

    def _gap(self, gap: Gap) -> None:
        start, end = Position.parse(gap.from_), gap.place
        assert start == self.place, f"V5: {self.channel} stands at {self.place}, and the gap begins elsewhere: {gap}"
        if start.epoch == end.epoch and gap.reason == "epoch":
            # What is left of a longer one that led here from an epoch before; of how many is not known.
            assert gap.missed is None, f"M48: {gap}"
            assert end.offset > start.offset, f"P11: nothing lies beyond a head: {gap}"
        elif start.epoch == end.epoch:
            self._missed(gap, start, end)
        else:
            epochs = self._histories.epochs(self.channel)
            assert gap.reason == "epoch", f"M49: another epoch for another reason: {gap}"
            assert epochs.index(start.epoch) < epochs.index(end.epoch), f"V9: back to an older epoch: {gap}"
        self.place = end
        self.gaps += 1

    def _missed(self, gap: Gap, start: Position, end: Position) -> None:
        """Entries of this history are gone: exactly those, and not without need."""
        assert gap.reason in FORWARD, f"M49: a gap within an epoch for no reason: {gap}"
        assert gap.reason != "limit" or self._is_capped, f"R9: nothing was capped: {gap}"
        assert gap.missed == end.offset - start.offset > 0, f"M48: {gap.missed} missed from {start} to {end}"
        is_present = end.epoch == self._histories.epochs(self.channel)[-1]
        # Of a stretch that the cap R9 made longer only the beginning is gone, which may have been received (M49).
        if gap.reason == "retention" and is_present and not self._is_capped:
            assert end.offset < self._first_kept(self.channel), f"M49: what is kept is told as gone: {gap}"

    def _moved(self, place: Position) -> None:
        """P4: the start. There are no filters, so that nothing else moves a cursor over entries."""
        assert self.place in (None, place), f"V5: {self.channel} stands at {self.place}, and was moved to {place}"
        self.place = place


class Ask:
    """One request of the application: the ticket that it gave, and what came of it."""

    def __init__(self, channel: str, number: int | None = None, mid: str | None = None) -> None:
        self.channel, self.number, self.mid = channel, number, mid
        self.answer: Resolve | Reject | None = None

    def answered(self, effect: Resolve | Reject, histories: "Histories") -> None:
        """I6: once, and what is acknowledged is stored there."""
        assert self.answer is None, f"I6: answered twice: {self.answer} and {effect}"
        self.answer = effect
        if isinstance(effect, Resolve) and self.number is not None:
            place = Position.parse(effect.answer["positions"][self.channel])
            stored = histories.entry(self.channel, *place)
            assert stored == self.number, f"I6: {self.number} was acknowledged at {place}, where {stored} is"


def check_once_each(histories: "Histories") -> None:
    """M31, R13: nothing is stored twice in one history, however often it was sent."""
    for channel, epoch, numbers in histories.each():
        twice = {number for number in numbers if numbers.count(number) > 1}
        assert not twice, f"M31: stored twice in {channel} {epoch}: {twice}"
