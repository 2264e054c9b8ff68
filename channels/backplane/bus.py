"""What nodes tell each other beside entries (N9, N15, N16), and what they count together (D4, C25, R8).

`redis` is the bus of many nodes, `alone` that of one. Bodies are plain data (what JSON can hold), small, and were
checked by nobody: whoever listens checks what comes.

Who is present on a channel is kept with the news that this makes. News stay until somebody has said that they are
stored in the companion (`told`), so none is lost with the node that made it: whoever asks about the subject next, or
buries that node, gets them again. Their `mark` is the `mid` under which they are stored, so that two nodes that tell
the same make one entry of it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

KEPT_SECONDS = 300.0
"""How long what is told with `keep` is there for a node that was cut off (N15)."""

SILENT_SECONDS = 10.0
"""After so long without a word a node counts as gone (N16)."""

MOST_NEWS = 8
"""News of one subject that wait at most; of more the oldest goes, so that the last one says how things are."""

Heard = Callable[[str, Mapping[str, Any]], None]
"""Hears (name of the node that told it, body). Of one node everything comes in the order it was told in."""


class News(NamedTuple):
    """A subject came to a channel in the whole cluster (`join`), or is there no longer (`leave`) (C25)."""

    subject: str
    event: str
    since: float
    connections: int
    """Nodes that had it then."""
    mark: int
    """Rises with each news of the subject on the channel."""


class Told(NamedTuple):
    """News that the companion holds. `epoch`: that of the companion's log in which they are."""

    subject: str
    mark: int
    epoch: str


Tell = Callable[[str, Sequence[News]], Awaitable[None]]
"""Tells news of a channel; returns when they are stored and `Bus.told` knows it. Raises `BrokerError`."""


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

    async def others(self) -> Sequence[str]:
        """The other nodes that have said just now that they are there, as the store knows; raises `BrokerError`.

        `nodes` knows nobody until it has heard of them; a node that has just started asks here.
        """
        ...

    @property
    def is_contested(self) -> bool:
        """Another process bears the name of this node. What either says of "its" connections would be wrong."""
        ...

    def on_silent(self, told: Callable[[str], None]) -> None:
        """`told` hears the name of a node that is gone, on exactly one of the nodes that are left (N16)."""

    def on_ended(self, told: Callable[[str], None]) -> None:
        """The same of a node that has stopped in order, `SILENT_SECONDS` ago: who was there had the time to resume."""

    def on_returned(self, told: Callable[[], None]) -> None:
        """`told` hears that the store may have lost what this node said by `present`, or that it was struck."""

    def on_missed(self, told: Callable[[], None]) -> None:
        """`told` hears that something was kept for this node and is lost: it was cut off for longer than that."""

    async def claim(self, session: str) -> int:
        """A number above every one that any node was given for `session` within `KEPT_SECONDS`; raises `BrokerError`.

        Of connections that claim one session the highest wins, wherever it is (R8).
        """
        ...

    async def present(self, channel: str, subjects: Mapping[str, float | None], epoch: str = "") -> Sequence[News]:
        """Say which subjects are on `channel` by this node: since when (wall clock), or None; raises `BrokerError`.

        -> all news of these subjects that nobody is known to have told, oldest first. To say the same again changes
        nothing. `epoch`: the companion has lost what it held and is in this epoch now: whose `join` is not in it is
        told once more. Calls for one channel must come one after the other.
        """
        ...

    async def told(self, channel: str, told: Sequence[Told]) -> None:
        """News are stored: nobody need tell them again. Raises `BrokerError`."""

    async def vacate(self, channel: str) -> None:
        """No subject is on `channel` by this node any more, and that was said by `present`; raises `BrokerError`."""

    async def former(self) -> Sequence[tuple[str, str]]:
        """(channel, subject) of everything that this name has said by `present` in a former life of it.

        Raises `BrokerError`. What is not said again should be taken back: nobody else will while the node lives.
        """
        ...

    async def bury(self, node: str, tell: Tell) -> None:
        """Strike everything that `node` has said by `present`, and `tell` what news that makes; raises `BrokerError`.

        Not to be called for a node that lives. May be repeated after a failure: nothing is lost or told twice.
        """
