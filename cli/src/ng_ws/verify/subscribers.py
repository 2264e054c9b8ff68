"""Subscribers: applications that follow every channel, and the ways in which they come and go."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from random import Random
from typing import Any, Literal

from neurograph_ws_client import Event, Gap, HubError, NeurographWSClient, State, Subscription
from neurograph_ws_client.positions import Position

from .clients import Maker
from .diary import Diary, Way
from .history import History
from .resumption import Resumption

Habit = Literal["stays", "msgpack", "window", "resubscribes", "restarts", "token only", "lazy"]

# In turn: who plainly stays, who reads msgpack, who acknowledges, who comes and goes in one of three ways, who is slow.
HABITS: tuple[Habit, ...] = ("stays", "msgpack", "window", "resubscribes", "restarts", "token only", "lazy")

WINDOW = 32

# Events that wait for a handler before the socket is not read.
_QUEUE = 200

_MAX_ERRORS = 100

# What a lazy handler takes for each event, in seconds.
_LAZY = 0.002


class Subscriber:
    """One application that follows every channel of the run."""

    def __init__(
        self, name: str, habit: Habit, run: str, maker: Maker, history: History, channels: tuple[str, ...], seed: int
    ) -> None:
        self.name, self.habit = name, habit
        self.channels = channels
        # Seconds that the handler takes for each event: its own laziness, and what a fault adds.
        self.pause = 0.0
        self.diary = Diary(name, run, history, channels)
        self.errors: list[str] = []
        self._maker = maker
        self._random = Random(f"{seed}/{name}")  # noqa: S311 - to be repeated
        self._is_without_cursor = False
        self._resumption = Resumption()
        # What a handler of an earlier life still holds when its process or subscription has ended was never handled.
        self._lives = dict.fromkeys(channels, 0)
        self._subscriptions: dict[str, Subscription[Any]] = {}
        self._client = self._made()

    @property
    def is_connected(self) -> bool:
        """At this moment."""
        return self._client.state is State.CONNECTED

    @property
    def state(self) -> str:
        """For who has to be told why it never came to the head."""
        return f"{self._client.state}{': ' + self.errors[-1] if self.errors else ''}"

    async def connect(self) -> None:
        """Follow every channel; returns when all are active."""
        self._subscribe(*self.channels)
        await self._client.connect()
        await asyncio.gather(*self._subscriptions.values())

    async def live(self, ending: asyncio.Event) -> None:
        """Come and go by habit until it ends."""
        turn = {"resubscribes": self._resubscribe, "restarts": self._restart, "token only": self._resume_by_token}
        act = turn.get(self.habit)
        while act is not None and not ending.is_set():
            try:
                async with asyncio.timeout(self._random.uniform(1.5, 5.0)):
                    await ending.wait()
            except TimeoutError:
                await act()

    async def ping(self) -> bool:
        """Whether the hub answers on this very connection."""
        try:
            await self._client.ping()
        except HubError:
            return False
        return True

    async def close(self) -> None:
        """Close its client."""
        await self._client.close()

    # -- habits ------------------------------------------------------------------------------------------------------

    async def _resubscribe(self) -> None:
        """Unsubscribe one channel and follow it again from where it stopped."""
        channel = self._random.choice(self.channels)
        # What its handler still holds moves nothing any more, at the client neither: it comes again.
        self._lives[channel] += 1
        try:
            await self._client.unsubscribe(channel)
        except HubError as fault:
            self._failed(fault)
        self.diary.ended(channel)
        self._subscribe(channel)

    async def _restart(self) -> None:
        """As if the process had ended in order: a new client, with the positions that were saved."""
        await self._leave()
        self._is_without_cursor = False
        await self._return(positions={channel: str(place) for channel, place in self.diary.cursors.items()})

    async def _resume_by_token(self) -> None:
        """As if all that was left were the reconnection token: repeats may come, and no hole."""
        token = None if self.pause else await self._fresh_token()
        if token is None or self.pause:
            # With a slow handler events wait that the token counts as received.
            await self._restart()
            return
        await self._leave()
        self._is_without_cursor = True
        await self._return(reconnection_token=token)

    async def _fresh_token(self) -> str | None:
        try:
            return (await self._client.get_reconnection_token()).token
        except HubError:
            return None

    async def _leave(self) -> None:
        client = self._client
        await client.close()
        self._left()

    async def _return(self, **given: Any) -> None:
        self._client = self._made(**given)
        self._subscribe(*self.channels)
        try:
            await self._client.connect(retry=True)
        except HubError as fault:
            self._failed(fault)

    def _failed(self, fault: Exception) -> None:
        if len(self.errors) < _MAX_ERRORS:
            self.errors.append(str(fault)[:200])

    def _made(self, **given: Any) -> NeurographWSClient:
        encoding = "msgpack" if self.habit == "msgpack" else "json"
        resumption = self._resumption = Resumption()
        client = self._maker.client(self.name, resumption.take, encoding=encoding, **given)
        client.on("connected", lambda _: self._connected(client))
        client.on("disconnected", lambda _: self._left() if client is self._client else None)
        client.on("error", self._failed)
        return client

    def _subscribe(self, *channels: str) -> None:
        window: dict[str, Any] = {"ack": WINDOW} if self.habit == "window" else {}
        for channel in channels:
            place = self.diary.cursors.get(channel)
            start: dict[str, Any] = {}
            if place is not None and self.habit == "resubscribes":
                start = {"start": str(place)}
            self.diary.starts_anew(channel)
            self._lives[channel] += 1
            self._subscriptions[channel] = self._client.subscribe(
                channel,
                partial(self._handler, channel, self._lives[channel]),
                delivery="all",
                queue_size=_QUEUE,
                on_full="wait",
                gaps=True,
                **window,
                **start,
            )

    # -- what comes --------------------------------------------------------------------------------------------------

    def _handler(self, channel: str, life: int, item: Event[Any] | Gap) -> Awaitable[None] | None:
        pause = self.pause + (_LAZY if self.habit == "lazy" else 0.0)
        if pause:
            return self._handle_later(channel, life, item, pause)
        self.diary.handled(channel, item, self._way(channel))
        return None

    async def _handle_later(self, channel: str, life: int, item: Event[Any] | Gap, pause: float) -> None:
        await asyncio.sleep(pause)
        if life == self._lives[channel]:
            self.diary.handled(channel, item, self._way(channel))

    # -- starts ------------------------------------------------------------------------------------------------------

    def _connected(self, client: NeurographWSClient) -> None:
        """Whatever told nothing yet begins now: it stands where it stood, or at the head."""
        if client is not self._client:
            return
        for channel, subscription in self._subscriptions.items():
            if not self.diary.has_begun(channel) and subscription.position is not None:
                start = Position.parse(subscription.position)
                self.diary.begin(channel, start, self._way(channel), is_granted=subscription.recovered is not False)

    def _way(self, channel: str) -> Way:
        is_by_token = self._is_without_cursor
        return Way(not is_by_token, is_by_token and self._resumption.holds(channel))

    def _left(self) -> None:
        for channel in self.channels:
            self.diary.ended(channel)
