"""Where channels stand that nobody follows now: what was given at first, and what was followed until it ended."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from .positions import Position

if TYPE_CHECKING:
    from .subscription import Subscription


class Places:
    """One place a channel; a subscription that has ended may still move its own, by what its handler had in hand.

    With `goes_on` a channel that is followed anew goes on there, before any `start`; without, it is only told.
    """

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self.goes_on = given is not None
        self._kept = {channel: Position.parse(text) for channel, text in (given or {}).items()}
        # The last subscription of a channel, as long as anybody has it: it may be read on, and not by us.
        self._ended: WeakValueDictionary[str, Subscription[Any]] = WeakValueDictionary()

    def as_text(self) -> dict[str, str]:
        """Positions by channel."""
        return {channel: str(place) for channel, place in self._kept.items()}

    def __contains__(self, channel: object) -> bool:
        return channel in self._kept

    def take(self, channel: str) -> Position | None:
        """The channel is followed from now on: by another subscription than before, and from this place."""
        self._ended.pop(channel, None)
        place = self._kept.pop(channel, None)
        return place if self.goes_on else None

    def ended(self, subscription: "Subscription[Any]") -> None:
        """It is followed no more."""
        if subscription.place is not None:
            self._kept[subscription.channel] = subscription.place
        self._ended[subscription.channel] = subscription

    def moved(self, subscription: "Subscription[Any]", place: Position) -> None:
        """Something was handled after the end; of a subscription that another one has followed it says nothing."""
        if self._ended.get(subscription.channel) is subscription:
            self._kept[subscription.channel] = place

    def forget(self, channels: Collection[str]) -> None:
        """Nothing is known of these any more."""
        for channel in channels:
            self._ended.pop(channel, None)
            self._kept.pop(channel, None)
