"""The backplane of a node alone (N17): the node's own log is the place of order, and its memory the store."""

import time
from collections.abc import Callable, Sequence

from channels.backplane import BATCH_SECONDS, Deliver, Done, Result
from channels.dedup import MidKey, MidWindow, digest
from channels.errors import BrokerError, LogUnavailable, MidConflict
from channels.publication import Entry, Publication, Stored

MAX_BATCH_IDS = 10_000


class MemoryBackplane:
    """Appends in the call itself: `done` is called before `append` returns."""

    def __init__(self, *, mids: MidWindow[str] | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._mids: MidWindow[str] = MidWindow() if mids is None else mids
        self._batches: MidWindow[Sequence[Result]] = MidWindow(seconds=BATCH_SECONDS, most=MAX_BATCH_IDS)
        self._monotonic = monotonic
        self._deliver: Deliver | None = None
        self._stored = 0
        self._duplicates = 0
        self._conflicts = 0
        self._refused = 0

    async def start(self, deliver: Deliver) -> None:
        """Take publications from now on."""
        self._deliver = deliver

    async def stop(self) -> None:
        """Refuse from now on; nothing ever waits here."""
        self._deliver = None

    def append(
        self, channel: str, publications: Sequence[Publication], done: Done, batch_id: str | None = None
    ) -> None:
        """As the contract says; completes at once."""
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
        }

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
        self._batches.remember(key, b"", results, now)
        return results

    def _append_batch(self, channel: str, publications: Sequence[Publication]) -> Sequence[Result]:
        if self._deliver is None:
            raise _stopped(channel)
        now = self._monotonic()
        batch = _Batch(self._mids, now)
        for publication in publications:
            batch.add(publication)
        if batch.entries:
            last = self._deliver(channel, batch.entries)
            batch.stored(last.epoch, last.offset - len(batch.entries) + 1)
        results = batch.results()
        self._count(results)
        return results

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

    def __init__(self, mids: MidWindow[str], now: float) -> None:
        self.entries: list[Entry] = []
        self._mids = mids
        self._now = now
        self._answers: list[Result | int] = []  # an index into `entries` until these have their places
        self._repeats: set[int] = set()  # indices of `_answers`
        self._fresh: dict[MidKey, tuple[bytes, int]] = {}

    def add(self, publication: Publication) -> None:
        if publication.mid is None:
            self._answers.append(self._admit(publication))
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
        self._answers = [
            Stored(f"{epoch}:{first + answer}", at in self._repeats) if isinstance(answer, int) else answer
            for at, answer in enumerate(self._answers)
        ]

    def results(self) -> list[Result]:
        return [answer for answer in self._answers if not isinstance(answer, int)]

    def _known(self, key: MidKey, content: bytes) -> Stored | None:
        position = self._mids.find(key, content, self._now)
        return None if position is None else Stored(position, duplicate=True)

    def _admit_once(self, key: MidKey, content: bytes, publication: Publication) -> int:
        earlier = self._fresh.get(key)
        if earlier is None:
            self._mids.reserve(key, self._now)
            self._fresh[key] = content, len(self.entries)
            return self._admit(publication)
        if earlier[0] != content:
            raise MidConflict(f"expected one content for mid {key.mid!r}, came two in one batch", channel=key.channel)
        self._repeats.add(len(self._answers))
        return earlier[1]

    def _admit(self, publication: Publication) -> int:
        self.entries.append(publication.entry)
        return len(self.entries) - 1


def _stopped(channel: str) -> LogUnavailable:
    return LogUnavailable(
        f"the log of {channel} takes nothing: the node has not started or is stopping", channel=channel
    )
