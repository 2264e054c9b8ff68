"""An application that handles one subscription: as many items as a test allows it, each checked by the model."""

import asyncio
from typing import TYPE_CHECKING, Any

from neurograph_ws_client import Event, Gap, Subscription, SubState
from neurograph_ws_client.effects import CursorMoved

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.pair.model import Stream


class Application:
    """Its handler is the async one of a real `Subscription`; what the model objects to is given to `object_to`."""

    def __init__(self, stream: "Stream", object_to: "Callable[[AssertionError], None]") -> None:
        self.stream = stream
        self.subscription: Subscription[Any] | None = None
        self.in_hand: Any = None
        self.is_former = False
        """It was unsubscribed: its handler may finish with what it has in hand, and is given nothing more."""
        self.cancels_next = False
        self._object_to = object_to
        self._allowed = 0
        self._is_let_go: asyncio.Future[None] | None = None

    async def handle(self, item: Any) -> None:
        """Handle an event or a gap, when it may."""
        self.in_hand = item
        while not self._allowed:
            self._is_let_go = asyncio.get_running_loop().create_future()
            await self._is_let_go
        self._allowed -= 1
        self.in_hand = None
        self._check(item)
        if self.cancels_next:
            self.cancels_next = False
            gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            gone.cancel()
            await gone

    def allow(self, most: int) -> None:
        """So many items from now on."""
        self._allowed = most
        if self._is_let_go is not None and not self._is_let_go.done():
            self._is_let_go.set_result(None)

    def stop(self) -> int:
        """No more for now. -> how many of them were not used"""
        left, self._allowed = self._allowed, 0
        return left

    @property
    def waiting(self) -> list[Any]:
        """Events and gaps that wait, the one in hand first."""
        if self.subscription is None:
            return []
        queued = [item for item in self.subscription._queue if isinstance(item, Event | Gap)]
        return [*([] if self.in_hand is None else [self.in_hand]), *queued]

    def check_place(self) -> None:
        """Where nothing waits, the cursor is the place of the model: it never passes what was not handled (P5, P7)."""
        position = None if self.subscription is None else self.subscription.position
        if position is not None and not self.waiting and not self.is_former:
            self._checked(CursorMoved(self.stream.channel, position))

    def begin_where_it_stands(self) -> None:
        """It takes up a subscription that has a place already, and perhaps items that wait behind it."""
        position = None if self.subscription is None else self.subscription.position
        if position is not None:
            self._checked(CursorMoved(self.stream.channel, position))

    @property
    def is_followed(self) -> bool:
        return self.subscription is not None and self.subscription.state is not SubState.ENDED

    def _check(self, item: Any) -> None:
        assert self.subscription is not None
        if self.is_former:
            return
        if self.subscription.position is not None:
            self._checked(CursorMoved(self.stream.channel, self.subscription.position))
        self._checked(item)

    def _checked(self, item: Any) -> None:
        try:
            self.stream.take(item)
        except AssertionError as fault:
            self._object_to(fault)
