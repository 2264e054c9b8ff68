"""What this node hears from Redis: segments of the channels it follows, and what nodes tell each other.

Each connection that listens has its canary. What comes back of it, and of an echo that is sent through the command
connection, proves that the node hears what is stored (N9, N10).
"""

import asyncio
import logging
import math
from collections.abc import Callable

from channels.backplane.redis.bus import RedisBus
from channels.backplane.redis.canary import Canary
from channels.backplane.redis.control import Control, UnreadableControlError, read_control, write_control
from channels.backplane.redis.feed import Feed
from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.following import Following
from channels.backplane.redis.heads import Heads
from channels.backplane.redis.options import RedisOptions
from channels.backplane.redis.replica import Replica
from channels.backplane.redis.store import SingleStore
from channels.histograms import Histogram

logger = logging.getLogger(__name__)

CANARY = "canary"
ECHO = "echo"


class Listener:
    """Subscriptions of this node, and the proof that they live."""

    heads: Heads

    def __init__(
        self,
        store: SingleStore,
        following: Following,
        bus: RedisBus,
        figures: RedisFigures,
        options: RedisOptions,
        run: str,
    ) -> None:
        self._store = store
        self._following = following
        self._bus = bus
        self._figures = figures
        self._options = options
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._channels: dict[str, str] = {}
        self._number = 0
        self._canary = Canary(figures.canary_seconds, options.canary_wait)
        self._echo = Canary(Histogram(figures.canary_seconds.bounds), options.canary_wait)
        self.has_opened = asyncio.Event()
        """Set when there is a new connection, which is to be proven soon."""
        self.proven_at = -math.inf
        """When a canary came back last: then the bus worked."""
        self._feed = Feed(
            lambda: store.dialer.dial(listens=True),
            options,
            figures,
            heard=self._heard,
            subscribed=self._subscribed,
            closed=self._closed,
        )
        self._feed.subscribe(store.keys.control)

    def __repr__(self) -> str:
        return f"<Listener {self._feed!r}>"

    @property
    def is_open(self) -> bool:
        """It hears something."""
        return self._feed.is_open

    @property
    def run(self) -> Callable[[], "asyncio.Future[None]"]:
        """For ever: listen."""
        return self._feed.run  # type: ignore[return-value]

    @property
    def failure(self) -> str | None:
        """Why it is not certain that this node hears what is stored."""
        if not self._feed.is_open:
            return f"nothing is heard from Redis: {self._feed.reason}"
        if not (self._canary.is_trusted and self._echo.is_trusted):
            return "the subscription has not been proven yet"
        return None

    def follow(self, replica: Replica) -> None:
        """Hear the segments of a channel."""
        name = self._store.keys.live(replica.channel)
        self._channels[name] = replica.channel
        self._feed.subscribe(name)

    def unfollow(self, replica: Replica) -> None:
        """Hear them no longer."""
        name = self._store.keys.live(replica.channel)
        self._channels.pop(name, None)
        self._feed.unsubscribe(name)

    def reopen(self, reason: str) -> None:
        """Listen on a new connection."""
        self._feed.reopen(reason)

    def tick(self) -> None:
        """Once a second: send the canary, and see whether those before it came back."""
        now = self._loop.time()
        if self._canary.is_dead(now):
            self.reopen("canary")
        elif self._echo.is_dead(now) and self._store.failure is None:
            self.reopen("echo")
        else:
            self._feed.publish(self._store.keys.control, self._message(CANARY, self._canary.next(now)))

    async def echo(self) -> None:
        """Once a second: publish through the command connection what has to come back here; raises `StoreError`."""
        control = self._store.keys.control
        payload = self._message(ECHO, self._echo.next(self._loop.time()))
        await self._store.call("echo", control, "PUBLISH", control, payload)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _message(self, kind: str, number: int) -> bytes:
        body: dict[str, object] = {"canary": number}
        if kind == CANARY:
            body["heads"] = self.heads.told()
        return write_control(self._bus.unnumbered(kind, body))

    def _heard(self, name: str, payload: bytes) -> None:
        channel = self._channels.get(name)
        if channel is not None:
            self._following.heard(channel, payload)
        elif name == self._store.keys.control:
            try:
                message = read_control(payload, self._options.bus_message)
            except UnreadableControlError as error:
                self._figures.fault("unreadable", "control")
                logger.warning("a message between nodes was dropped: %s", error)
            else:
                self._take(message)

    def _take(self, message: Control) -> None:
        if message.kind not in (CANARY, ECHO):
            self._bus.receive(message)
            return
        number, now = message.body.get("canary"), self._loop.time()
        if message.run == self._run and isinstance(number, int):
            if message.kind == ECHO:
                self._echo.returned(number, now)
            elif self._canary.returned(number, now):
                self.proven_at = now
        elif message.run != self._run:
            self._bus.notice(message)
            heads = message.body.get("heads")
            if isinstance(heads, dict):
                self.heads.heard(heads)

    def _subscribed(self, name: str) -> None:
        if name == self._store.keys.control:
            now = self._loop.time()
            self._canary.opened(now)
            self._echo.opened(now)
            self._bus.opened()
            self.tick()
            self.has_opened.set()
            return
        replica = self._following.get(self._channels.get(name, ""))
        if replica is not None:
            replica.is_subscribed = True
            self._following.suspect(replica)

    def _closed(self) -> None:
        self._canary.closed()
        self._echo.closed()
        for replica in self._following:
            replica.is_subscribed = False
