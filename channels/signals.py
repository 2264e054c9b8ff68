"""From the SignalSystem to the log: one wake-up per batch, no Python per event."""

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol

from channels._native import SignalSystemError
from channels.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from channels._native import SignalBatch, SignalSystem
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

    def deliver(self, channel: str, batch: "SignalBatch") -> "Position":
        """Append; raises `BrokerError`, and nothing was appended."""
        ...


class SignalPump:
    """Takes what the SignalSystem has processed and delivers it; belongs to the thread of the event loop.

    A batch that the log does not take is kept and tried again, and nothing is taken meanwhile: the queue fills, and the
    SignalSystem refuses further signals before it processes them (M34). `failure` says why the pump ended by itself.
    """

    def __init__(
        self, system: "SignalSystem", broker: Door, *, first_retry: float = FIRST_RETRY, last_retry: float = LAST_RETRY
    ) -> None:
        self._system = system
        self._broker = broker
        self._first_retry = self._retry = first_retry
        self._last_retry = last_retry
        self._loop: asyncio.AbstractEventLoop | None = None
        self._held: SignalBatch | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._counts = {"batches": 0, "events": 0, "dropped": 0, "retries": 0, "lost": 0}
        self.failure: str | None = None

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
        if self._held is not None:
            self._counts["lost"] += len(self._held)
            logger.error("the log took no signals at the end: %d events are lost", len(self._held))

    def deliver_waiting(self) -> "Iterator[tuple[SignalBatch, Position]]":
        """Deliver everything that waits, now; yields each batch with the position of its last entry.

        Ends early where the log takes nothing; the rest is tried again later.
        """
        while (delivered := self._deliver_one()) is not None:
            yield delivered

    def statistics(self) -> dict[str, int]:
        """Counters since the start, and how many events are held because the log does not take them."""
        return self._counts | {"held": 0 if self._held is None else len(self._held)}

    def _watch(self) -> None:
        # Readable as long as something waits: between two batches the loop has its turn.
        if self._loop is not None:
            self._loop.add_reader(self._system.wakeup_fd(), self._deliver_one)

    def _deliver_one(self) -> "tuple[SignalBatch, Position] | None":
        batch = self._take() if self._held is None else self._held
        if batch is None:
            return None
        try:
            position = self._broker.deliver(CHANNEL, batch)
        except BrokerError as error:
            self._hold(batch, error)
            return None
        self._counts["batches"] += 1
        self._counts["events"] += len(batch)
        self._counts["dropped"] += batch.dropped
        if self._held is not None:
            self._held = None
            self._retry = self._first_retry
            self._watch()
        return batch, position

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
            return
        if self._held is None:
            logger.warning("the log takes no signals, they wait: %s", error)
        self._held = batch
        self._counts["retries"] += 1
        self._loop.remove_reader(self._system.wakeup_fd())
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._retry, self._deliver_one)
        self._retry = min(self._retry * 2, self._last_retry)
