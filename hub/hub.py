"""The composition root: settings in, one hub out. What belongs together is put together here and nowhere else."""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog

from channels import SignalPump, SignalSystem
from channels.broker import Broker
from channels.buckets import SUBJECT_FACTOR, SubjectBuckets
from channels.config import Catalog
from channels.permissions import Role
from hub import __version__, logs, parts
from hub.admission import Admission, AdmissionLimits
from hub.auth import Authenticator
from hub.auth.development import DevelopmentState, read_state, ready_tokens, write_state
from hub.auth.sealing import Sealer
from hub.cluster.agreement import Fingerprints
from hub.cluster.cluster import Cluster
from hub.config import Settings
from hub.connections import Connections
from hub.counters import Counters
from hub.emissions import Emissions
from hub.health import HealthBook
from hub.http.rates import PublishRates
from hub.joining import Joined, join
from hub.leaving import CLOSE_PATIENCE
from hub.logins import Logins
from hub.metrics import HubMetrics
from hub.options import signal_options, within_open_files
from hub.reporters.actions import ActionsReporter
from hub.reporters.log_events import publish_records
from hub.reporters.loop_lag import LoopLag
from hub.reporters.metrics import SERIES, MetricsReporter
from hub.reporters.publisher import Publisher
from hub.reporters.status import StatusReporter
from hub.resumption import Resumption
from hub.session.policy import Policy, Surroundings, Tally
from hub.sweeps import Sweeps
from hub.vitals import watch
from hub.warming import warm

TICK = 1.0
"""Seconds between two sweeps."""
STATUS_INTERVAL = 60.0
"""Seconds after which the health of every part is told although nothing changed."""
STOP_PATIENCE = 5.0

log = structlog.get_logger("hub")


class Companion(Protocol):
    """Something that runs while the hub runs (the demo's bots)."""

    description: str

    async def run(self, hub: "Hub") -> None:
        """Run until cancelled."""
        ...


