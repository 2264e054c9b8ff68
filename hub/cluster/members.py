"""Presence over all nodes (C25): `join` for the first subscription of a subject anywhere, `leave` 10 s after its last.

A node says of a subject that it is here when its own first subscription begins, and that it is not 10 s after its own
last has ended; the bus counts over all nodes and says what of that is news. So who resumes on another node was never
away. News are stored in the companion, and then the bus is told so; whatever fails on this way is done again, and
whoever ends on this way leaves it to others.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import orjson

from channels.backplane import MAX_BATCH, Result
from channels.backplane.bus import Bus, News, Told
from channels.channel import PRESENCE
from channels.errors import BrokerError, MidConflict, UnknownChannel
from channels.presence import LEAVE_SECONDS, Change
from channels.publication import Position, Publication, Stored
from hub.cluster.errands import RETRY, Errands, until_done

if TYPE_CHECKING:
    from hub.counters import Counters

SUBJECTS_AT_ONCE = 128
"""Of one channel, in one call of the bus."""
CHANNELS_AT_ONCE = 16


class Companions(Protocol):
    """Where news go: the broker."""

    async def tell_all(self, companion: str, news: Sequence[Publication]) -> Sequence[Result]:
        """Store them. -> what became of each"""
        ...

    def attend(self, channel: str) -> None:
        """Somebody is present on `channel`: its companion is to be followed."""


@dataclass(slots=True)
class _Channel:
    here: dict[str, float] = field(default_factory=dict)
    """Who is here by this node, and since when."""
    changed: dict[str, None] = field(default_factory=dict)
    """Of whom the bus is to be told how things are, in the order of their last change."""
    adopted: set[str] = field(default_factory=set)
    """Who was here by a former life of this node, and may come back."""
    epoch: str = ""
    """In which the companion has begun anew, until everybody who is here was told of."""
    is_worked: bool = False


class Members:
    """What is to be told of a channel goes to the bus in one piece after the other."""

    def __init__(
        self,
        bus: Bus,
        companions: Companions,
        counters: "Counters",
        *,
        wall: Callable[[], float] = time.time,
        leave_seconds: float = LEAVE_SECONDS,
    ) -> None:
        self._bus = bus
        self._companions = companions
        self._counters = counters
        self._wall = wall
        self._leave_seconds = leave_seconds
        self._channels: dict[str, _Channel] = {}
        self._due: OrderedDict[str, None] = OrderedDict()
        """Channels that nobody works on and of which something is to be told."""
        self._workers = 0
        self._buried: set[str] = set()
        """Nodes that are being buried."""
        self._errands = Errands(counters)
        self._is_stopped = False
        bus.on_returned(self.tell_again)

    def __len__(self) -> int:
        """Subjects of which something is to be told."""
        return sum(len(one.changed) for one in self._channels.values())

    def changed(self, change: Change) -> None:
        """A subject came to a channel on this node, or has been gone from it for 10 s."""
        channel = self._channel(change.channel)
        if change.event == "join":
            channel.here[change.subject] = self._wall()
        else:
            channel.here.pop(change.subject, None)
        self._note(change.channel, channel, (change.subject,))

    def start(self) -> None:
        """Who was here by a former life of this node and comes back within 10 s was never away."""
        self._errands.run(self._adopt())

    def stop(self) -> None:
        """Tell nobody any more: another node does, for the bus has it that this one goes."""
        self._is_stopped = True
        self._errands.stop()

    async def bury(self, node: str) -> None:
        """`node` is gone for good: who was only there has left (N16)."""
        if node in self._buried:
            return
        self._buried.add(node)
        try:
            await until_done(partial(self._bus.bury, node, self._tell), self._failed)
        finally:
            self._buried.discard(node)

    def tell_again(self) -> None:
        """The store may have lost who is here."""
        for name, channel in self._channels.items():
            self._note(name, channel, channel.here)

    def begun(self, name: str, epoch: str) -> None:
        """The companion of channel `name` stands in another epoch: it may have lost who is here (N4)."""
        channel = self._channels.get(name)
        if channel is not None and channel.here:
            channel.epoch = epoch
            self._note(name, channel, channel.here)

    # --- a former life ------------------------------------------------------------------------------------------------

    async def _adopt(self) -> None:
        former = await until_done(self._bus.former, self._failed)
        for name, subject in former:
            self._channel(name).adopted.add(subject)
        await asyncio.sleep(self._leave_seconds)
        for name, subject in former:
            channel = self._channel(name)
            channel.adopted.discard(subject)
            self._note(name, channel, (subject,))

    # --- telling ------------------------------------------------------------------------------------------------------

    def _channel(self, name: str) -> _Channel:
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = _Channel()
            self._companions.attend(name)
        return channel

    def _note(self, name: str, channel: _Channel, subjects: Iterable[str]) -> None:
        for subject in subjects:
            channel.changed.pop(subject, None)
            channel.changed[subject] = None
        self._put(name, channel)

    def _put(self, name: str, channel: _Channel) -> None:
        if self._is_stopped or channel.is_worked or self._channels.get(name) is not channel:
            return
        self._due[name] = None
        if self._workers < CHANNELS_AT_ONCE:
            self._workers += 1
            self._errands.run(self._work())

    async def _work(self) -> None:
        try:
            while self._due:
                name, _ = self._due.popitem(last=False)
                channel = self._channels[name]
                channel.is_worked = True
                is_done = False
                try:
                    is_done = await self._tell_some(name, channel)
                finally:
                    channel.is_worked = False
                    if not is_done:
                        asyncio.get_running_loop().call_later(RETRY, self._put, name, channel)
                    elif channel.changed:
                        self._put(name, channel)
        finally:
            self._workers -= 1

    async def _tell_some(self, name: str, channel: _Channel) -> bool:
        """Tell how things are with some of those who changed. -> whether it could be"""
        some, epoch = list(islice(channel.changed, SUBJECTS_AT_ONCE)), channel.epoch
        is_done = False
        for subject in some:
            del channel.changed[subject]
        try:
            if some:
                news = await self._bus.present(name, {one: channel.here.get(one) for one in some}, epoch)
                for subject in await self._store(name, news, epoch):
                    channel.changed[subject] = None
            if not channel.changed:
                if epoch == channel.epoch:
                    channel.epoch = ""
                await self._leave(name, channel)
            is_done = True
        except BrokerError:
            self._failed()
        finally:
            if not is_done:
                channel.changed = {**dict.fromkeys(some), **channel.changed}
        return is_done

    async def _leave(self, name: str, channel: _Channel) -> None:
        if not (channel.here or channel.adopted):
            await self._bus.vacate(name)
            if not (channel.here or channel.adopted or channel.changed):
                del self._channels[name]

    async def _tell(self, name: str, news: Sequence[News]) -> None:
        await self._store(name, news, "")

    async def _store(self, name: str, news: Sequence[News], epoch: str) -> list[str]:
        """Bring `news` of a channel to its companion; raises `BrokerError` if some are not there.

        -> whose news were there before the companion began `epoch`, and may be lost with what it held then
        """
        before: list[str] = []
        for start in range(0, len(news), MAX_BATCH):
            some = news[start : start + MAX_BATCH]
            results = await self._companions.tell_all(name + PRESENCE, [_publication(name, one) for one in some])
            outcomes = [_Outcome(one, result) for one, result in zip(some, results, strict=True)]
            await self._bus.told(name, [one.told for one in outcomes if one.error is None])
            if error := next(filter(None, (one.error for one in outcomes)), None):
                raise error
            before += [one.news.subject for one in outcomes if epoch and one.is_before(epoch)]
        return before

    def _failed(self) -> None:
        self._counters.error("bus", "presence")


class _Outcome(NamedTuple):
    """What became of one of the news."""

    news: News
    result: Result

    @property
    def error(self) -> BrokerError | None:
        """Why it is to be told again; not where it never could be: the channel is configured no longer."""
        is_final = isinstance(self.result, Stored | MidConflict | UnknownChannel)
        return None if is_final else cast("BrokerError", self.result)

    @property
    def told(self) -> Told:
        """For the bus."""
        epoch = Position.parse(self.result.position).epoch if isinstance(self.result, Stored) else ""
        return Told(self.news.subject, self.news.mark, epoch)

    def is_before(self, epoch: str) -> bool:
        """Whether it was stored before, in another epoch."""
        return isinstance(self.result, Stored) and self.result.duplicate and self.told.epoch != epoch


def _publication(channel: str, news: News) -> Publication:
    data = orjson.dumps({"since": news.since, "connections": news.connections})
    return Publication(
        channel + PRESENCE, news.event, data, key=news.subject, subject=news.subject, mid=f"presence {news.mark}"
    )
