"""From the SignalSystem to the log: one wake-up per batch, no Python per event."""

import asyncio
import bisect
import logging
from collections import deque
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Protocol

from channels._native import SignalSystemError
from channels.callbacks import tell
from channels.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from channels._native import SignalBatch, SignalSystem
    from channels.directory import Settled
    from channels.publication import Position

CHANNEL: Final = "signals"
MAX_EVENTS: Final = 4_096
"""Events taken at a time; the loop does other work between two batches."""
FIRST_RETRY: Final = 0.05
LAST_RETRY: Final = 1.0
"""Seconds between attempts to store a batch that the log did not take."""

logger = logging.getLogger(__name__)


class Door(Protocol):
    """The part of `Broker` that the pump needs."""

    def deliver(
        self, channel: str, batch: "SignalBatch", marks: None = None, settled: "Settled | None" = None
    ) -> "Position":
        """Append; raises `BrokerError`, and nothing was appended. A durable log tells `settled` later."""
        ...


class _Flight:
    """A batch on its way to the log, and who waits until a durable one has stored it. `number`: in the order taken."""

    __slots__ = ("batch", "followers", "is_retry", "number")

    def __init__(self, number: int, batch: "SignalBatch") -> None:
        self.number = number
        self.batch = batch
        self.followers: list[Settled] = []
        self.is_retry = False


