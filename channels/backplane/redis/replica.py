"""One channel as this node follows it: where its log stands, and what a segment that is heard means there (N7).

No I/O: `judge` says what is to be done, `Following` does it.
"""

from collections import deque
from enum import Enum, auto
from typing import NamedTuple

from channels.backplane import Followed
from channels.backplane.redis.segment import Segment
from channels.publication import Position

REMEMBERED_BATCHES = 64
"""Segments whose batch id is remembered, of which the older leave when the channel is quiet."""

FORMER_EPOCHS = 8
MAX_PARKED = 64
MAX_PARKED_BYTES = 4 * 1_048_576


class Standing(NamedTuple):
    """What a node says of itself when the store asks (N2, N5): epoch, head, and the batch id of the segment there."""

    epoch: str
    head: int
    batch: str


NOWHERE = Standing("", 0, "")
"""Of a node that knows nothing of the channel."""


class Parked(NamedTuple):
    """A segment that waits for what is missing before it, and the question to the store after which it was heard."""

    question: int
    segment: Segment


class Judgement(Enum):
    """What is to be done with a segment."""

    APPLY = auto()
    """It is the next one."""
    KNOWN = auto()
    """It is there already, or of a history that is over."""
    HOLE = auto()
    """Something is missing before it."""
    OTHER_EPOCH = auto()
    """A history that this node does not know has begun."""
    TWO_PASTS = auto()
    """It has other entries where this node has its own, or follows others than those of this node."""
    FORMER = auto()
    """It was stored by a master that is believed no longer."""


class Taken(Enum):
    """What became of a segment at the door."""

    YES = auto()
    UNREADABLE = auto()
    """Nobody can read its entries."""
    REFUSED = auto()
    """The log takes nothing now."""


