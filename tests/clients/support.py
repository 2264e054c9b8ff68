"""What the tests of the client over real sockets share."""

import asyncio
import os
import threading
from typing import Any

from neurograph_ws_client import Backoff, Event, NeurographWSClient, State
from neurograph_ws_client.testing import FakeHub
from neurograph_ws_client.worker import Worker

# Reconnects of the tests do not wait: the back-off has its own tests, with the clock as an argument.
AT_ONCE = Backoff(base=0.01, cap=0.01)
SOON = float(os.environ.get("NG_TEST_PATIENCE", "5"))
"""Seconds that anything may take here: the unit of every time-out."""


class Seen:
    """What was told, and waiting for the n-th."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._news = asyncio.Event()

    def __call__(self, item: Any) -> None:
        self.items.append(item)
        self._news.set()

    async def wait(self, count: int) -> list[Any]:
        async with asyncio.timeout(SOON):
            while len(self.items) < count:
                self._news.clear()
                await self._news.wait()
        return self.items

    def data(self) -> list[Any]:
        """The data of events, anything else as it is."""
        return [item.data if isinstance(item, Event) else item for item in self.items]


async def comes(event: asyncio.Event) -> None:
    """What has to happen happens soon."""
    async with asyncio.timeout(SOON):
        await event.wait()


def client_of(hub: FakeHub, **options: Any) -> NeurographWSClient:
    return NeurographWSClient(hub.url, **{"backoff": AT_ONCE, **options})


async def away_and_back(hub: FakeHub, client: NeurographWSClient, *missed: Any) -> None:
    """Cut the client, publish to `logs` while it is away, and wait until it is back."""
    lost = asyncio.ensure_future(client.wait_for(State.RECONNECTING, SOON))
    hub.cut()
    await lost
    for data in missed:
        hub.publish("logs", data)
    await client.wait_for(State.CONNECTED, SOON)


async def token_of(client: NeurographWSClient) -> str:
    """The reconnection token that the client asked for by itself."""
    return client.reconnection_token or (await client.get_reconnection_token()).token


class Hub:
    """A small hub on a thread of its own, driven without `await`."""

    def __init__(self, worker: Worker, hub: FakeHub) -> None:
        self.worker, self.fake = worker, hub
        self.url = hub.url

    def publish(self, channel: str, *data: Any) -> None:
        self.worker.call(lambda: [self.fake.publish(channel, one) for one in data])

    def cut(self) -> None:
        self.worker.call(self.fake.cut)

    def asked(self, kind: str, count: int = 1) -> Any:
        return self.worker.wait(self.fake.asked(kind, count))


def threads_of_clients() -> list[threading.Thread]:
    """Those that clients without `await` have running."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("neurograph-")]
