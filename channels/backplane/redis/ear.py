"""One subscription with its proof: what is sent out on it each second has to come back on it (N9, N10)."""

import asyncio
from collections.abc import Awaitable, Callable

from redis.asyncio.connection import AbstractConnection

from channels.backplane.redis.canary import Canary
from channels.backplane.redis.feed import Feed
from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.options import RedisOptions
from channels.histograms import Histogram


class Ear:
    """A feed, its canary, and the echo of what is published through the command connection."""

    def __init__(
        self,
        name: str,
        dial: Callable[[], Awaitable[AbstractConnection]],
        options: RedisOptions,
        figures: RedisFigures,
        *,
        heard: Callable[["Ear", str, bytes], None],
        subscribed: Callable[["Ear", str], None],
        closed: Callable[["Ear"], None],
        refused: Callable[[], None],
        is_sharded: Callable[[str], bool],
    ) -> None:
        self.name = name
        """Tells the canaries of several ears apart."""
        self.canary = Canary(figures.canary_seconds, options.canary_wait)
        self.echo = Canary(Histogram(figures.canary_seconds.bounds), options.canary_wait)
        self.feed = Feed(
            dial,
            options,
            figures,
            heard=lambda name, payload: heard(self, name, payload),
            subscribed=lambda name: subscribed(self, name),
            closed=lambda: closed(self),
            refused=refused,
            is_sharded=is_sharded,
        )
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        return f"<Ear {self.name} {self.feed!r}>"

    @property
    def failure(self) -> str | None:
        """Why it is not certain that it hears everything."""
        if not self.feed.is_open:
            return f"nothing is heard from Redis: {self.feed.reason}"
        if not (self.canary.is_trusted and self.echo.is_trusted):
            return "the subscription has not been proven yet"
        return None

    def opened(self) -> None:
        """It listens, on a new connection."""
        now = self._loop.time()
        self.canary.opened(now)
        self.echo.opened(now)

    def closed(self) -> None:
        """The connection has ended."""
        self.canary.closed()
        self.echo.closed()

    def check(self, *, is_store_up: bool) -> str | None:
        """Why it has to be opened anew; None: it lives, as far as is known."""
        now = self._loop.time()
        if self.canary.is_dead(now):
            return "canary"
        if is_store_up and self.echo.is_dead(now):
            return "echo"
        return None
