"""Everything that this node does together with others, put together."""

from typing import TYPE_CHECKING

from channels.backplane.bus import Bus
from channels.broker import Broker
from hub.announcements import CHANNEL
from hub.auth.revocation import Revocations
from hub.cluster.agreement import Agreement, Fingerprints
from hub.cluster.claims import Claims
from hub.cluster.decisions import Decisions
from hub.cluster.departed import Departed
from hub.cluster.elsewhere import Elsewhere
from hub.cluster.members import Members
from hub.cluster.orders import Orders
from hub.cluster.spending import Spending
from hub.cluster.stories import Stories

if TYPE_CHECKING:
    from channels.directory import OpenLog
    from hub.connections import Connections


class Cluster:
    """Made before anything starts, so that nothing on the bus is missed."""

    def __init__(
        self,
        bus: Bus,
        broker: Broker,
        connections: "Connections",
        revocations: Revocations,
        keys: Fingerprints,
    ) -> None:
        surroundings, counters = connections.surroundings, connections.counters
        self.bus = bus
        self.agreement = Agreement(bus, keys, counters)
        self.elsewhere = Elsewhere(bus.node, connections.prefix, connections.last_seen)
        self.members = Members(bus, broker, counters)
        self.orders = Orders(bus, connections, counters)
        self.stories = Stories(bus, connections.recorder, counters)
        self._claims = Claims(bus, connections.takeovers, surroundings.resumption, counters, moment=connections.moment)
        self._decisions = Decisions(
            bus,
            revocations,
            surroundings.resumption,
            counters,
            wall=lambda: connections.moment().wall,
            hears=lambda: broker.backplane.outage is None,
        )
        self._spending = Spending(bus, surroundings.subjects, counters, monotonic=lambda: connections.moment().now)
        self.departed = Departed(
            bus,
            broker,
            connections,
            self.elsewhere,
            self.members,
            counters,
            monotonic=lambda: connections.moment().now,
        )
        broker.followers.news = self.members.changed
        broker.replicas.begun = self._begun
        broker.replicas.observe(CHANNEL, self.elsewhere)

    def _begun(self, log: "OpenLog", epoch: str) -> None:
        if log.base is not None:
            self.members.begun(log.base, epoch)

    def start(self) -> None:
        """The broker runs."""
        self.members.start()
        self._decisions.asking.start()
        self._spending.start()

    @property
    def failure(self) -> str | None:
        """Why this node should not take clients yet; None: it may."""
        return self._decisions.asking.failure

    def sweep(self) -> None:
        """Once a second."""
        self.agreement.sweep()
        self.departed.sweep()
        self._decisions.asking.sweep()

    def stop(self) -> None:
        """Tell nobody any more; the broker still runs."""
        self._spending.stop()
        self._claims.stop()
        self._decisions.asking.stop()
        self.members.stop()
        self.departed.stop()
