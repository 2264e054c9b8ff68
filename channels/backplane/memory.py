"""The backplane of a node alone (N17): the node's own log is the place of order, and its memory or disk the store."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from channels.backplane import BATCH_SECONDS, Deliver, Done, Placed, Ready, Recovered, Replicas, Result
from channels.backplane.batch import Batch
from channels.backplane.figures import Figures
from channels.backplane.placing import Finish, Placings, Waiting
from channels.dedup import WINDOW_SECONDS, MidKey, MidWindow, read_mark
from channels.errors import BrokerError, LogUnavailable, MidConflict, OutcomeUnknown, Overloaded
from channels.publication import Position, Publication, Stored

if TYPE_CHECKING:
    from channels._native import PublishBatch, SignalBatch

MAX_BATCH_IDS = 10_000
MAX_SIGNALS = 4_096
STOP_PATIENCE = 5.0
"""Seconds that an append may wait for its log at the end (N11)."""

logger = logging.getLogger(__name__)


class MemoryBackplane:
    """Appends in the call itself: `done` is called before `append` returns, save for channels that are durable.

    `is_durable(channel)` says which are; None: no channel is.
    """

    is_local = True
    is_alone = False
    """It shares its store with nobody."""
    max_signals = MAX_SIGNALS
    outage: str | None = None
    failure: str | None = None
    """A log that cannot be written is the broker's to tell: the node goes on."""

    def __init__(
        self,
        *,
        mids: MidWindow[str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        is_durable: Callable[[str], bool] | None = None,
    ) -> None:
        self._mids: MidWindow[str] = MidWindow() if mids is None else mids
        self._is_durable = is_durable
        self._placings = Placings(self._mids)
        self._batches: MidWindow[Sequence[Result]] = MidWindow(seconds=BATCH_SECONDS, most=MAX_BATCH_IDS)
        self._monotonic = monotonic
        self.figures = Figures()
        self._deliver: Deliver | None = None
        self._replicas: Replicas | None = None
        self._recovered: list[tuple[MidKey, bytes, str, float]] = []
        self._stored = 0
        self._duplicates = 0
        self._conflicts = 0
        self._refused = 0
        self._forgotten = 0  # mids of the last run that had no room

    async def start(self, deliver: Deliver, replicas: Replicas | None = None) -> None:
        """Take publications from now on. `replicas` are the store itself: asked only for a proof of loss."""
        self._take_up_mids()
        self._deliver, self._replicas = deliver, replicas

    async def stop(self) -> None:
        """Refuse from now on; what waits for a durable log is answered when this returns."""
        self._deliver = None
        await self._placings.end(STOP_PATIENCE)

    def append(
        self, channel: str, publications: Sequence[Publication], done: Done, batch_id: str | None = None
    ) -> None:
        """As the contract says; completes at once, or when a durable log has stored it."""
        if self._is_durable is not None and self._is_durable(channel):
            self._place(channel, publications, done, batch_id)
            return
        results: Sequence[Result]
        try:
            if batch_id is not None:
                results = self._append_once(channel, publications, batch_id)
            elif len(publications) == 1 and publications[0].mid is None:
                results = (self._append_one(channel, publications[0]),)
            else:
                results = self._append_batch(channel, publications)
        except BrokerError as error:
            self._refused += len(publications)
            results = [error] * len(publications)
        done(results)

    def append_signals(self, channel: str, batch: "SignalBatch", done: Placed) -> None:
        """As the contract says; completes at once, or when a durable log has stored it."""
        if self._deliver is None:
            done(_stopped(channel))
            return
        try:
            if self._is_durable is not None and self._is_durable(channel):
                self._place_signals(self._deliver, channel, batch, done)
                return
            placed: Position | BrokerError = self._deliver(channel, batch)
        except BrokerError as error:
            placed = error
        done(placed)

    def append_publishes(self, channel: str, batch: "PublishBatch", done: Placed) -> None:
        """As the contract says; completes at once, or when a durable log has stored it."""

        def placed(result: Position | BrokerError) -> None:
            if isinstance(result, BrokerError):
                self._refused += len(batch)
            else:
                self._stored += len(batch)
            done(result)

        try:
            if self._deliver is None:
                raise _stopped(channel)
            if self._is_durable is None or not self._is_durable(channel):
                result: Position | BrokerError = self._deliver(channel, batch)
            else:
                self._place_together(self._deliver, channel, batch, placed)
                return
        except BrokerError as error:
            result = error
        placed(result)

    def follow(self, channel: str, wanted: Position | None, done: Ready, *, is_proof: bool = False) -> bool:
        """The log is the store, so it holds what there is; a proof that it has lost something ends its epoch (N4)."""
        if is_proof and wanted is not None and self._replicas is not None:
            try:
                head = self._replicas.replica(channel).position
                if head.epoch == wanted.epoch and head.offset < wanted.offset:
                    self._replicas.rotate(channel)
                    self.figures.rotations[channel, "token"] += 1
            except BrokerError as error:
                done(error)
                return False
        return True

    def unfollow(self, channel: str) -> None:
        """Nothing is known of it here."""

    def recover(self, channel: str, entries: Sequence[Recovered]) -> None:
        """See the contract. What comes before `start` is taken up there, all channels together: by age, not by name."""
        now = self._monotonic()
        for position, age, mark in entries:
            if age < WINDOW_SECONDS:
                # A clock that was set back meanwhile makes no mid count longer than the window.
                self._recovered.append((*read_mark(channel, mark), position, now - max(age, 0.0)))
        if self._deliver is not None:
            self._take_up_mids()

    def sweep(self, now: float) -> None:
        """Forget `mid`s and batches older than 300 s."""
        self._mids.sweep(now)
        self._batches.sweep(now)

    def statistics(self) -> dict[str, int]:
        """See the contract."""
        return {
            "stored": self._stored,
            "duplicates": self._duplicates,
            "conflicts": self._conflicts,
            "refused": self._refused,
            "mids": len(self._mids),
            "mids_refused": self._mids.refused,
            "mids_forgotten": self._forgotten,
            "batches_refused": self._batches.refused,
        }

    def _take_up_mids(self) -> None:
        if not self._recovered:
            return
        found, self._recovered = self._recovered, []
        forgotten = self._mids.recover(found, self._monotonic())
        if forgotten:
            self._forgotten += forgotten
            logger.warning("%d mids of the last run had no room: the oldest are not known any more", forgotten)

    def _append_one(self, channel: str, publication: Publication) -> Stored:
        """The path of most publishes: nothing to look up, nothing to remember."""
        if self._deliver is None:
            raise _stopped(channel)
        position = self._deliver(channel, (publication.entry,))
        self._stored += 1
        return Stored(f"{position.epoch}:{position.offset}")

    def _append_once(self, channel: str, publications: Sequence[Publication], batch_id: str) -> Sequence[Result]:
        key, now = MidKey(channel, "", batch_id), self._monotonic()
        known = self._batches.find(key, b"", now)
        if known is not None:
            return known
        self._batches.reserve(key, now)
        results = self._append_batch(channel, publications)
        self._remember_batch(key, results)
        return results

    def _append_batch(self, channel: str, publications: Sequence[Publication]) -> Sequence[Result]:
        if self._deliver is None:
            raise _stopped(channel)
        now = self._monotonic()
        batch = Batch(self._mids, now)
        for publication in publications:
            batch.add(publication)
        if batch.entries:
            try:
                last = self._deliver(channel, batch.entries)
            except BrokerError as error:
                batch.refused(error)
            else:
                batch.stored(last.epoch, last.offset - len(batch.entries) + 1)
        results = batch.results()
        self._count(results)
        return results

    # --- durable channels ---------------------------------------------------------------------------------------------

    def _place(self, channel: str, publications: Sequence[Publication], done: Done, batch_id: str | None) -> None:
        """Give places now, and answer when what has them is stored."""
        if batch_id is None:
            if len(publications) == 1 and publications[0].mid is None:
                self._place_one(channel, publications[0], done)
            else:
                self._place_batch(channel, publications, done)
            return
        key, now = MidKey(channel, "", batch_id), self._monotonic()
        known = self._batches.find(key, b"", now)
        if known is not None:
            done(known)
        elif not self._placings.joins(key, done):
            try:
                self._batches.reserve(key, now)
            except BrokerError as error:
                self._refuse(error, publications, done)
                return
            # In place before anything can answer: a refusal does at once.
            once = self._placings.once(key, done, self._remember_batch)
            self._place_batch(channel, publications, once)

    def _place_one(self, channel: str, publication: Publication, done: Done) -> None:
        """The path of most publishes: nothing to look up, nothing to remember."""
        if self._deliver is None:
            self._refuse(_stopped(channel), (publication,), done)
            return

        def placed(result: Position | BrokerError) -> None:
            results = (result if isinstance(result, BrokerError) else Stored(f"{result.epoch}:{result.offset}"),)
            self._count(results)
            done(results)

        single = self._placings.single(placed)
        try:
            single.position = self._deliver(channel, (publication.entry,), None, single.settle)
        except BrokerError as error:
            self._placings.drop(single)
            self._refuse(error, (publication,), done)

    def _place_signals(self, deliver: Deliver, channel: str, batch: "SignalBatch", done: Placed) -> None:
        def placed(result: Position | BrokerError) -> None:
            # Whatever the disk holds of them, their places are given again: to say so twice makes no entry double.
            done(LogUnavailable(result.message, channel=channel) if isinstance(result, OutcomeUnknown) else result)

        self._place_together(deliver, channel, batch, placed)

    def _place_together(
        self, deliver: Deliver, channel: str, batch: "PublishBatch | SignalBatch", placed: Placed
    ) -> None:
        single = self._placings.single(placed)
        try:
            single.position = deliver(channel, batch, None, single.settle)
        except BrokerError:
            self._placings.drop(single)
            raise

    def _remember_batch(self, key: MidKey, results: Sequence[Result]) -> None:
        """Unless nothing of it was stored, and it may be sent again."""
        is_stored = any(isinstance(result, Stored) and not result.duplicate for result in results)
        if is_stored or not any(isinstance(result, LogUnavailable | Overloaded) for result in results):
            self._batches.remember(key, b"", results, self._monotonic())

    def _place_batch(self, channel: str, publications: Sequence[Publication], done: Done) -> None:
        deliver, now = self._deliver, self._monotonic()
        if deliver is None:
            self._refuse(_stopped(channel), publications, done)
            return
        batch = Batch(self._mids, now, self._placings)
        for publication in publications:
            batch.add(publication)

        def finish(errors: Finish) -> None:
            results = batch.results(errors)
            self._count(results)
            done(results)

        waiting = Waiting(batch.awaited, finish)
        if batch.entries:
            placing = self._placings.begin(batch.fresh)
            try:
                last = deliver(channel, batch.entries, batch.marks, placing.settle)
            except BrokerError as error:
                self._placings.drop(placing)
                batch.refused(error)
            else:
                batch.stored(last.epoch, last.offset - len(batch.entries) + 1)
                batch.placing = placing
                waiting.on(placing)
        waiting.begin()

    def _refuse(self, error: BrokerError, publications: Sequence[Publication], done: Done) -> None:
        self._refused += len(publications)
        done([error] * len(publications))

    def _count(self, results: Sequence[Result]) -> None:
        for result in results:
            if isinstance(result, Stored):
                self._duplicates += result.duplicate
                self._stored += not result.duplicate
            else:
                self._conflicts += isinstance(result, MidConflict)
                self._refused += not isinstance(result, MidConflict)


def _stopped(channel: str) -> LogUnavailable:
    return LogUnavailable(
        f"the log of {channel} takes nothing: the node has not started or is stopping", channel=channel
    )
