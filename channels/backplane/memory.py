"""The backplane of a node alone (N17): the node's own log is the place of order, and its memory or disk the store."""

import logging
import time
from collections.abc import Callable, Sequence

from channels.backplane import BATCH_SECONDS, Deliver, Done, Recovered, Result
from channels.backplane.placing import Finish, Placing, Placings, Waiting
from channels.dedup import WINDOW_SECONDS, MidKey, MidWindow, digest, mark_of, read_mark
from channels.errors import BrokerError, LogUnavailable, MidConflict, Overloaded
from channels.publication import Entry, Publication, Stored

MAX_BATCH_IDS = 10_000
STOP_PATIENCE = 5.0
"""Seconds that an append may wait for its log at the end (N11)."""

logger = logging.getLogger(__name__)


class MemoryBackplane:
    """Appends in the call itself: `done` is called before `append` returns, save for channels that are durable.

    `is_durable(channel)` says which are; None: no channel is.
    """

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
        self._deliver: Deliver | None = None
        self._recovered: list[tuple[MidKey, bytes, str, float]] = []
        self._stored = 0
        self._duplicates = 0
        self._conflicts = 0
        self._refused = 0
        self._forgotten = 0  # mids of the last run that had no room

    async def start(self, deliver: Deliver) -> None:
        """Take publications from now on."""
        self._take_up_mids()
        self._deliver = deliver

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
        batch = _Batch(self._mids, now)
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

        def settled(results: Sequence[Result]) -> None:
            self._count(results)
            done(results)

        single = self._placings.single(settled)
        try:
            position = self._deliver(channel, (publication.entry,), None, single.settle)
        except BrokerError as error:
            self._placings.drop(single)
            self._refuse(error, (publication,), done)
        else:
            single.position = f"{position.epoch}:{position.offset}"

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
        batch = _Batch(self._mids, now, self._placings)
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


class _Batch:
    """One append: which of its publications are fresh, and what is to be said of each."""

    def __init__(self, mids: MidWindow[str], now: float, placings: Placings | None = None) -> None:
        self.entries: list[Entry] = []
        self.marks: list[bytes | None] = []
        """Of the entries, where the log is durable."""
        self.awaited: dict[int, Placing] = {}
        """By index of the answers: repeats of what is not stored yet."""
        self.placing: Placing | None = None
        self._mids = mids
        self._now = now
        self._placings = placings
        self._answers: list[Result | int] = []  # an index into `entries` until these have their places
        self._own: set[int] = set()  # indices of `_answers` that say where an entry is
        self._repeats: set[int] = set()  # those of them that are repeats
        self._fresh: dict[MidKey, tuple[bytes, int]] = {}

    @property
    def fresh(self) -> list[MidKey]:
        """The `mid`s that are used for the first time."""
        return list(self._fresh)

    def add(self, publication: Publication) -> None:
        if publication.mid is None:
            self._answers.append(self._admit(publication, None))
            return
        key = MidKey(publication.channel, publication.subject, publication.mid)
        content = digest(publication.event, publication.key, publication.tags, publication.data)
        try:
            self._answers.append(self._known(key, content) or self._admit_once(key, content, publication))
        except BrokerError as error:
            self._answers.append(error)

    def stored(self, epoch: str, first: int) -> None:
        """The entries have their places."""
        for key, (content, index) in self._fresh.items():
            self._mids.remember(key, content, f"{epoch}:{first + index}", self._now)
        self._own = {at for at, answer in enumerate(self._answers) if isinstance(answer, int)}
        self._answers = [
            Stored(f"{epoch}:{first + answer}", at in self._repeats) if isinstance(answer, int) else answer
            for at, answer in enumerate(self._answers)
        ]

    def refused(self, error: BrokerError) -> None:
        """The entries got no places; what was known before is known all the same."""
        self._answers = [error if isinstance(answer, int) else answer for answer in self._answers]

    def results(self, errors: Finish | None = None) -> list[Result]:
        """One for each publication; `errors`: placings whose entries were not stored after all."""
        results = [answer for answer in self._answers if not isinstance(answer, int)]
        if errors:
            waited = dict.fromkeys(self._own, self.placing) | self.awaited
            for at, placing in waited.items():
                results[at] = errors.get(placing, results[at])
        return results

    def _known(self, key: MidKey, content: bytes) -> Stored | None:
        position = self._mids.find(key, content, self._now)
        if position is None:
            return None
        placing = self._placings and self._placings.of(key)
        if placing:
            self.awaited[len(self._answers)] = placing
        return Stored(position, duplicate=True)

    def _admit_once(self, key: MidKey, content: bytes, publication: Publication) -> int:
        earlier = self._fresh.get(key)
        if earlier is None:
            self._mids.reserve(key, self._now)
            self._fresh[key] = content, len(self.entries)
            return self._admit(publication, content)
        if earlier[0] != content:
            raise MidConflict(f"expected one content for mid {key.mid!r}, came two in one batch", channel=key.channel)
        self._repeats.add(len(self._answers))
        return earlier[1]

    def _admit(self, publication: Publication, content: bytes | None) -> int:
        if self._placings is not None:
            mid = publication.mid
            self.marks.append(None if mid is None or content is None else mark_of(publication.subject, mid, content))
        self.entries.append(publication.entry)
        return len(self.entries) - 1


def _stopped(channel: str) -> LogUnavailable:
    return LogUnavailable(
        f"the log of {channel} takes nothing: the node has not started or is stopping", channel=channel
    )
