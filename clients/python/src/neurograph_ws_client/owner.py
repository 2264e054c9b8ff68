"""What a subscription asks of its client."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from .waiting import Item


class Owner(Protocol):
    """The client, as its subscriptions see it."""

    async def unsubscribe(self, *channels: str) -> None:
        """End it at the hub."""
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

    async def update(self, channel: str, options: Mapping[str, Any]) -> None:
        """Replace options at the hub."""
        ...

    def start(self, work: Awaitable[Any]) -> asyncio.Future[Any]:
        """Run something that the client ends with itself."""
        ...

    def handled(self, channel: str, item: Item) -> None:
        """An item of a watched subscription was handled."""
        ...
