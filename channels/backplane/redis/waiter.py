"""Who waits for a log to be as new as its store (N12, N18)."""

import asyncio
from collections.abc import Callable

from channels.backplane import Ready
from channels.backplane.redis.replica import Replica
from channels.errors import BrokerError
from channels.publication import Position


class Waiter:
    """Somebody who asked for a channel to be as new as the store."""

    __slots__ = ("_done", "_timer", "is_answered", "is_proof", "wanted")

    def __init__(self, wanted: Position | None, done: Ready, *, is_proof: bool) -> None:
        self.wanted = wanted
        self.is_proof = is_proof
        self.is_answered = False
        self._done = done
        self._timer: asyncio.TimerHandle | None = None

    def expire_with(self, error: BrokerError, seconds: float, expired: Callable[["Waiter"], None]) -> None:
        """Hear `error` if nothing else came within `seconds`; `expired` is told that it waits no longer."""

        def expire() -> None:
            expired(self)
            self.answer(error)

        self._timer = asyncio.get_running_loop().call_later(seconds, expire)

    def is_met_by(self, replica: Replica) -> bool:
        """Whether the log holds what is wanted, or the wanted place is of a history that is over."""
        if not replica.is_synced:
            return False
        if self.wanted is None:
            return replica.is_whole
        if self.wanted.epoch == replica.epoch:
            return self.wanted.offset <= replica.head
        return self.wanted.epoch in replica.former

    def proves_loss(self, replica: Replica) -> bool:
        """Whether an entry that this hub has told of is not in the store (N4)."""
        wanted = self.wanted
        return self.is_proof and wanted is not None and wanted.epoch == replica.epoch and wanted.offset > replica.head

    def answer(self, error: BrokerError | None) -> None:
        """Tell, once."""
        if self.is_answered:
            return
        self.is_answered = True
        if self._timer is not None:
            self._timer.cancel()
        self._done(error)
