"""From the SignalSystem to the log: one wake-up per batch, no Python per event."""

import asyncio
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from channels._native import SignalSystemError
from channels.errors import BrokerError, OutcomeUnknown
from channels.listening import call_subscribers

if TYPE_CHECKING:
    from collections.abc import Callable

    from channels._native import SignalBatch, SignalSystem
    from channels.backplane import Placed
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

    @property
    def max_signals(self) -> int:
        """The most that a batch may hold."""
        ...

    def append_signals(self, channel: str, batch: "SignalBatch", done: "Placed") -> None:
        """Store `batch`; `done` hears once where its last entry is, or why all are nowhere; perhaps at once."""
        ...


class SignalPump:
    """Takes what the SignalSystem has processed and hands it to the log; belongs to the thread of the event loop.

    A batch is on its way until the log says what became of it: at once, when it is on the disk, or when the store
    elsewhere has answered. One that the log does not take is held and tried again, and nothing is taken meanwhile: the
    queue fills, and the SignalSystem refuses further signals before it processes them (M34). It is tried again in the
    order taken and before anything newer (C14): the loop hands a batch over when the one before is stored, and only who
    cannot wait (`deliver_waiting`) one behind another, never behind one that failed. `failure` says why the pump ended
    by itself.
    """

    def __init__(
        self,
        system: "SignalSystem",
        broker: Door,
        *,
        first_retry: float = FIRST_RETRY,
        last_retry: float = LAST_RETRY,
    ) -> None:
        self._system = system
        self._broker = broker
        self._first_retry = self._retry = first_retry
        self._last_retry = last_retry
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_watching = False
        self._unstored: list[SignalBatch] = []  # on their way or held, in the order taken
        self._held: deque[SignalBatch] = deque()  # the same order
        self._tried: SignalBatch | None = None
        """The oldest that is held, while it is on its way again."""
        self._flights = 0
        self._in_flight = 0  # events of them
        self._timer: asyncio.TimerHandle | None = None
        self._counts = {"batches": 0, "events": 0, "dropped": 0, "retries": 0, "lost": 0}
        self.failure: str | None = None
        self.on_placed: Callable[[SignalBatch, Position], None] = lambda *_: None
        """Told of each batch that the log has stored, with the position of its last entry."""
        self.on_refused: Callable[[SignalBatch, BrokerError], None] = lambda *_: None
        """Told of each batch that it has not, at each attempt. After `OutcomeUnknown` it is not tried again."""

    def start(self) -> None:
        """Deliver from now on, on the running loop. From here on the SignalSystem queues its events."""
        self._loop = asyncio.get_running_loop()
        self._watch()

    def stop(self) -> None:
        """Hand over what still waits, then end; what the log does not take now is lost and counted."""
        if self._loop is None:
            return
        self._unwatch()
        self._stop_timer()
        self._loop = None
        for held in list(self._held):
            if held is not self._tried:
                self._hand_over(held)
        while (batch := self._take()) is not None:
            self._hand_over(batch)
        while self.failure is None and call_subscribers(self._system):
            pass

    @property
    def is_flowing(self) -> bool:
        """Whether what was processed so far is with the log or on its way there, after `deliver_waiting`."""
        return not self._held and self.failure is None

    def is_on_its_way(self, token: int) -> bool:
        """Whether the log will soon say what became of the signal with this token, which it has not stored yet."""
        return self.is_flowing or (self._tried is not None and self._tried.index_of(token) is not None)

    def deliver_waiting(self) -> None:
        """Hand over everything that waits, now, so that what is stored later comes after it.

        What is held is tried first. Ends early where the log takes nothing; the rest is tried again later.
        """
        while self._held:
            oldest = self._held[0]
            self._stop_timer()
            self._try_again()
            if self._held and self._held[0] is oldest:  # refused again, or on its way
                return
        while not self._held and (batch := self._take()) is not None:
            self._hand_over(batch)

    def statistics(self) -> dict[str, int]:
        """Counters since the start; events held because the log does not take them, and those on their way to it."""
        return self._counts | {"held": sum(map(len, self._held)), "in_flight": self._in_flight}

    # --- taking -------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        # Readable as long as something waits: between two batches the loop has its turn.
        if self._loop is not None and not self._is_watching and not self._held and not self._flights:
            self._is_watching = True
            self._loop.add_reader(self._system.wakeup_fd(), self._deliver_next)

    def _unwatch(self) -> None:
        if self._loop is not None and self._is_watching:
            self._is_watching = False
            self._loop.remove_reader(self._system.wakeup_fd())

    def _deliver_next(self) -> None:
        batch = self._take()
        if batch is not None:
            self._hand_over(batch)
        self._call_subscribers()
        if self._flights:
            self._unwatch()

    def _call_subscribers(self) -> None:
        if self.failure is None and call_subscribers(self._system) and self._loop is not None:
            self._loop.call_soon(self._call_subscribers)

    def _take(self) -> "SignalBatch | None":
        if self.failure is not None:
            return None
        try:
            return self._system.take_batch(min(MAX_EVENTS, self._broker.max_signals))
        except SignalSystemError as error:
            self.failure = str(error)
            logger.error("no more signals are delivered: %s", error)
            self._unwatch()
            return None

    # --- on the way ---------------------------------------------------------------------------------------------------

    def _hand_over(self, batch: "SignalBatch") -> None:
        self._flights += 1
        self._in_flight += len(batch)
        if batch not in self._held:
            self._unstored.append(batch)
        self._broker.append_signals(CHANNEL, batch, partial(self._landed, batch))

    def _landed(self, batch: "SignalBatch", placed: "Position | BrokerError") -> None:
        self._flights -= 1
        self._in_flight -= len(batch)
        if self._tried is batch:
            self._tried = None
        if isinstance(placed, OutcomeUnknown):  # given again, it could be there twice
            self._lose(batch, placed.message)
        elif isinstance(placed, BrokerError):
            self._hold(batch, placed)
        else:
            self._counts["batches"] += 1
            self._counts["events"] += len(batch)
            self._counts["dropped"] += batch.dropped
            self._retry = self._first_retry
            self._release(batch)
        self._go_on()
        if isinstance(placed, BrokerError):
            self.on_refused(batch, placed)
        else:
            self.on_placed(batch, placed)

    def _go_on(self) -> None:
        """What is held has its turn, or the SignalSystem; unless a timer runs, or something held is on its way."""
        if not self._held:
            self._watch()
        elif self._timer is None and not self._flights and self._loop is not None:
            self._timer = self._loop.call_later(0.0, self._try_again)

    def _hold(self, batch: "SignalBatch", error: BrokerError) -> None:
        if self._loop is None:
            self._lose(batch, error.message)
            return
        if not self._held:
            logger.warning("the log takes no signals, they wait: %s", error)
        if batch not in self._held:
            self._held = deque(one for one in self._unstored if one is batch or one in self._held)
        self._counts["retries"] += 1
        self._unwatch()
        self._stop_timer()
        self._timer = self._loop.call_later(self._retry, self._try_again)
        self._retry = min(self._retry * 2, self._last_retry)

    def _try_again(self) -> None:
        """The oldest that is held, unless something is on its way: so no two of them change places."""
        self._timer = None
        if self._held and not self._flights:
            self._tried = self._held[0]
            self._hand_over(self._tried)

    def _release(self, batch: "SignalBatch") -> None:
        self._unstored.remove(batch)
        if batch in self._held:
            self._held.remove(batch)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _lose(self, batch: "SignalBatch", why: str) -> None:
        self._release(batch)
        self._counts["lost"] += len(batch)
        logger.error("%d events are lost: %s", len(batch), why)
