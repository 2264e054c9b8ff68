"""What joins nodes: it gives every entry its one place and brings it to every node. The contract, and who obeys it.

`memory` is the backplane of a node alone. One suite of tests holds all of them to the contract below.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from channels.errors import BrokerError
from channels.publication import Entry, Position, Publication, Stored

MAX_BATCH = 256
"""Publications in one append (N2)."""

BATCH_SECONDS = 300.0
"""How long the id of a batch is remembered (N3), as long as a `mid`."""


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
        batch: Sequence[Entry],
        marks: Sequence[bytes | None] | None = None,
        settled: Callable[[BrokerError | None], None] | None = None,
        /,
    ) -> Position: ...


Recovered = tuple[str, float, bytes]
"""(position, age in seconds, mark) of an entry that a durable log had kept; the age is below 0 if a clock went back."""

Result = Stored | BrokerError
Done = Callable[[Sequence[Result]], None]


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

    `recover(channel, entries)` tells of each durable log of this node when it is opened, mostly before `start`. A
    backplane
    - whose store is that log MUST count the `mid`s in `entries` as stored as long ago as their age says, MUST let the
      newest of all channels stay where not all have room, and MUST NOT refuse a publication for one that is too old;
    - whose store remembers `mid`s itself MUST ignore it: what a node's own log had kept proves nothing there.

    `sweep(now)`, once a second in seconds of the monotonic clock, MUST forget what the windows no longer cover.
    """

    async def start(self, deliver: Deliver) -> None:
        """Begin; entries may arrive from now on."""

    async def stop(self) -> None:
        """End; nothing waits any longer."""

    def append(
        self, channel: str, publications: Sequence[Publication], done: Done, batch_id: str | None = None
    ) -> None:
        """Give `publications` their places."""

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
