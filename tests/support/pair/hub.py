"""The hub's end of the pair: the real core from broker to sessions, on a plane without sockets."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from channels.broker import Broker
from channels.buckets import DEFAULT_RATES, Rate
from channels.config import Catalog
from channels.dedup import MidWindow
from channels.permissions import Role
from channels.publication import Publication
from hub.admission import Admission, AdmissionLimits
from hub.auth import AuthError, Identity
from hub.auth.sealing import Sealer
from hub.connection import Newcomer
from hub.connections import Connections
from hub.counters import Counters
from hub.protocol.subprotocols import CODECS
from hub.resumption import Resumption
from hub.session import Moment, Policy
from hub.session.policy import Surroundings, Tally
from tests.support.fake_log import FakeLog
from tests.support.pair.histories import CHANNELS, Histories
from tests.support.pair.loop import StillLoop
from tests.support.pair.waits import WaitingBackplane
from tests.support.plane import FakePlane

if TYPE_CHECKING:
    from channels.publication import Entry

SUBJECT = "ann"
AMPLE = Rate(1e6, 1e6)
SUBPROTOCOL = "ng-ws.v1.json"


class RecordingPlane(FakePlane):
    """Writes down what is appended, and under which epoch."""

    def __init__(self, histories: Histories, **settings: Any) -> None:
        super().__init__(**settings)
        self.histories = histories

    def open_log(self, channel: str, **settings: Any) -> int:
        number = super().open_log(channel, **settings)
        self._know(number)
        return number

    def rotate_log(self, log: int) -> str:
        epoch = super().rotate_log(log)
        self._know(log)
        return epoch

    def append(
        self, log: int, entries: "Sequence[Entry]", ts: float, marks: Sequence[bytes | None] | None = None
    ) -> tuple[str, int]:
        epoch, first = super().append(log, entries, ts, marks)
        channel = self.logs[log].channel
        if channel in CHANNELS:
            for offset, entry in enumerate(entries, first):
                self.histories.stored(channel, epoch, offset, json.loads(entry[1]))
        return epoch, first

    def _know(self, log: int) -> None:
        found = self.logs[log]
        if found.channel in CHANNELS:
            self.histories.begun(found.channel, found.epoch)


class NoEmissions:
    """There are no signals here."""

    def add(self, *_: object) -> None:
        raise AssertionError("nobody emits in these tests")

    def run(self) -> tuple[()]:
        return ()

    def settle(self) -> tuple[()]:
        return ()


class HubEnd:
    """One life of a hub. `former`: the life before it, of which the disk kept the logs (`keep_logs`)."""

    lost_tail = 0
    """Entries of each log that a restart does not find again: none, or the hub breaks its word."""

    def __init__(
        self,
        loop: StillLoop,
        histories: Histories,
        *,
        secret: bytes,
        epochs: Iterator[int],
        former: "HubEnd | None" = None,
        resumption: Resumption | None = None,
        max_entries: int = 1_000,
        resume_events: int = 1_000,
        token_ttl: float = 300.0,
        rates: Mapping[str, Rate] | None = None,
    ) -> None:
        self.loop = loop
        self.counters = Counters()
        self.plane = RecordingPlane(
            histories,
            max_entries=max_entries,
            resume_events=resume_events,
            kept={} if former is None else former.saved(),
            epochs=epochs,
        )
        self.mids: MidWindow[str] = MidWindow() if former is None else former.mids
        self.resumption = resumption or Resumption(Sealer([secret]), ttl=token_ttl)
        self.backplane = WaitingBackplane(mids=self.mids, monotonic=loop.time)
        catalog = Catalog()
        self.broker = Broker(
            self.plane,
            catalog,
            node="n1",
            backplane=self.backplane,
            wall=loop.wall,
            monotonic=loop.time,
        )
        policy = Policy(resume_events=resume_events, rates=dict.fromkeys(DEFAULT_RATES, AMPLE) | dict(rates or {}))
        self.connections = Connections(
            self.plane,  # type: ignore[arg-type]  # as much of it as is asked for here
            self.broker,
            Surroundings(policy, catalog, _log_in, tally=Tally(self.counters), resumption=self.resumption),
            Admission(AdmissionLimits()),
            NoEmissions(),  # type: ignore[arg-type]
            self.counters,
            monotonic=loop.time,
            wall=loop.wall,
        )
        loop.run(self._start())

    async def _start(self) -> None:
        self.plane.start()
        await self.broker.start()
        self.connections.start()

    def die(self) -> None:
        """As by kill -9: nobody is told."""
        self.connections.stop()
        self.loop.run(self.broker.stop())
        self.plane.stop()

    def saved(self) -> dict[str, Any]:
        """What the disk holds of the logs."""
        logs = {log.channel: log for log in self.plane.logs.values() if log.channel in CHANNELS}
        for log in logs.values():
            lost = min(self.lost_tail, len(log.ring))
            log.head -= lost
            log.ring = log.ring[: len(log.ring) - lost]
        return logs

    def open(self, output: Any, role: Role) -> tuple[int, str]:
        """A client has come. -> its number at the plane, and the name of its connection

        Its credential is a fresh one, by a clock that is a second ahead: what an operator decided before is over (R7).
        """
        number = self.plane.attach_virtual()
        issued_at = self.loop.wall() + 1.0
        who = Identity(SUBJECT, role, token_id=f"t-{issued_at}-{number}", issued_at=issued_at)
        connection = self.connections.open(number, Newcomer(CODECS[SUBPROTOCOL], "192.0.2.1", who), output)
        return number, connection.session.conn

    def publish(self, channel: str, number: int) -> None:
        """Somebody else publishes."""
        publication = Publication(channel, "e", json.dumps(number).encode())
        self.broker.publish_nowait(publication, lambda _result: None)

    def sweep(self) -> None:
        """What the hub does once a second besides its alarms."""
        self.backplane.expire()
        self.broker.sweep(self.loop.wall(), self.loop.now)
        self.resumption.sweep(self.loop.wall())

    def first(self, channel: str) -> int:
        """The offset of the oldest entry that is kept, or would be."""
        return self._log(channel).first

    def _log(self, channel: str) -> FakeLog:
        return next(log for log in self.plane.logs.values() if log.channel == channel)

    def served(self) -> dict[str, tuple[set[str], set[str]]]:
        """Of each connection the channels that the plane delivers to it, and those that its session knows of."""
        cursors = {number: one.cursors for number, one in self.plane.connections.items()}
        return {
            one.session.conn: (
                {self.plane.logs[log].channel for log in cursors[number]},
                set(one.session.subscriptions),
            )
            for number, one in self.connections._table.items()
        }

    def owners(self) -> dict[str, list[str]]:
        """Session -> the connections that are open in its name."""
        found: dict[str, list[str]] = defaultdict(list)
        for one in self.connections.snapshot():
            found[one["session"]].append(one["id"])
        return found


def _log_in(credential: str, _address: str, _moment: Moment) -> Identity:
    raise AuthError("token_invalid", f"expected no credential in these tests, came {credential!r}")
