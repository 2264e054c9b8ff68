"""What a subscription asks of its client."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from .waiting import Item

if TYPE_CHECKING:
    from .subscription import Subscription


class Owner(Protocol):
    """The client, as its subscriptions see it.

    Each names itself, not its channel: one that was unsubscribed may still be at work when the next one has begun.
    """

    async def leave(self, subscription: "Subscription[Any]") -> None:
        """End it at the hub, if it has not ended there."""
        ...

    def hold(self) -> None:
        """Read nothing more from the hub until `release`."""
        ...

    def release(self) -> None:
        """Read again."""
        ...

    def report(self, error: Exception) -> None:
        """Tell the application of an error nobody awaits."""
        ...

    async def update(self, subscription: "Subscription[Any]", options: Mapping[str, Any]) -> None:
        """Replace options at the hub; Closed where it was unsubscribed."""
        ...

    def start(self, work: Awaitable[Any]) -> asyncio.Future[Any]:
        """Run something that the client ends with itself."""
        ...

    def handled(self, subscription: "Subscription[Any]", item: Item) -> None:
        """An item of a watched subscription was handled, or of one that has ended."""
        ...