class Hub:
    """The parts of one node, and their life."""

    def __init__(self, settings: Settings, companions: Sequence[Companion] = (), joined: Joined | None = None) -> None:
        """`joined`: what joins it to other nodes, where that is not to be made from the settings."""
        self._wanted_connections = settings.max_connections
        self.settings = settings = within_open_files(settings)
        self.node = settings.node
        self.wall, self.monotonic = time.time, time.monotonic
        self.counters = Counters()
        self.catalog = Catalog.from_tables(settings.channels)
        self.tokens: dict[str, str] = {}
        """A ready token for each role; development only, once started."""
        self._development = None if settings.is_production else read_state(settings.dev_file)
        self.authenticator = Authenticator(settings, self._development.secret.encode() if self._development else None)
        self.issuer = None if self._development is None else parts.issuer(settings, self._development)

        self.plane = parts.plane(settings, self.catalog)
        self.signals = SignalSystem(**signal_options(settings))
        backplane, self.bus = join(settings) if joined is None else joined
        self.broker = Broker(self.plane, self.catalog, node=self.node, backplane=backplane)
        self.pump = SignalPump(self.signals, self.broker)
        subjects = SubjectBuckets(
            {name: getattr(settings, f"rate_{name}").times(SUBJECT_FACTOR) for name in ("publish", "emit")}
        )
        sealing = parts.sealing_secrets(settings, self._development)
        self.resumption = Resumption(
            Sealer(sealing),
            ttl=settings.resume_ttl,
            grace=settings.resume_grace,
            most=settings.resume_sessions,
            is_revoked=self.authenticator.is_revoked,
            today=self.authenticator.today,
        )
        self.surroundings = Surroundings(
            Policy.from_settings(settings),
            self.catalog,
            Logins(self.authenticator, self.counters),
            subjects,
            Tally(self.counters),
            self.resumption,
            lambda: self.broker.backplane.is_alone,
        )
        self.admission = Admission(AdmissionLimits.from_settings(settings))
        self.emissions = Emissions(self.signals, self.pump)
        self.connections = Connections(
            self.plane,
            self.broker,
            self.surroundings,
            self.admission,
            self.emissions,
            self.counters,
            monotonic=self.monotonic,
            wall=self.wall,
            recorder=parts.recorder(self.plane, settings, self.wall),
            max_grants=settings.max_grants if settings.direct_publishes else 0,
        )
        self.authenticator.revocations.listen(self.connections.revoke)
        self.cluster = (
            None if backplane is None else self._join(parts.fingerprints(settings, self._development, sealing))
        )

        self.auth_buckets = SubjectBuckets({"auth": settings.auth_rate}, most=20_000)
        self.publish_rates = PublishRates(subjects, self.counters)
        self.health = HealthBook()
        self.loop_lag = LoopLag()
        watch(self)
        self.metrics = HubMetrics(self)
        self._publisher = Publisher(self.broker, self.counters, self.node)
        self.actions = ActionsReporter(self._publisher, self.node, settings.log_rate, self.monotonic)
        self.connections.listen(self.actions)
        self.metrics_reporter = MetricsReporter(self, self._publisher)
        self.status_reporter = self._status_reporter()
        self.log_channel = logs.LogChannel(self._tell_logs, self._on_loop)
        self.log_listeners: list[Callable[[logs.Record], None]] = []
        """Told of each record of the hub's own log, on the loop."""
        self.on_fatal: Callable[[], None] = lambda: None
        """Called once if a native part is lost: the process should end."""

        self._sweeps = Sweeps(self)
        self._companions = companions
        self._tasks: list[asyncio.Task[None]] = []
        self._rebalancing: asyncio.Task[None] | None = None
        self._rebalanced_by = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started_at = 0.0

    def _join(self, keys: Fingerprints) -> Cluster:
        """What it does together with other nodes."""
        return Cluster(self.bus, self.broker, self.connections, self.authenticator.revocations, keys)

    def _status_reporter(self) -> StatusReporter:
        """Where other nodes report too, keys begin with the node, and end with it when it is gone (N16)."""
        if self.cluster is None:
            return StatusReporter(self.health, self._publisher, self.node)
        ends = {"status": self.health.names, "metrics": SERIES}
        self.cluster.departed.series = [(channel, end) for channel, group in ends.items() for end in group]
        return StatusReporter(self.health, self._publisher, self.node, prefix=f"{self.node}/")

    # --- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Everything that was put together begins to work; raises what stops the start."""
        self._loop = asyncio.get_running_loop()
        self._started_at = self.wall()
        self._listen_to_logs()
        self.plane.start()
        await self.broker.start()
        if self.settings.signal_warm:
            await warm(self.signals, self.broker, self.settings.signal_warm)
        self.pump.start()
        self.connections.start()
        if self.cluster is not None:
            self.cluster.start()
        await self.authenticator.start()
        self.loop_lag.start()
        self._keep_development()
        self.health.is_started = True
        self.metrics_reporter.report()
        self.status_reporter.report_all()
        interval = self.settings.metrics_interval
        self._tasks = [
            asyncio.create_task(self._every(TICK, self._sweeps.run), name="sweep"),
            asyncio.create_task(self._every(interval, self.metrics_reporter.report), name="metrics"),
            asyncio.create_task(self._every(STATUS_INTERVAL, self.status_reporter.report_all), name="status"),
            *(asyncio.create_task(self._accompany(one), name=one.description) for one in self._companions),
        ]
        if self.settings.max_connections < self._wanted_connections:
            log.info("limit.files", wanted=self._wanted_connections, connections=self.settings.max_connections)
        log.info("hub.started", mode=self.settings.mode, version=__version__, audit=True)

    async def leave(self) -> None:
        """Drain as operators want it (hardening.md 8): not ready at once, newcomers taken until balancers have noticed,
        then everybody asked to go and closed with 4301 at the deadline.
        """
        self.health.is_draining = True
        settings = self.settings
        log.info("hub.draining", connections=len(self.connections), deadline=settings.drain_deadline, audit=True)
        await asyncio.sleep(settings.announce_seconds)
        earliest = min(0.5, settings.drain_window)
        await self.connections.leave("draining", (earliest, settings.drain_window), settings.drain_deadline)

    def rebalance(self, window: float, deadline: float, share: float) -> float:
        """Ask a share of the clients to reconnect, which a balancer spreads anew.

        -> 0, or why not: the seconds until an earlier one is over at the latest; infinite where the node itself goes
        """
        if self.health.is_draining:
            return math.inf
        now = self.monotonic()
        if self._rebalancing is not None and not self._rebalancing.done():
            return max(0.1, self._rebalanced_by - now)
        self._rebalanced_by = now + deadline + CLOSE_PATIENCE
        leaving = self.connections.leave("rebalance", (0.0, window), deadline, share)
        self._rebalancing = asyncio.get_running_loop().create_task(leaving, name="rebalance")
        self._rebalancing.add_done_callback(self._rebalanced)
        return 0.0

    def _rebalanced(self, rebalancing: asyncio.Task[None]) -> None:
        if not rebalancing.cancelled() and (fault := rebalancing.exception()) is not None:
            self.counters.error("internal", "rebalance")
            log.error("hub.rebalance_failed", exc_info=fault)

    async def drain(self) -> None:
        """Let nobody in any more and close who is in with 4301 at once; may be called more than once."""
        self.health.is_draining = True
        await self.connections.close_all("draining")

    async def stop(self) -> None:
        """End every part, in the order opposite to the start."""
        self.health.was_live = self.health.is_live
        if self._rebalancing is not None:
            self._tasks.append(self._rebalancing)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.drain()
        if self.health.is_started:
            log.info("hub.stopped", audit=True)
        self.log_channel.flush()
        logs.current().sinks.pop(threading.get_ident(), None)
        self.loop_lag.stop()
        await self.authenticator.stop()
        if self.issuer is not None:
            self.issuer.close()
        if self.cluster is not None:
            self.cluster.stop()
        self.pump.stop()
        await self.broker.stop()
        self.connections.stop()
        self.plane.stop(STOP_PATIENCE)
        self.signals.close()

    async def kick(self, conn: str) -> str | None:
        """End a connection with 4010, wherever it is. -> the node that held it; None: none has answered for it"""
        if self.cluster is not None:
            return await self.cluster.orders.kick(conn)
        return self.node if self.connections.kick(conn) else None

    async def change_role(self, conn: str, role: Role) -> str | None:
        """Give a connection another role (C17). -> as above"""
        if self.cluster is not None:
            return await self.cluster.orders.change_role(conn, role)
        return self.node if self.connections.change_role(conn, role) else None

    def describe(self) -> dict[str, Any]:
        """The hub in a few figures, for `/api/v1/status`."""
        system = self.metrics_reporter.snapshot()["system"]
        roles, core = self.connections.roles(), self.signals.get_stats()
        return {
            "name": "neurograph-hub",
            "version": __version__,
            "node": self.node,
            "mode": self.settings.mode,
            "state": "draining" if self.health.is_draining else "ready" if self.health.is_ready else "not ready",
            "uptime_s": round(self.wall() - self._started_at, 3),
            "connections": len(self.connections),
            "connections_by_role": {role.value: count for role, count in roles.items()},
            "tokens": core.tokens,
            "token_connections": core.token_connections,
            "channels": self.broker.open_channels,
            "cpu_percent": system["cpu_percent"],
            "memory_mb": system["memory_mb"],
            "log": self._log_kind(),
        }

    def _log_kind(self) -> str:
        if not self.broker.backplane.is_local:
            return "redis"
        return "durable" if self.catalog.durable else "memory"

    # --- what time does -----------------------------------------------------------------------------------------------

    async def _every(self, seconds: float, work: Callable[[], None]) -> None:
        """Do `work` again and again; what goes wrong in it is told and does not end it."""
        due = self.monotonic() + seconds
        while True:
            await asyncio.sleep(max(0.0, due - self.monotonic()))
            due = max(due + seconds, self.monotonic())
            self._sweeps.attempt(work)

    async def _accompany(self, companion: Companion) -> None:
        try:
            await companion.run(self)
        except Exception as error:  # a bot that fails is told, and the hub goes on
            self.counters.error("internal", "companion")
            log.error("companion.failed", companion=companion.description, exc_info=error)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _on_loop(self, call: Callable[[], None]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    def _tell_logs(self, records: list[logs.Record]) -> None:
        publish_records(self._publisher, records)
        for listener in self.log_listeners:
            for record in records:
                listener(record)

    def _listen_to_logs(self) -> None:
        settings = self.settings
        output = logs.current(
            level=settings.log_level, rate=settings.log_rate, node=self.node, shows_users=settings.log_users
        )
        output.sinks[threading.get_ident()] = self.log_channel

    def _keep_development(self) -> None:
        if self.issuer is None or self._development is None:
            return
        self.tokens = ready_tokens(self.issuer, self._development.tokens, self.authenticator.identify, self.wall())
        try:
            write_state(self.settings.dev_file, DevelopmentState(self._development.secret, self.tokens))
        except OSError as error:  # a directory that is read-only: the tokens hold until the next start
            log.warning("development.not_kept", file=str(self.settings.dev_file), reason=error.strerror)