class SignalPump:
    """Takes what the SignalSystem has processed and delivers it; belongs to the thread of the event loop.

    A batch that the log does not take is kept and tried again, and nothing is taken meanwhile: the queue fills, and the
    SignalSystem refuses further signals before it processes them (M34). `failure` says why the pump ended by itself.
    `is_durable`: `broker` stores later than it delivers, and what it could not store is delivered again, in the order
    taken and before anything newer (C14). So the loop places a batch when the one before is stored; only who cannot
    wait (`deliver_waiting`) places one behind another, and never behind one that failed before.
    """

    def __init__(
        self,
        system: "SignalSystem",
        broker: Door,
        *,
        is_durable: bool = False,
        first_retry: float = FIRST_RETRY,
        last_retry: float = LAST_RETRY,
    ) -> None:
        self._system = system
        self._broker = broker
        self._is_durable = is_durable
        self._flights: deque[_Flight] = deque()
        """What has its place in a durable log and is not stored yet."""
        self._taken = 0
        self._first_retry = self._retry = first_retry
        self._last_retry = last_retry
        self._loop: asyncio.AbstractEventLoop | None = None
        self._held: list[_Flight] = []
        """What the log did not take or could not store, in the order taken."""
        self._timer: asyncio.TimerHandle | None = None
        self._counts = {"batches": 0, "events": 0, "dropped": 0, "retries": 0, "lost": 0}
        self.failure: str | None = None
        self.on_placed: Callable[[SignalBatch, Position], None] = lambda *_: None
        """Told of each batch that the log has taken, with the position of its last entry; again where it is delivered
        again because a durable log could not store it."""

    def start(self) -> None:
        """Deliver from now on, on the running loop. From here on the SignalSystem queues its events."""
        self._loop = asyncio.get_running_loop()
        self._watch()

    def stop(self) -> None:
        """Deliver what still waits, then end; what the log does not take now is lost and counted."""
        if self._loop is None:
            return
        while self._deliver_one(is_last=True) is not None:
            pass
        self._loop.remove_reader(self._system.wakeup_fd())
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()
        if self._held:
            self._lose([flight.batch for flight in self._held])

    def _lose(self, batches: "list[SignalBatch]") -> None:
        count = sum(map(len, batches))
        self._counts["lost"] += count
        logger.error("the log took no signals at the end: %d events are lost", count)

    def deliver_waiting(self) -> "Iterator[tuple[SignalBatch, Position]]":
        """Deliver everything that waits, now; yields each batch with the position of its last entry.

        Ends early where the log takes nothing; the rest is tried again later.
        """
        while (delivered := self._deliver_one()) is not None:
            yield delivered

    def statistics(self) -> dict[str, int]:
        """Counters since the start, and how many events are held because the log does not take them."""
        return self._counts | {"held": sum(len(flight.batch) for flight in self._held)}

    def when_settled(self, batch: "SignalBatch", follower: "Settled") -> bool:
        """Tell `follower` once what becomes of `batch`; False, and it is not told, if it is stored already."""
        for flight in self._flights:
            if flight.batch is batch:
                flight.followers.append(follower)
                return True
        return False

    def _watch(self) -> None:
        # Readable as long as something waits: between two batches the loop has its turn.
        if self._loop is not None and self.failure is None:
            self._loop.add_reader(self._system.wakeup_fd(), self._deliver_next)

    def _deliver_next(self) -> None:
        """For the loop: behind what is not stored yet nothing is placed, so that a failure leaves nothing behind it."""
        if not self._flights:
            self._deliver_one()
        elif self._loop is not None:
            self._loop.remove_reader(self._system.wakeup_fd())  # `_settled` goes on

    def _deliver_one(self, *, is_last: bool = False) -> "tuple[SignalBatch, Position] | None":
        """`is_last`: nothing is tried again, so nothing that fails can get behind what comes now."""
        if self._flights and not is_last and (self._held or self._flights[0].is_retry):
            return None
        flight = self._held[0] if self._held else self._take()
        if flight is None:
            return None
        batch = flight.batch
        try:
            position = self._place(flight) if self._is_durable else self._broker.deliver(CHANNEL, batch)
        except BrokerError as error:
            self._hold(flight, error)
            return None
        self._counts["batches"] += 1
        self._counts["events"] += len(batch)
        self._counts["dropped"] += batch.dropped
        if self._held:
            self._release()
        self.on_placed(batch, position)
        return batch, position

    def _release(self) -> None:
        """The oldest batch that was held is with the log now."""
        del self._held[0]
        if self._is_durable:
            return  # `_settled` goes on
        self._retry = self._first_retry
        self._go_on()

    def _go_on(self) -> None:
        if not self._held:
            self._watch()
        elif self._loop is not None:
            self._loop.call_soon(self._deliver_next)

    # --- a durable log ------------------------------------------------------------------------------------------------

    def _place(self, flight: _Flight) -> "Position":
        position = self._broker.deliver(CHANNEL, flight.batch, None, partial(self._settled, flight))
        self._flights.append(flight)
        return position

    def _settled(self, flight: _Flight, error: BrokerError | None) -> None:
        self._flights.remove(flight)
        followers, flight.followers = flight.followers, []
        if error is None:
            self._retry = self._first_retry
            if not self._flights:
                self._go_on()
        else:
            self._counts["batches"] -= 1
            self._counts["events"] -= len(flight.batch)
            self._counts["dropped"] -= flight.batch.dropped
            self._hold(flight, error)
        tell(followers, error)

    def _take(self) -> _Flight | None:
        if self.failure is not None:
            return None
        try:
            batch = self._system.take_batch(MAX_EVENTS)
        except SignalSystemError as error:
            self.failure = str(error)
            logger.error("no more signals are delivered: %s", error)
            if self._loop is not None:
                self._loop.remove_reader(self._system.wakeup_fd())
            return None
        if batch is None:
            return None
        self._taken += 1
        return _Flight(self._taken, batch)

    def _hold(self, flight: _Flight, error: BrokerError) -> None:
        if self._loop is None:
            if flight not in self._held:
                self._lose([flight.batch])
            return
        if not self._held:
            logger.warning("the log takes no signals, they wait: %s", error)
        if flight not in self._held:
            flight.is_retry = True
            bisect.insort(self._held, flight, key=attrgetter("number"))
        self._counts["retries"] += 1
        self._loop.remove_reader(self._system.wakeup_fd())
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._retry, self._deliver_next)
        self._retry = min(self._retry * 2, self._last_retry)
