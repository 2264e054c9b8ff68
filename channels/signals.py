"""From the SignalSystem to the log: one wake-up per batch, no Python per event."""

import asyncio
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from channels._native import SignalSystemError
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
    """A batch that has its place in a durable log and is not stored yet, and who waits for that."""

    __slots__ = ("batch", "followers")

    def __init__(self, batch: "SignalBatch") -> None:
        self.batch = batch
        self.followers: list[Settled] = []


class SignalPump:
    """Takes what the SignalSystem has processed and delivers it; belongs to the thread of the event loop.

    A batch that the log does not take is kept and tried again, and nothing is taken meanwhile: the queue fills, and the
    SignalSystem refuses further signals before it processes them (M34). `failure` says why the pump ended by itself.
    `is_durable`: `broker` stores later than it delivers, and what it could not store is delivered again.
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
        self._first_retry = self._retry = first_retry
        self._last_retry = last_retry
        self._loop: asyncio.AbstractEventLoop | None = None
        self._held: deque[SignalBatch] = deque()
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
        for _ in self.deliver_waiting():
            pass
        self._loop.remove_reader(self._system.wakeup_fd())
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()
        if self._held:
            self._lose(list(self._held))

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
        return self._counts | {"held": sum(map(len, self._held))}

    def when_settled(self, batch: "SignalBatch", follower: "Settled") -> bool:
        """Tell `follower` once what becomes of `batch`; False, and it is not told, if it is stored already."""
        for flight in self._flights:
            if flight.batch is batch:
                flight.followers.append(follower)
                return True
        return False

    def _watch(self) -> None:
        # Readable as long as something waits: between two batches the loop has its turn.
        if self._loop is not None:
            self._loop.add_reader(self._system.wakeup_fd(), self._deliver_one)

    def _deliver_one(self) -> "tuple[SignalBatch, Position] | None":
        batch = self._held[0] if self._held else self._take()
        if batch is None:
            return None
        try:
            position = self._place(batch) if self._is_durable else self._broker.deliver(CHANNEL, batch)
        except BrokerError as error:
            self._hold(batch, error)
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
        self._held.popleft()
        if not self._is_durable:
            self._retry = self._first_retry
        if not self._held:
            self._watch()
        elif self._loop is not None:
            self._loop.call_soon(self._deliver_one)

    # --- a durable log ------------------------------------------------------------------------------------------------

    def _place(self, batch: "SignalBatch") -> "Position":
        flight = _Flight(batch)
        position = self._broker.deliver(CHANNEL, batch, None, partial(self._settled, flight))
        self._flights.append(flight)
        return position

    def _settled(self, flight: _Flight, error: BrokerError | None) -> None:
        self._flights.remove(flight)
        if error is None:
            self._retry = self._first_retry
        else:
            self._counts["batches"] -= 1
            self._counts["events"] -= len(flight.batch)
            self._counts["dropped"] -= flight.batch.dropped
            self._hold(flight.batch, error)
        for follower in flight.followers:
            follower(error)

    def _take(self) -> "SignalBatch | None":
        if self.failure is not None:
            return None
        try:
            return self._system.take_batch(MAX_EVENTS)
        except SignalSystemError as error:
            self.failure = str(error)
            logger.error("no more signals are delivered: %s", error)
            if self._loop is not None:
                self._loop.remove_reader(self._system.wakeup_fd())
            return None

    def _hold(self, batch: "SignalBatch", error: BrokerError) -> None:
        if self._loop is None:
            if batch not in self._held:
                self._lose([batch])
            return
        if not self._held:
            logger.warning("the log takes no signals, they wait: %s", error)
        if batch not in self._held:
            self._held.append(batch)
        self._counts["retries"] += 1
        self._loop.remove_reader(self._system.wakeup_fd())
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._retry, self._deliver_one)
        self._retry = min(self._retry * 2, self._last_retry)
