"""Windows of `mid`s: what makes a `publish` or `emit` idempotent for 300 s (M31, M35).

A `mid` counts within one channel and one subject. What is remembered is a digest of what was sent and the answer it
got. A window that is full refuses, because forgetting early would break the promise without a word.
"""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import orjson

from channels.errors import MidConflict, Overloaded

if TYPE_CHECKING:
    from channels.publication import Publication

MID_CONFLICT = (
    "expected what this mid was used for before, came another event, key, tags or data: take a new mid for that"
)
WINDOW_SECONDS = 300.0
MAX_MIDS = 200_000
MAX_MIDS_PER_SUBJECT = 32_768
"""Above what a subject may publish in one window (L24): 600 at once and 100 per second for 300 s."""

DIGEST_BYTES = 16
CANONICAL_BYTES = 65_536
"""JSON up to this size is compared by value; beyond, by its bytes, so that no repeat holds up the loop."""

Answer = TypeVar("Answer")


class MidKey(NamedTuple):
    """Where a `mid` counts."""

    channel: str
    subject: str
    mid: str


class _Record(NamedTuple, Generic[Answer]):
    forget_at: float
    digest: bytes
    answer: Answer


def digest(*parts: str | bytes | None) -> bytes:
    """What messages with one `mid` must have in common: texts, and JSON (bytes) by value. None differs from empty."""
    # Each part tells its kind and length, so that no two lists of parts become one text.
    raws = [part.encode() if isinstance(part, str) else part and _canonical(part) for part in parts]
    framed = [b"-" if raw is None else b"%d:%b" % (len(raw), raw) for raw in raws]
    return hashlib.blake2b(b"".join(framed), digest_size=DIGEST_BYTES).digest()


def fingerprint(publication: "Publication") -> bytes:
    """What a repeat of `publication` must have in common with it (M31); a payload counts by its bytes."""
    label = publication.event, publication.key, publication.tags
    if publication.content is None:
        return digest(*label, publication.data)
    payload = hashlib.blake2b(publication.data, digest_size=DIGEST_BYTES).hexdigest()
    return digest(*label, *publication.content, payload)


def _canonical(json: bytes) -> bytes:
    """One spelling for one value: a client may write its repeat with other spaces or in another order of members."""
    if len(json) > CANONICAL_BYTES:
        return json
    try:
        return orjson.dumps(orjson.loads(json), option=orjson.OPT_SORT_KEYS)
    except ValueError:
        return (
            json  # valid by M10-M13, yet beyond this parser (an integer of more than 64 bits): its bytes stand for it
        )


def mark_of(subject: str, mid: str, digest: bytes) -> bytes:
    """What a durable log keeps beside an entry that was published under a `mid`."""
    return digest + f"{subject}\0{mid}".encode()


def read_mark(channel: str, mark: bytes) -> tuple[MidKey, bytes]:
    """Where the `mid` of a mark counts, and the digest. No `mid` holds a NUL."""
    subject, _, mid = mark[DIGEST_BYTES:].decode().rpartition("\0")
    return MidKey(channel, subject, mid), mark[:DIGEST_BYTES]


class MidWindow(Generic[Answer]):
    """The `mid`s of the last 300 s with their answers. `now` is an argument: seconds of one monotonic clock."""

    def __init__(
        self,
        *,
        seconds: float = WINDOW_SECONDS,
        most: int = MAX_MIDS,
        most_per_subject: int = MAX_MIDS_PER_SUBJECT,
    ) -> None:
        self._seconds = seconds
        self._most = most
        self._most_per_subject = most_per_subject
        self.refused = 0
        """How many found no room."""
        self._records: OrderedDict[MidKey, _Record[Answer]] = OrderedDict()  # oldest first: the order of expiry
        self._held: dict[str, int] = {}  # subject -> how many of `_records` are its own

    def __len__(self) -> int:
        return len(self._records)

    def find(self, key: MidKey, digest: bytes, now: float) -> Answer | None:
        """The answer that `key` got, if it is remembered; raises `MidConflict` if it was given to other content."""
        record = self._records.get(key)
        if record is None or record.forget_at <= now:
            return None
        if record.digest != digest:
            raise MidConflict(MID_CONFLICT, channel=key.channel)
        return record.answer

    def reserve(self, key: MidKey, now: float) -> None:
        """Make sure that `key` can be remembered; raises `Overloaded`, before anything was stored."""
        self.sweep(now)
        if len(self._records) >= self._most:
            self.refused += 1
            oldest = next(iter(self._records.values()))
            raise Overloaded(
                f"expected at most {self._most} mids in {self._seconds:g} s on this node",
                channel=key.channel,
                limit=self._most,
                retry_after=oldest.forget_at - now,
            )
        if self._held.get(key.subject, 0) >= self._most_per_subject:
            self.refused += 1
            raise Overloaded(
                f"expected at most {self._most_per_subject} mids of one subject in {self._seconds:g} s",
                channel=key.channel,
                limit=self._most_per_subject,
            )

    def remember(self, key: MidKey, digest: bytes, answer: Answer, now: float) -> None:
        """Keep `answer` for the length of the window, in place of what `key` may have had."""
        self.forget(key)
        self._records[key] = _Record(now + self._seconds, digest, answer)
        self._held[key.subject] = self._held.get(key.subject, 0) + 1

    def recover(self, found: Iterable[tuple[MidKey, bytes, Answer, float]], now: float) -> int:
        """Take up (key, digest, answer, time) of another run, in any order. -> how many of them had no room

        What the window no longer covers is left out; beyond a bound the newest stay.
        """
        records = [(key, _Record(at + self._seconds, digest, answer)) for key, digest, answer, at in found]
        records = [*self._records.items(), *(one for one in records if one[1].forget_at > now)]
        newest: dict[MidKey, _Record[Answer]] = {}
        held: Counter[str] = Counter()
        lost = 0
        for key, record in sorted(records, key=lambda one: one[1].forget_at, reverse=True):
            if key in newest:
                continue
            if len(newest) >= self._most or held[key.subject] >= self._most_per_subject:
                lost += 1
                continue
            newest[key] = record
            held[key.subject] += 1
        self._records = OrderedDict(reversed(newest.items()))
        self._held = dict(held)
        return lost

    def sweep(self, now: float) -> None:
        """Forget what is older than the window."""
        while self._records:
            key, record = next(iter(self._records.items()))
            if record.forget_at > now:
                return
            self.forget(key)

    def forget(self, key: MidKey) -> None:
        """`key` was not used after all, or too long ago."""
        if self._records.pop(key, None) is None:
            return
        left = self._held.pop(key.subject) - 1
        if left:
            self._held[key.subject] = left
