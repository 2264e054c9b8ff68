"""What joins nodes: it gives every entry its one place and brings it to every node. The contract, and who obeys it.

`memory` is the backplane of a node alone, `redis` that of many. One suite of tests holds all of them to the contract
below. `bus` is what nodes tell each other beside entries.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from channels.errors import BrokerError
from channels.publication import Entry, Position, Publication, Stored

OUTBOX_WAIT = 5.0
"""Seconds that anything may wait for a store that is away (N11)."""

MAX_BATCH = 256
"""Publications in one append (N2)."""

BATCH_SECONDS = 300.0
"""How long the id of a batch is remembered (N3), as long as a `mid`."""

if TYPE_CHECKING:
    from channels._native import PublishBatch, SignalBatch
    from channels.backplane.figures import BackplaneFigures


class Deliver(Protocol):
    """`Broker.deliver`: appends to the channel's log and tells its subscribers. -> position of the last entry.

    Raises `BrokerError`, and nothing was appended. `marks` and `settled` concern a backplane whose store is the log of
    this node: where that is durable, the entries have their places when the call returns and are stored later.
    `settled` hears once what became of them, after the call has returned: None, or the error that their publishers get
    (save with `OutcomeUnknown` nothing of them is stored, and their places are given again). `marks` (one for each
    entry, `channels.dedup.mark_of`; None where it has no `mid`) are kept beside them, to be given to `recover`. A
    backplane whose store is elsewhere hands over what is stored, and gives neither.
    """

    def __call__(  # noqa: D102 - described by the class
        self,
        channel: str,
        batch: "Sequence[Entry] | PublishBatch | SignalBatch",
        marks: Sequence[bytes | None] | None = None,
        settled: Callable[[BrokerError | None], None] | None = None,
        /,
    ) -> Position: ...


class Followed(NamedTuple):
    """One log of this node as it stands. `retention`: seconds, bytes, entries that the channel keeps."""

    channel: str
    position: Position
    seconds: float
    max_bytes: int
    max_entries: int
    last_per_key: bool
    is_fixed: bool
    """Configured by its name: followed always. Others are channels of namespaces (N18)."""


class Replicas(Protocol):
    """The logs of this node, for a backplane whose store is elsewhere: they hold what the store holds, place by place.

    `channels.replication.ReplicaLogs`, which the broker has, is one. Each call raises `BrokerError` with nothing
    changed: `UnknownChannel`, `Overloaded` (L25, as a local publish would) or `LogUnavailable`. None of them is for
    entries that this node gives places to.
    """

    def replica(self, channel: str) -> Followed:
        """The log of `channel`, opened if need be; a fresh one stands at offset 0 of an epoch that nobody knows."""
        ...

    def replicas(self) -> Iterable[Followed]:
        """Every log that is open."""
        ...

    def apply(self, channel: str, epoch: str, first: int, entries: bytes) -> Position:
        """Append entries that have their places. THE DOOR for entries of other nodes and, with Redis, of this one.

        `entries`: what `encode_entries` made, one after the other, as many as there are. `epoch` and `first` MUST be
        those that follow (`replica(channel).position`), else `ValueError`. -> the position after the last
        """
        ...

    def begin(self, channel: str, position: Position) -> None:
        """Stand at `position` with nothing kept (N8).

        In another epoch: every subscription gets a `gap` of reason `epoch` from where it stands to `position`. In the
        same one, ahead of the head: entries could not be had, and the `gap` is of reason `retention`. Behind the head
        of the same epoch: `ValueError`. A log without subscriptions tells nobody.
        """
        ...

    def restore(self, channel: str, newest: Sequence[tuple[int, bytes]]) -> None:
        """The newest entry of each key up to the head, as (offset, entry), oldest first (N13); for `last_per_key`."""
        ...

    def rotate(self, channel: str) -> None:
        """Begin another history with nothing in it, under a random epoch (N4): for a backplane that is local."""
        ...


Recovered = tuple[str, float, bytes]
"""(position, age in seconds, mark) of an entry that a durable log had kept; the age is below 0 if a clock went back."""

Result = Stored | BrokerError
Done = Callable[[Sequence[Result]], None]
Ready = Callable[[BrokerError | None], None]
Placed = Callable[[Position | BrokerError], None]


class Backplane(Protocol):
    """The one place where the order of a channel is made (N2), and the way from there to the nodes.

    All calls come from, and all calls back go to, the thread of the event loop.

    `start(deliver)` comes first and `stop()` last. A backplane
    - MUST hand every entry that it stores to `deliver`, on every node that follows the channel, this one included: each
      once, in the order of their offsets, and never an entry without a place (N11);
    - MUST NOT hand over what it refused or recognised as a repeat;
    - MUST, in `stop`, complete or refuse every append that still waits, and refuse those that come later.

    `append(channel, publications, done, batch_id)` asks for the places of 1 to 256 publications of one channel, and
    - MUST call `done` exactly once, with one result for each publication, in order; it MAY do so before returning;
    - MUST give what it stores of one batch consecutive offsets in the order given, and appends of one channel their
      places in the order of the calls; it MAY gather several appends into one call of its store;
    - MUST NOT report `Stored` before the entry is stored (M30);
    - MUST store nothing of a publication whose `mid` was stored within 300 s under the same channel and subject, by
      whichever node, and report the first position as `duplicate`, or `MidConflict` if event, key, tags or data differ
      (M31); two of one batch count too, and the other publications of the batch go on;
    - MUST report as a repeat or a conflict what it recognised as one, even if the rest of the batch was refused;
    - MUST, if `batch_id` was appended within 300 s, report the first results again and store nothing (N3): a caller
      whose answer was lost may repeat the call. A call without an id is never repeated;
    - MUST report `LogUnavailable` or `Overloaded` only if nothing was stored, else `OutcomeUnknown` (E3);
    - MUST NOT block, raise for a fault of the store, or let more wait than it bounds (N11: 10,000 publications, 5 s).

    `append_signals(channel, batch, done)` does so for a batch of the SignalSystem, whose entries carry no `mid`: all
    are stored with consecutive offsets, or none. `done` hears the position of the last one, or why there is none; it
    MAY do so before the call returns. `max_signals` is the most that one batch may hold. After `LogUnavailable` or
    `Overloaded` the batch is given again later; after `OutcomeUnknown` never.

    `append_publishes(channel, batch, done)` does the same for publishes that came together and carry no `mid`, at most
    `max_signals` of them; after `LogUnavailable` or `Overloaded` nothing of them is stored, and nothing is given again.

    `follow(channel, wanted, is_proof, done)` is asked before a subscription is answered (N12, N18): the log of this
    node must hold what the store holds, at least up to `wanted` (None: whatever the store has now). True says that it
    is so now, and `done` is not called. Else `done` hears once, within `OUTBOX_WAIT`: None, or `LogUnavailable`. A
    position that is still beyond the head then is the caller's to tell as a gap (P11). `is_proof`: this hub has told
    `wanted` to a client, sealed; where it lies beyond the head of its own epoch, entries were lost, and a new epoch
    begins before `done` (N4). A node follows a channel from the first `follow` on until its log is closed, which the
    broker does when nobody has been subscribed for as long as the channel keeps entries; `unfollow` says so.

    `recover(channel, entries)` tells of each durable log of this node when it is opened, mostly before `start`. A
    backplane
    - whose store is that log MUST count the `mid`s in `entries` as stored as long ago as their age says, MUST let the
      newest of all channels stay where not all have room, and MUST NOT refuse a publication for one that is too old;
    - whose store remembers `mid`s itself MUST ignore it: what a node's own log had kept proves nothing there.

    `sweep(now)`, once a second in seconds of the monotonic clock, MUST forget what the windows no longer cover.
    """

    @property
    def is_local(self) -> bool:
        """Its store is the log of this node: what `deliver` was given is stored, and nobody else has it."""
        ...

    @property
    def is_alone(self) -> bool:
        """By choice the node goes on without the store that it should share with others (N11)."""
        ...

    @property
    def max_signals(self) -> int:
        """The most that a batch for `append_signals` or `append_publishes` may hold."""
        ...

    @property
    def figures(self) -> "BackplaneFigures":
        """What it counts."""
        ...

    async def start(self, deliver: Deliver, replicas: Replicas) -> None:
        """Begin; entries may arrive from now on. Does not wait for a store that is away: `failure` says so."""

    async def stop(self) -> None:
        """End; nothing waits any longer."""

    def append(
        self, channel: str, publications: Sequence[Publication], done: Done, batch_id: str | None = None
    ) -> None:
        """Give `publications` their places."""

    def append_signals(self, channel: str, batch: "SignalBatch", done: Placed) -> None:
        """Give the entries of `batch` their places."""

    def append_publishes(self, channel: str, batch: "PublishBatch", done: Placed) -> None:
        """Give the entries of `batch` their places."""

    def follow(self, channel: str, wanted: Position | None, done: Ready, *, is_proof: bool = False) -> bool:
        """Make sure that the log of `channel` is as new as its store, or at least as `wanted`."""
        ...

    def unfollow(self, channel: str) -> None:
        """The log of `channel` is closed on this node."""

    @property
    def outage(self) -> str | None:
        """Why nothing can be stored, or nothing arrives, now (E4); None: it can. Part of `failure`."""
        ...

    @property
    def failure(self) -> str | None:
        """Why this node is not ready (N10), in words for an operator; None: it is."""
        ...

    def recover(self, channel: str, entries: Sequence[Recovered]) -> None:
        """Take up the `mid`s of entries that the durable log of `channel` had kept."""

    def sweep(self, now: float) -> None:
        """Forget what is too old to be asked for."""

    def statistics(self) -> dict[str, int]:
        """`stored`, `duplicates`, `conflicts`, `refused` since the start; `mids`: how many are remembered.

        `mids_refused`, `batches_refused`: those for which there was no room (they are among `refused`);
        `mids_forgotten`: those of the last run for which there was none.
        """
        ...
