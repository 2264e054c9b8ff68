"""Nodes that fell silent: one of those that are left says for them what they cannot say any more (N16).

Of those that are left the one that the bus tells does it; for a node that no bus has ever told of (all ended together,
and others came), the first by name.

Also what this node must say for itself: of connections that went with a former life of it, that they have left; of
those that it has and others took for gone, that they are there.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import structlog

from channels.backplane.bus import Bus
from channels.broker import Broker
from channels.errors import BrokerError
from channels.publication import Publication
from hub.announcements import CHANNEL, GONE
from hub.cluster.elsewhere import Elsewhere, Former, Row, as_leave
from hub.cluster.errands import RETRY, Errands
from hub.cluster.members import Members

if TYPE_CHECKING:
    from hub.connections import Connections
    from hub.counters import Counters

SLICE = 256
"""Entries of others told at once."""
OWN_SLICE = 1_024
"""Own connections told again in a second."""
UNHEARD_SECONDS = 30.0
"""After which a node that is told of on `connections`, and that the bus has never heard of, counts as gone."""

log = structlog.get_logger("hub.cluster")


class Departed:
    """Tells `leave` for others, and `update` for its own."""

    def __init__(
        self,
        bus: Bus,
        broker: Broker,
        connections: "Connections",
        elsewhere: Elsewhere,
        members: Members,
        counters: "Counters",
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self.series: Sequence[tuple[str, str]] = ()
        """Channel, and the end of the key, of what each node tells of itself: to be taken out of snapshots (S6)."""
        self._monotonic = monotonic
        self._unheard: dict[str, float] = {}
        self._bus = bus
        self._broker = broker
        self._connections = connections
        self._elsewhere = elsewhere
        self._members = members
        self._counters = counters
        self._former: dict[str, Row] = {}
        self._denied: dict[str, None] = {}
        self._errands = Errands(counters)
        elsewhere.on_former = self._note_former
        elsewhere.on_denied = self._note_denied
        elsewhere.on_begun = self._note_all
        bus.on_silent(self._silent)
        bus.on_ended(self._bury)

    def stop(self) -> None:
        """Say no more."""
        self._errands.stop()

    def sweep(self) -> None:
        """Once a second: what was noted since."""
        if self._bus.is_contested:
            return  # what seems to be of a former life may be another's
        former, self._former = self._former, {}
        if former:
            self._errands.run(self._tell_left(former))
        self._look_for_unheard()
        for conn in list(islice(self._denied, OWN_SLICE)):
            del self._denied[conn]
            self._connections.announce_again(conn)

    def _note_former(self, former: Former) -> None:
        self._former[former.conn] = former.row

    def _note_denied(self, conn: str) -> None:
        self._denied[conn] = None

    def _note_all(self) -> None:
        """The channel has lost what it said of our connections."""
        self._denied.update(dict.fromkeys(self._connections.names()))

    def _silent(self, node: str) -> None:
        rows = self._elsewhere.of(node)
        log.warning("node.silent", silent=node, connections=len(rows), audit=True)
        self._bury(node)

    def _bury(self, node: str) -> None:
        self._errands.run(self._tell_left(self._elsewhere.of(node), node))
        self._errands.run(self._members.bury(node))
        self._errands.run(self._tell_gone(node))

    def _look_for_unheard(self) -> None:
        there, now = {self._bus.node, *self._bus.nodes()}, self._monotonic()
        absent = set(self._elsewhere.nodes()) - there
        is_cut_off = self._broker.backplane.failure is not None or self._broker.backplane.is_alone
        if is_cut_off or not absent or self._bus.node != min(there):
            self._unheard.clear()
            return
        for node in absent:
            if now - self._unheard.setdefault(node, now) >= UNHEARD_SECONDS:
                self._unheard[node] = now
                self._silent(node)
        for node in self._unheard.keys() - absent:
            del self._unheard[node]

    async def _tell_left(self, rows: Mapping[str, Row], node: str | None = None) -> None:
        """`leave` for each."""
        await self._tell(
            (Publication(CHANNEL, "leave", as_leave(row, GONE), key=conn) for conn, row in rows.items()), node
        )

    async def _tell_gone(self, node: str) -> None:
        """What `node` told of itself leaves the snapshots."""
        await self._tell(
            (Publication(channel, "gone", b"null", key=f"{node}/{end}") for channel, end in self.series), node
        )

    async def _tell(self, news: Iterable[Publication], node: str | None) -> None:
        """Each until it is stored; where `node` has come back meanwhile, it says itself what there is."""
        left = iter(news)
        while waiting := list(islice(left, SLICE)):
            while waiting:
                if node is not None and node in self._bus.nodes():
                    return
                waiting = await self._publish(waiting)
                if waiting:
                    await asyncio.sleep(RETRY)

    async def _publish(self, news: Sequence[Publication]) -> list[Publication]:
        """-> those that are to be told again"""
        told = await asyncio.gather(*map(self._broker.publish, news), return_exceptions=True)
        again = []
        for one, result in zip(news, told, strict=True):
            if isinstance(result, BrokerError):
                self._counters.error("hub", "connections" if one.channel == CHANNEL else "series")
                if result.temporary:
                    again.append(one)
            elif isinstance(result, BaseException):
                raise result
        return again
