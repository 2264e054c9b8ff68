"""One append to a log of this node: which of its publications are fresh, and what is to be said of each (M31)."""

from channels.backplane import Result
from channels.backplane.placing import Finish, Placing, Placings
from channels.dedup import MidKey, MidWindow, fingerprint, mark_of
from channels.errors import BrokerError, MidConflict
from channels.publication import Entry, Publication, Stored


class Batch:
    """See the module. `placings`: of a durable log, where an earlier entry may have its place and not be stored yet."""

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
        """One more publication."""
        if publication.mid is None:
            self._answers.append(self._admit(publication, None))
            return
        key = MidKey(publication.channel, publication.subject, publication.mid)
        content = fingerprint(publication)
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
            text = "expected one content for this mid, came two in one batch: take a new mid for other content"
            raise MidConflict(text, channel=key.channel)
        self._repeats.add(len(self._answers))
        return earlier[1]

    def _admit(self, publication: Publication, content: bytes | None) -> int:
        if self._placings is not None:
            mid = publication.mid
            self.marks.append(None if mid is None or content is None else mark_of(publication.subject, mid, content))
        self.entries.append(publication.entry)
        return len(self.entries) - 1
