"""One campaign: publishers and subscribers at work, faults by a seeded schedule, then calm, the head, the verdict."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from random import Random
from ssl import SSLContext
from time import monotonic
from urllib.parse import urlsplit, urlunsplit

from neurograph_ws_client import HubError
from neurograph_ws_client.positions import Position

from ..exits import Exit, Failed
from .clients import Maker
from .cluster import Cluster
from .happenings import Happenings
from .history import History
from .plan import Plan
from .proxy import Proxy
from .publishers import Publisher
from .schedule import planned
from .subscribers import HABITS, Subscriber

# How long everybody may take to connect, and to confirm the head after the last fault.
CONNECT_WAIT = 30.0
CONFIRM_WAIT = 60.0

# A subscriber that is connected, answered, and was given nothing for so long will be given nothing more.
QUIET = 8.0

# How long nodes may tell different heads: they compare theirs with the store's each second (N9).
AGREE_WAIT = 5.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Target:
    """Where the hubs are, as whom they are asked, and which TLS certificates are taken (None: those in order)."""

    urls: tuple[str, ...]
    token: str | None = field(repr=False)
    trust: SSLContext | None = None


class Campaign:
    """One run with one seed; clients reach each hub through a proxy where faults need one."""

    def __init__(
        self, plan: Plan, seed: int, target: Target, history: History, cluster: Cluster | None, say: Say
    ) -> None:
        self._plan, self._seed, self._target = plan, seed, target
        self._history = history
        self._cluster = cluster
        self._say = say
        self._random = Random(f"{seed}/targets")  # noqa: S311 - to be repeated
        self._subscribers: list[Subscriber] = []
        self._publishers: list[Publisher] = []
        self._proxies: list[Proxy] = []
        self._run = f"{seed:x}-{monotonic():.0f}"

    async def run(self) -> None:
        """From the first connection to the last confirmation; everything is in the history afterwards."""
        try:
            await self._gather()
            await self._work()
            await self._confirm()
        finally:
            everybody: list[Publisher | Subscriber] = [*self._publishers, *self._subscribers]
            await asyncio.gather(*(one.close() for one in everybody), return_exceptions=True)
            await asyncio.gather(*(proxy.stop() for proxy in self._proxies))

    # -- phases ------------------------------------------------------------------------------------------------------

    async def _gather(self) -> None:
        """Everybody connects and is active, so that the calm is calm."""
        maker = self._maker(await self._behind_proxies() if self._plan.faults else self._target.urls)
        plan, began = self._plan, monotonic()
        settled = (self._run, maker, self._history, plan.channels, self._seed)
        self._publishers = [Publisher(f"p{number}", *settled) for number in range(1, plan.publishers + 1)]
        self._subscribers = [
            Subscriber(f"s{number + 1}", HABITS[number % len(HABITS)], *settled) for number in range(plan.clients)
        ]
        everybody: list[Publisher | Subscriber] = [*self._publishers, *self._subscribers]
        try:
            async with asyncio.timeout(CONNECT_WAIT):
                await asyncio.gather(*(one.connect() for one in everybody))
        except TimeoutError as fault:
            text = f"verify: {len(everybody)} clients were not connected within {CONNECT_WAIT:g} s"
            raise Failed(Exit.CONNECT, text, "next: fewer --clients, or ng-ws ping") from fault
        self._say(f"{len(everybody)} clients connected in {monotonic() - began:.1f} s")

    async def _work(self) -> None:
        schedule = planned(self._seed, self._plan.faults, self._plan.duration)
        for fault in schedule:
            self._history.write("fault", do="planned", **asdict(fault))
        names = ", ".join(dict.fromkeys(fault.kind for fault in schedule)) or "none"
        self._say(f"{self._plan.duration:g} s with {len(schedule)} faults ({names})")
        happenings = Happenings(
            self._history, self._plan.channels, self._cluster, self._proxies, self._subscribers, self._random
        )
        ending, began = asyncio.Event(), monotonic()
        rate = self._plan.rate / len(self._publishers)
        async with asyncio.TaskGroup() as group:
            working = [group.create_task(publisher.publish(rate, ending)) for publisher in self._publishers]
            working += [group.create_task(subscriber.live(ending)) for subscriber in self._subscribers]
            faults = [group.create_task(happenings.happens(fault, began)) for fault in schedule]
            await asyncio.sleep(self._plan.duration)
            await asyncio.gather(*faults)
            ending.set()
            _, late = await asyncio.wait(working, timeout=CONFIRM_WAIT)
            for task in late:
                # Whoever is not back by now does not confirm the head, and that is told.
                task.cancel()

    async def _confirm(self) -> None:
        """The last entries, the head as each hub tells it to somebody who asks anew, and who comes to it."""
        if self._cluster is not None and not await self._cluster.is_ready():
            self._say("not every hub was ready again")
        marks = await asyncio.gather(*(publisher.mark() for publisher in self._publishers))
        if not all(marks):
            self._say(f"{marks.count(False)} publishers could not store their last entry")
            return
        try:
            heads = await self._heads()
        except (HubError, TimeoutError) as fault:
            self._say(f"the heads could not be asked for: {str(fault) or 'no answer in time'}")
            return
        began = monotonic()
        waits = [self._confirms(subscriber, channel, heads) for subscriber in self._subscribers for channel in heads]
        confirmed = await asyncio.gather(*waits)
        self._say(f"{sum(confirmed)} of {len(confirmed)} heads confirmed in {monotonic() - began:.1f} s")
        for one in self._subscribers:
            if not one.is_connected:
                self._say(f"{one.name} ({one.habit}) is {one.state}")

    # -- the head ----------------------------------------------------------------------------------------------------

    async def _heads(self) -> dict[str, Position]:
        """The head of each channel, as the first hub tells it; what each of them tells is in the history.

        Nodes have a moment to agree: one that was cut off until now has to hear of it first.
        """
        until = monotonic() + AGREE_WAIT
        while True:
            told = [await self._heads_of(url) for url in self._target.urls]
            if all(heads == told[0] for heads in told) or monotonic() > until:
                break
            await asyncio.sleep(0.2)
        for number, heads in enumerate(told, 1):
            for channel, head in heads.items():
                self._history.write("head", node=number, ch=channel, off=head.offset, ep=head.epoch)
        return told[0]

    async def _heads_of(self, url: str) -> dict[str, Position]:
        """Where somebody starts who asks for what is new (M24)."""
        maker = self._maker((url,))
        client = maker.client("head")
        # What concerns it is told by the calls.
        client.on("error", lambda _: None)
        async with asyncio.timeout(CONNECT_WAIT), client:
            followed = [client.subscribe(channel, lambda _: None, start="new") for channel in self._plan.channels]
            await asyncio.gather(*followed)
            return {one.channel: Position.parse(one.position) for one in followed}

    async def _confirms(self, subscriber: Subscriber, channel: str, heads: Mapping[str, Position]) -> bool:
        """Wait until it is at the head, or certain that nothing more comes: what is missing then is lost."""
        head, until = heads[channel], monotonic() + CONFIRM_WAIT
        while not self._is_at(subscriber, channel, head):
            is_moving = await subscriber.diary.moves(channel, QUIET)
            if not is_moving and subscriber.is_connected and await subscriber.ping():
                break
            if monotonic() >= until:
                return False
        subscriber.diary.confirmed(channel, head)
        return True

    @staticmethod
    def _is_at(subscriber: Subscriber, channel: str, head: Position) -> bool:
        cursor = subscriber.diary.cursors.get(channel)
        return cursor is not None and cursor.reaches(head)

    # -- the way -----------------------------------------------------------------------------------------------------

    def _maker(self, urls: tuple[str, ...]) -> Maker:
        return Maker(urls, self._target.token, self._history.journal, self._target.trust, self._seed)

    async def _behind_proxies(self) -> tuple[str, ...]:
        urls = []
        for number, url in enumerate(self._target.urls):
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "wss" else 80)
            proxy = Proxy(parts.hostname or "127.0.0.1", port, self._seed + number)
            self._proxies.append(proxy)
            here = await proxy.start()
            urls.append(urlunsplit((parts.scheme, f"127.0.0.1:{here}", parts.path, parts.query, "")))
        return tuple(urls)
