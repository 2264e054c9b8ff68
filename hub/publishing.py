"""Publishes on their way from connections to the broker, as many together as came together.

Runs of one channel become one append, whoever sent them, and their `ack`s are written natively (M30). Anything else
that a connection says comes after what is gathered: `flush` keeps the order (C14).
"""

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from channels._native import PublishBatch
from channels.errors import BrokerError
from hub.session import batches
from hub.session.effects import Ticket
from hub.session.policy import Tally
from hub.session.states import OVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channels._native import Plane, Publishes
    from channels.broker import Broker
    from channels.publication import Position, Publication, Stored
    from hub.auth import Identity
    from hub.connection import Connection
    from hub.counters import Counters
    from hub.grants import Grants
    from hub.performer import Performer
    from hub.session import Moment

MAX_BYTES = 262_144
"""Bytes of one append, about: far below what one message to a store may hold."""


class Listener(Protocol):
    """Hears of what was stored: who published it, and by which connection."""

    def published(self, actor: "Identity", source: str, publication: "Publication", stored: "Stored") -> None:
        """One publish."""

    def published_together(self, shares: "Sequence[Share]", first: "Position") -> None:
        """Publishes of several, in the order of their places, which begin with `first`."""


Share = tuple["Connection", "Publishes", int]
"""What one connection has in an append: the first so many publishes of a run."""


class Publishing:
    """One per hub; what is gathered never outlives a turn of the loop."""

    def __init__(
        self, plane: "Plane", broker: "Broker", performer: "Performer", counters: "Counters", grants: "Grants"
    ) -> None:
        self._grants = grants
        self._tally = Tally(counters)
        self._plane = plane
        self._broker = broker
        self._performer = performer
        self._shares: list[Share] = []
        self._channel = ""
        self._answers_later = False
        self._most = broker.max_signals
        self._count = self._bytes = 0

    def add(self, connection: "Connection", run: "Publishes", moment: "Moment") -> None:
        """Publishes that a connection sent one after the other."""
        channel = run.channel
        if channel != self._channel:
            self.flush()
            self._channel, self._answers_later = channel, self._broker.answers_later(channel)
        length = len(run)
        most = min(length, self._most)
        count = batches.admit(connection.session, run, moment, most, answers_later=self._answers_later)
        if count:
            size = run.size
            if self._count + count > self._most or self._bytes + size > MAX_BYTES:
                self.flush()
            self._shares.append((connection, run, count))
            self._count += count
            self._bytes += size
        if count == length and not self._answers_later:
            self._grants.consider(connection, channel)
        if count < length:
            self.flush()
            for frame in islice(run.frames(), count, None):
                self._performer.perform(connection, connection.session.received(frame, moment))

    def flush(self) -> None:
        """Store what is gathered."""
        if not self._shares:
            return
        shares, self._shares = self._shares, []
        self._count = self._bytes = 0
        try:
            self._performer.settle((self._channel,))
            batch = PublishBatch([(run, count) for _, run, count in shares])
            placed = partial(self._placed, shares, batch, self._answers_later)
            self._broker.publish_batch(self._channel, batch, placed)
        except Exception as error:  # noqa: BLE001 - it is logged, and others have their turn
            for connection in {connection.number: connection for connection, _, _ in shares}.values():
                self._performer.fail(connection, error)

    # --- afterwards ---------------------------------------------------------------------------------------------------

    def _placed(
        self,
        shares: "Sequence[Share]",
        batch: PublishBatch,
        was_later: bool,
        result: "Position | BrokerError",
    ) -> None:
        """The publishers have their answers first: nobody who listens can keep them from it."""
        if was_later:
            for connection, run, count in shares:
                connection.session.release_all(batches.given(run, count))
        if isinstance(result, BrokerError):
            for share in shares:
                self._refuse(share, result)
        else:
            first = result._replace(offset=result.offset - len(batch) + 1)
            self._acknowledge(shares, batch, first)
            self._performer.tell_listener("published_together", shares, first)
        self._performer.finish_soon()

    def _acknowledge(self, shares: "Sequence[Share]", batch: PublishBatch, first: "Position") -> None:
        self._performer.send_answers()  # what was answered before is sent before
        over = [connection.number for connection, _, _ in shares if connection.session.state in OVER]
        told = self._plane.acknowledge(batch, first.epoch, first.offset, over)
        if told:
            self._tally.messages_sent["ack",] += told

    def _refuse(self, share: "Share", error: BrokerError) -> None:
        connection, run, count = share
        for one in islice(run.ids(), count):
            ticket = Ticket("publish", one, run.channel)
            self._performer.attempt(connection, connection.session.failed, ticket, error)