class Replica:
    """The state of one followed channel."""

    __slots__ = (
        "_batches",
        "_expected",
        "_parked_bytes",
        "_question",
        "_was_disputed",
        "acked",
        "changed_round",
        "epoch",
        "former",
        "head",
        "is_broken",
        "is_disputed",
        "is_reading",
        "is_subscribed",
        "is_suspect",
        "is_synced",
        "lacks_newest",
        "limits",
        "parked",
        "target",
    )

    def __init__(self, limits: Followed) -> None:
        self.limits = limits
        self.epoch, self.head = limits.position
        self.is_synced = False
        """The log was once what the store held; before that its epoch is nobody's."""
        self.is_subscribed = False
        """What is stored from now on is heard."""
        self.is_suspect = True
        """The store is to be read."""
        self.is_broken = True
        """Something is or may be missing, and has not been read since."""
        self.is_reading = False
        self.lacks_newest = False
        """The newest entries per key are to be read."""
        self.target = 0
        """The highest offset of this epoch that was heard to exist. Only a read of the store proves it."""
        self.acked = NOWHERE
        """The newest of this node's own appends, whether its log has got there or not."""
        self.former: deque[str] = deque(maxlen=FORMER_EPOCHS)
        self.is_disputed = False
        """What was heard has another past than this log; only the store can tell which of them is true."""
        self.parked: list[Parked] = []
        """Heard ahead of what is missing."""
        self.changed_round = -1
        """The second in which it changed last."""
        self._question = 0
        self._expected = 0
        """The highest offset that was heard of since the last question."""
        self._was_disputed = False
        self._parked_bytes = 0
        self._batches: deque[tuple[int, str]] = deque(maxlen=REMEMBERED_BATCHES)

    def __repr__(self) -> str:
        kind = "synced" if self.is_synced else "fresh"
        return f"<Replica {self.limits.channel} {kind} {self.epoch}:{self.head} of {self.target}>"

    @property
    def channel(self) -> str:
        """Its name."""
        return self.limits.channel

    @property
    def is_whole(self) -> bool:
        """Nothing is known to be missing."""
        return self.is_subscribed and not self.is_suspect and self.has_all_known

    @property
    def has_all_known(self) -> bool:
        """The log has everything that is known to exist, whether more would be heard of or not."""
        return self.is_synced and not self.lacks_newest and self.head >= self.target

    @property
    def lag(self) -> int:
        """Entries that are known to be missing."""
        return max(self.target - self.head, 0) if self.is_synced else 0

    @property
    def standing(self) -> Standing:
        """The farthest that this node has told anybody: to its subscribers, or to a publisher."""
        acked = self.acked
        if not self.is_synced:
            return acked
        if acked.epoch == self.epoch:
            is_ahead = acked.head > self.head
        else:
            is_ahead = acked != NOWHERE and acked.epoch not in self.former
        return acked if is_ahead else Standing(self.epoch, self.head, self.batch)

    @property
    def own(self) -> Standing:
        """Where the log itself stands."""
        return Standing(self.epoch, self.head, self.batch) if self.is_synced else NOWHERE

    @property
    def batch(self) -> str:
        """The batch id of the segment that ends at the head; empty if it is not known."""
        return self._batches[-1][1] if self._batches and self._batches[-1][0] == self.head else ""

    def judge(self, segment: Segment) -> Judgement:
        """What `segment`, which was heard or read, means here."""
        if not self.is_synced:
            return Judgement.HOLE
        if segment.epoch != self.epoch:
            return Judgement.KNOWN if segment.epoch in self.former else Judgement.OTHER_EPOCH
        if segment.length == 0:
            return Judgement.KNOWN
        if segment.first == self.head + 1:
            return Judgement.APPLY if self._follows(segment) else Judgement.TWO_PASTS
        if segment.first > self.head:
            return Judgement.HOLE
        if segment.last > self.head or self._is_disputed(segment):
            return Judgement.TWO_PASTS
        return Judgement.KNOWN

    def applied(self, segment: Segment) -> None:
        """The log has taken `segment`."""
        self.head = segment.last
        self.target = max(self.target, segment.last)
        self._batches.append((segment.last, segment.batch))

    def answered_append(self, told: Standing) -> None:
        """An append of this node has got its place; of a history that is over here it says nothing."""
        if told.epoch not in self.former:
            self.acked = told

    def begun(self, position: Position) -> None:
        """The log stands at `position` with nothing kept."""
        if self.is_synced and position.epoch != self.epoch:
            self.former.append(self.epoch)
            if self.acked.epoch == self.epoch:
                self.acked = NOWHERE  # else it would seem to be ahead once this epoch is remembered no longer
        if position.epoch != self.epoch or not self.is_synced:
            self.target = position.offset
            self._expected = 0
            self.is_disputed = self._was_disputed = False
        self.epoch, self.head = position
        self.is_synced = True
        # What was heard of other epochs is over, or is heard of again.
        self._keep([one for one in self.parked if one.segment.epoch == self.epoch])
        self._batches.clear()
        self.lacks_newest = self.limits.last_per_key and position.offset > 0

    def remember(self, batch: str) -> None:
        """The segment that ends at the head has this batch id, though the log has nothing of it."""
        self._batches.append((self.head, batch))

    def expect(self, offset: int) -> None:
        """Somebody says that there is something at `offset` of this epoch."""
        self.target = max(self.target, offset)
        self._expected = max(self._expected, offset)

    def park(self, segment: Segment) -> None:
        """Keep `segment` for later; if there is no room it will be read instead."""
        if segment.epoch == self.epoch:
            self.expect(segment.last)
        self.put_back(Parked(self._question, segment))

    def put_back(self, parked: Parked) -> None:
        """Keep it for later once more."""
        size = len(parked.segment.entries)
        if len(self.parked) < MAX_PARKED and self._parked_bytes + size <= MAX_PARKED_BYTES:
            self.parked.append(parked)
            self._parked_bytes += size

    def take_parked(self) -> list[Parked]:
        """What was kept for later, in the order of the places; it is kept no longer."""
        parked, self.parked, self._parked_bytes = self.parked, [], 0
        return sorted(parked, key=lambda one: one.segment.first)

    def asked(self) -> None:
        """The store is asked now. What was heard before has to be in its answer."""
        self._question += 1
        self._expected = 0
        self._was_disputed, self.is_disputed = self.is_disputed, False

    def answered(self, head: int) -> int:
        """The store has answered, and the log has taken it: the head of this epoch was `head`. -> what it disproves

        What was heard before the question and lies beyond is forgotten. A past in dispute is the one that this log has:
        else the store would have begun another epoch.
        """
        kept = [one for one in self.parked if one.question >= self._question or not self._is_beyond(one.segment, head)]
        disproved = len(self.parked) - len(kept) + self._was_disputed
        self._was_disputed = False
        if len(kept) < len(self.parked):
            self._keep(kept)
        heard = (one.segment.last for one in kept if one.segment.epoch == self.epoch)
        self.target = max(self.head, head, self._expected, *heard)
        return disproved

    def rest(self) -> None:
        """The channel is quiet: remember only the newest batch."""
        while len(self._batches) > 1:
            self._batches.popleft()

    def _keep(self, parked: list[Parked]) -> None:
        self.parked = parked
        self._parked_bytes = sum(len(one.segment.entries) for one in parked)

    def _is_beyond(self, segment: Segment, head: int) -> bool:
        return segment.epoch == self.epoch and segment.last > head

    def _follows(self, segment: Segment) -> bool:
        """Whether the segment before it is the one that this log ends with, as far as both are known."""
        own = self.batch
        return not own or not segment.before or own == segment.before

    def _is_disputed(self, segment: Segment) -> bool:
        """Whether this node remembers another segment at the places of this one."""
        for last, batch in reversed(self._batches):
            if last == segment.last:
                return batch != segment.batch
            if last < segment.last:
                return True  # a boundary where this node has none
        return False
