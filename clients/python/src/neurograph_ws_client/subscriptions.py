"""The subscriptions of a client by channel, from the first word of them to the place they leave behind."""

from collections.abc import Iterable
from typing import Any

from .errors import HubError
from .follows import Follow, Follows
from .owner import Owner
from .states import SubState
from .subscription import Handling, Subscription

# What is restored and nobody has taken up waits for who does.
_KEPT = Handling()


class Subscriptions(dict[str, Subscription[Any]]):
    """Those that the application has, or may take up; ended ones until they are unsubscribed or replaced."""

    def __init__(self, follows: Follows, owner: Owner) -> None:
        super().__init__()
        self.places = follows.places
        self._follows = follows
        self._owner = owner

    def positions(self) -> dict[str, str]:
        """Where each channel stands, also one that is followed no more."""
        moved = {channel: one.position for channel, one in self.items() if one.position is not None}
        return {**self.places.as_text(), **moved}

    def is_current(self, subscription: Subscription[Any]) -> bool:
        """Whether no other one of its channel has followed it."""
        return self.get(subscription.channel) is subscription

    def attach(self, follow: Follow, handling: Handling, *, is_watched: bool) -> Subscription[Any]:
        """The subscription of a channel that is followed: the one that was restored, or another."""
        known = self.get(follow.channel)
        if known is not None and follow.state is known.state is not SubState.ENDED:
            known.take_up(handling, is_watched=is_watched)
            return known
        return self._begin(follow, handling, is_watched=is_watched)

    def changed(self, channel: str, state: SubState, error: HubError | None) -> None:
        """The session moved it."""
        subscription = self.get(channel)
        if subscription is None and state is SubState.ACTIVE:
            # Restored by the token of a former process: what comes is kept for who takes it up.
            subscription = self._begin(self._follows[channel], _KEPT, is_watched=False)
        if subscription is not None:
            subscription.change_state(state, error)
            if state is SubState.ENDED:
                self.places.ended(subscription)

    def discard(self, channels: Iterable[str]) -> list[str]:
        """End those of these channels that there are. -> their names"""
        names = [channel for channel in channels if channel in self]
        for channel in names:
            subscription = self.pop(channel)
            subscription.discard()
            self.places.ended(subscription)
        return names

    def forget(self, channels: Iterable[str]) -> None:
        """Forget where channels stand that nobody follows, by default all; ValueError for one that is followed."""
        named = set(channels)
        if followed := sorted(named.intersection(self._follows)):
            raise ValueError(f"{followed[0]} is subscribed: unsubscribe it before its position is forgotten")
        gone = named or {*self.places.as_text(), *self} - {*self._follows}
        self.places.forget(gone)
        for channel in gone:
            self.pop(channel, None)

    def _begin(self, follow: Follow, handling: Handling, *, is_watched: bool) -> Subscription[Any]:
        position = None if follow.cursor is None else str(follow.cursor)
        subscription = self[follow.channel] = Subscription(
            follow.channel, self._owner, handling, position=position, is_watched=is_watched
        )
        return subscription
