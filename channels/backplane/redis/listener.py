"""What this node hears from Redis: segments of the channels it follows, and what nodes tell each other.

There is one ear for each server. A node hears what is stored if all its ears are proven.
"""

import asyncio
import logging
import math
from functools import partial
from typing import TYPE_CHECKING

from channels.backplane.redis.bus import RedisBus
from channels.backplane.redis.canary import REMEMBERED
from channels.backplane.redis.control import Control, UnreadableControlError, read_control, write_control
from channels.backplane.redis.ear import Ear
from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.following import Following
from channels.backplane.redis.heads import Heads
from channels.backplane.redis.options import RedisOptions
from channels.backplane.redis.replica import Replica
from channels.backplane.redis.store import Place, Store
from channels.backplane.redis.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

CANARY = "canary"
ECHO = "echo"


class Listener:
    """Subscriptions of this node, and the proof that they live."""

    heads: Heads

    def __init__(
        self,
        store: Store,
        following: Following,
        bus: RedisBus,
        figures: RedisFigures,
        options: RedisOptions,
        run: str,
    ) -> None:
        self.hurried: Callable[[], None] = lambda: None
        """Hears of each new connection, which is to be proven soon."""
        self.proven_at = -math.inf
        """When what went out through the command connection came back to every ear: then the whole bus worked (N5)."""
        self._store = store
        self._following = following
        self._bus = bus
        self._figures = figures
        self._options = options
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks()
        self._ears: dict[Place, Ear] = {}
        self._channels: dict[str, str] = {}
        self._homes: dict[str, Ear] = {}
        """Which ear hears a channel, by the name that is subscribed to."""
        self._number = 0
        self._echoes: dict[int, set[Ear]] = {}
        """Which ears have not heard an echo yet, by its number."""

    def __repr__(self) -> str:
        return f"<Listener {list(self._ears.values())}>"

    @property
    def failure(self) -> str | None:
        """Why it is not certain that this node hears what is stored."""
        if not self._ears:
            return "nothing is heard from Redis: no server is known"
        return self._tasks.failure or next((ear.failure for ear in self._ears.values() if ear.failure), None)

    def hears_soon(self, channel: str) -> bool:
        """Whether the subscription to `channel` is about to be confirmed."""
        ear = self._homes.get(self._store.keys.live(channel))
        return ear is not None and ear.feed.is_open

    def start(self) -> None:
        """Listen."""
        self.settle()

    async def stop(self) -> None:
        """Listen no longer."""
        await self._tasks.stop()

    def settle(self) -> None:
        """Have an ear for every server, and every channel heard by the one of its server: the map may have changed."""
        places = self._store.places
        for place in places:
            if place not in self._ears:
                self._open(place)
        for place in self._ears.keys() - set(places):
            self._tasks.end(self._ears.pop(place).name)
        for name in self._channels:
            self._settle_channel(name)

    def follow(self, replica: Replica) -> None:
        """Hear the segments of a channel."""
        name = self._store.keys.live(replica.channel)
        self._channels[name] = replica.channel
        self._settle_channel(name)

    def unfollow(self, replica: Replica) -> None:
        """Hear them no longer."""
        name = self._store.keys.live(replica.channel)
        self._channels.pop(name, None)
        ear = self._homes.pop(name, None)
        if ear is not None:
            ear.feed.unsubscribe(name)

    def hurry(self) -> None:
        """A server is there: do not wait before the next attempt to connect."""
        for ear in self._ears.values():
            ear.feed.hurry()

    def doubt(self, channel: str, reason: str = "head") -> None:
        """A message of `channel` has not come, or one of a former master has: listen on a new connection."""
        ear = self._homes.get(self._store.keys.live(channel))
        if ear is not None:
            ear.feed.reopen(reason)

    def tick(self) -> None:
        """Once a second: send the canaries, and see whether those before them came back."""
        is_store_up = self._store.failure is None
        for ear in self._ears.values():
            reason = ear.check(is_store_up=is_store_up)
            if reason is None:
                self._send_canary(ear)
            else:
                ear.feed.reopen(reason)

    async def echo(self) -> None:
        """Once a second: publish through the command connection what every ear has to hear; raises `StoreError`."""
        control, now = self._store.keys.control, self._loop.time()
        self._number += 1
        for ear in self._ears.values():
            ear.echo.sent(self._number, now)
        self._echoes[self._number] = set(self._ears.values())
        if len(self._echoes) > REMEMBERED:
            del self._echoes[next(iter(self._echoes))]
        payload = write_control(self._bus.unnumbered(ECHO, {"echo": self._number}))
        await self._store.call("echo", control, "PUBLISH", control, payload)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _open(self, place: Place) -> None:
        name = "listening" if place is None else f"listening to {place[0]}:{place[1]}"
        control = self._store.keys.control
        is_sharded = place is not None
        ear = self._ears[place] = Ear(
            name,
            partial(self._store.dial, place),
            self._options,
            self._figures,
            heard=self._heard,
            subscribed=self._subscribed,
            closed=self._closed,
            refused=self._store.look_again,
            is_sharded=lambda name: is_sharded and name != control,
        )
        ear.feed.subscribe(control)
        self._tasks.start(ear.name, ear.feed.run)

    def _settle_channel(self, name: str) -> None:
        ear, former = self._ears.get(self._store.place_of(name)), self._homes.get(name)
        if ear is former:
            return
        if former is not None:
            former.feed.unsubscribe(name)
            del self._homes[name]
            self._unhear(name)
        if ear is not None:
            self._homes[name] = ear
            ear.feed.subscribe(name)

    def _send_canary(self, ear: Ear) -> None:
        number = ear.canary.next(self._loop.time())
        body = {"canary": number, "ear": ear.name, "heads": self.heads.told()}
        ear.feed.publish(self._store.keys.control, write_control(self._bus.unnumbered(CANARY, body)))

    def _heard(self, ear: Ear, name: str, payload: bytes) -> None:
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
                self._take(ear, message)

    def _take(self, ear: Ear, message: Control) -> None:
        if message.kind not in (CANARY, ECHO):
            self._bus.receive(message)
        elif message.run == self._run:
            self._take_own(ear, message)
        else:
            self._bus.notice(message)
            heads = message.body.get("heads")
            if isinstance(heads, dict):
                self.heads.heard(heads)

    def _take_own(self, ear: Ear, message: Control) -> None:
        now = self._loop.time()
        canary, echo = message.body.get("canary"), message.body.get("echo")
        if isinstance(echo, int):
            if ear.echo.returned(echo, now):
                self._echoed(ear, echo, now)
        elif isinstance(canary, int) and message.body.get("ear") == ear.name:
            ear.canary.returned(canary, now)

    def _echoed(self, ear: Ear, number: int, now: float) -> None:
        waiting = self._echoes.get(number, set())
        waiting.discard(ear)
        if not waiting and self._echoes.pop(number, None) is not None:
            self.proven_at = now
            self._bus.proven(now)

    def _subscribed(self, ear: Ear, name: str) -> None:
        if name == self._store.keys.control:
            ear.opened()
            self._store.hurry(next((place for place, one in self._ears.items() if one is ear), None))
            self._bus.opened()
            self._send_canary(ear)
            self.hurried()
            return
        replica = self._following.get(self._channels.get(name, ""))
        if replica is not None and self._homes.get(name) is ear:
            replica.is_subscribed = True
            if replica.is_synced and not replica.is_suspect:
                self.heads.heard_anew(replica)
            else:
                self._following.suspect(replica)

    def _closed(self, ear: Ear) -> None:
        ear.closed()
        for name, home in self._homes.items():
            if home is ear:
                self._unhear(name)

    def _unhear(self, name: str) -> None:
        replica = self._following.get(self._channels.get(name, ""))
        if replica is not None:
            replica.is_subscribed = False
