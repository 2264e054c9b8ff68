"""What nodes tell each other beside entries (N9, N15, N16), and what they count together (D4, C25, R8).

`redis` is the bus of many nodes, `alone` that of one. Bodies are plain data (what JSON can hold), small, and were
checked by nobody: whoever listens checks what comes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

KEPT_SECONDS = 300.0
"""How long what is told with `keep` is there for a node that was cut off (N15)."""

SILENT_SECONDS = 10.0
"""After so long without a word a node counts as gone (N16)."""

Heard = Callable[[str, Mapping[str, Any]], None]
"""Hears (name of the node that told it, body). Of one node everything comes in the order it was told in."""


class Member(NamedTuple):
    """What became of a subscription for the presence of a channel (C25)."""

    is_news: bool
    """The subject was not there in the whole cluster (`join`), or is there no longer (`leave`)."""
    since: float
    connections: int


class Departed(NamedTuple):
    """One subject that a node had told of, and what is left of it without that node."""

    channel: str
    subject: str
    member: Member


class Bus(Protocol):
    """The other nodes. All calls come from, and all calls back go to, the thread of the event loop.

    While the store is away, what is told with `keep` waits (bounded: 10,000; beyond it the oldest goes and is counted),
    and what is told without is lost. A message that cannot be read is dropped and counted (N17).
    """

    node: str

    def tell(self, kind: str, body: Mapping[str, Any], *, keep: bool = False) -> None:
        """Tell every other node, now; with `keep` also those that are cut off, when they are back."""

    def listen(self, kind: str, heard: Heard) -> None:
        """`heard` is called with what other nodes tell of this kind. One listener for each kind."""

    def nodes(self) -> Mapping[str, float]:
        """The other nodes heard of within `SILENT_SECONDS`, and how many seconds ago."""
        ...

    def on_silent(self, told: Callable[[str], None]) -> None:
        """`told` hears the name of a node that is gone, on exactly one of the nodes that are left (N16)."""

    def on_returned(self, told: Callable[[Sequence[Departed]], None]) -> None:
        """`told` hears that this node was taken for gone, and who is there again through it, for the first time."""

    async def claim(self, session: str) -> int:
        """A number above every one that any node was given for `session` within `KEPT_SECONDS`; raises `BrokerError`.

        Of connections that claim one session the highest wins, wherever it is (R8).
        """
        ...

    async def joined(self, channel: str, subject: str, since: float) -> Member:
        """One more connection of `subject` on this node follows `channel`; raises `BrokerError`."""
        ...

    async def left(self, channel: str, subject: str) -> Member:
        """One less for good: its ten seconds are over; raises `BrokerError`."""
        ...

    async def bury(self, node: str) -> Sequence[Departed]:
        """Strike everything that `node` has told by `joined`, in this life or a former one; raises `BrokerError`.

        Called for a node that fell silent by the one that heard of it, and by each node for its own name before it
        tells anything: what a process of that name had told before it was killed counts no longer (C25, N16).
        """
        ...
