"""Executes what sessions want done: towards the broker, the SignalSystem and the plane.

Answers are gathered and go to the plane in one call, the signals of a turn to the SignalSystem in another, and the I/O
threads are woken once: `finish` ends a turn. Only what concerns the channel of the signals makes them go earlier.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

import structlog

from channels.errors import BrokerError, LogUnavailable, Overloaded
from channels.publication import Stored
from hub.alarms import Alarms
from hub.announcements import Announcements
from hub.connection import Connection
from hub.contents import Contents
from hub.holds import Hold
from hub.protocol import answers, close_codes
from hub.protocol.errors import Refusal
from hub.publishing import Listener, Publishing
from hub.session import effects
from hub.session.policy import SIGNALS

if TYPE_CHECKING:
    from channels._native import Plane
    from channels.broker import Broker
    from channels.catching_up import Errors
    from hub.admission import Admission
    from hub.counters import Counters
    from hub.emissions import Emissions, Outcome
    from hub.grants import Grants

P = ParamSpec("P")

log = structlog.get_logger("hub.ws")


class Performer:
    """One per hub. Effects of one connection are executed in the order they are given in (C14)."""

    def __init__(
        self,
        plane: "Plane",
        broker: "Broker",
        emissions: "Emissions",
        admission: "Admission",
        counters: "Counters",
        grants: "Grants",
        monotonic: Callable[[], float],
    ) -> None:
        self.alarms = Alarms()
        self.announcements = Announcements(broker, partial(counters.error, "hub", "connections"))
        self.listener: Listener | None = None
        """Told of each publish that was stored, with who made it and the name of the connection."""
        self.on_takeover: Callable[[Connection, str], None] = lambda *_: None
        """Told when a connection has resumed a session, before it says so."""
        self.on_subscribed: Callable[[Connection], None] = lambda _: None
        """Told when cursors were put, and when what waited is done or was refused."""
        self._plane = plane
        self._broker = broker
        self._emissions = emissions
        self._admission = admission
        self._counters = counters
        self._grants = grants
        self._monotonic = monotonic
        self._contents = Contents(counters)
        self.publishing = Publishing(plane, broker, self, counters, grants)
        self._answers: list[tuple[int, bytes]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        emissions.on_settled = self._answer_settled
        self._is_finish_due = False
        """Whether somebody will call `finish`: a turn that is under way, or the loop."""
        self._execute: dict[type, Callable[[Connection, Any], None]] = {
            effects.Subscribe: self._subscribe,
            effects.Refilter: self._refilter,
            effects.Unsubscribe: self._unsubscribe,
            effects.Acknowledge: self._acknowledge,
            effects.Locate: self._locate,
            effects.Watermark: self._watermark,
            effects.TakeOver: lambda connection, effect: self.on_takeover(connection, effect.session),
            effects.Withdraw: lambda connection, _effect: grants.withdraw(connection),
            effects.Publish: self._publish,
            effects.Emit: emissions.add,
            effects.Accept: lambda connection, effect: self._plane.accept(connection.number, effect.encodings),
            effects.SetLimit: self._set_limit,
            effects.Announce: self._announce,
            effects.Alarm: self._set_alarm,
            effects.Fault: self._log_fault,
            effects.Close: self._close,
            effects.Release: lambda connection, effect: connection.session.release(effect.ticket),
        }

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on answers that come outside a turn are sent too."""
        self._loop = loop

    def stop(self) -> None:
        """Nothing is scheduled any more."""
        self._loop = None
        self._contents.stop()

    def begin(self) -> None:
        """A turn is under way, which ends with `finish`."""
        self._is_finish_due = True
        self._broker.begin_turn()

    def perform(self, connection: Connection, wanted: Iterable[effects.Effect]) -> None:
        """Execute `wanted` in order; what must wait for a subscription of the connection is done after that."""
        if connection.hold is not None:
            wanted = connection.hold.keep(wanted)
        rest = iter(wanted)
        for effect in rest:
            if type(effect) is effects.Send:
                self._answers.append((connection.number, effect.data))
            else:
                self._execute[type(effect)](connection, effect)
                if connection.hold is not None:
                    self.perform(connection, rest)

    def attempt(
        self,
        connection: Connection,
        act: Callable[P, Iterable[effects.Effect]],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> None:
        """`perform` what `act`, a method of its session, wants; a mistake ends this connection and no other."""
        try:
            self.perform(connection, act(*arguments, **named))
        except Exception as error:  # noqa: BLE001 - it is logged, and the others have their turn
            self.fail(connection, error)

    def finish(self) -> None:
        """Store the publishes of the turn, process its signals, send its answers, wake the I/O threads."""
        self.publishing.flush()
        try:
            self._answer_emits(self._emissions.run())
        except Exception as error:  # a turn ends, whatever happens to its signals
            self._counters.error("internal", "signals")
            log.error("signals.failed", exc_info=error)
        finally:
            self._is_finish_due = False
            self.send_answers()
            try:
                self._grants.settle(self._monotonic())
            finally:
                self._broker.flush()

    def finish_soon(self) -> None:
        """For what happens outside a turn: `finish` once, before the loop sleeps."""
        if self._loop is not None and not self._is_finish_due:
            self._is_finish_due = True
            self._loop.call_soon(self._finish_late)

    def _finish_late(self) -> None:
        if self._loop is not None:  # else the plane is about to stop, and takes nothing any more
            self.finish()

    def send_answers(self) -> None:
        """Give the plane what is gathered so far."""
        if self._answers:
            ready, self._answers = self._answers, []
            self._plane.send_many(ready)

    def _answer_emits(self, outcomes: "Iterable[Outcome]") -> None:
        for connection, ticket, outcome in outcomes:
            if isinstance(outcome, dict):
                self.attempt(connection, connection.session.answered, ticket, outcome)
            else:
                self.attempt(connection, connection.session.failed, ticket, outcome)

    def _answer_settled(self, outcomes: "Iterable[Outcome]") -> None:
        """Answers that waited for a durable log."""
        self._answer_emits(outcomes)
        self.finish_soon()

    def settle(self, channels: Iterable[str]) -> None:
        """Signals emitted so far come before what is done with their channel now (C14)."""
        if SIGNALS in channels:
            self._answer_emits(self._emissions.settle())

    def fail(self, connection: Connection, error: Exception) -> None:
        """The hub made a mistake over something that is no request: this connection ends, the others go on."""
        self._log_fault(connection, effects.Fault(error))
        try:
            self.perform(connection, connection.session.faulted("internal"))
        except Exception as worse:  # noqa: BLE001 - the plane needs no session to close it
            self._log_fault(connection, effects.Fault(worse))
            self._plane.close(connection.number, close_codes.CODE_OF["internal"], close_codes.reason("internal"))

    def forget(self, connection: Connection) -> None:
        """It is gone: what it still waits for is not answered."""
        connection.hold = None
        self.alarms.forget(connection.number)
        self._broker.connection_closed(connection.number)

    # --- one kind of effect each --------------------------------------------------------------------------------------

    def _subscribe(self, connection: Connection, effect: effects.Subscribe) -> None:
        self.settle(spec.channel for spec in effect.specs)
        self.send_answers()  # answers to earlier requests come first (M7)
        hold = Hold(effect)
        subject = connection.session.identity.subject
        errors = self._broker.follow(subject, effect.specs, partial(self._followed, connection, hold))
        if errors is None:
            connection.hold = hold
            connection.session.await_answer(effect.ticket)
            connection.session.backlog = 0
        else:
            self._put_cursors(connection, effect, errors)

    def _put_cursors(self, connection: Connection, effect: effects.Subscribe, errors: "Errors") -> None:
        """The logs are as new as their store, save those of `errors`."""
        session = connection.session
        if not errors:
            try:
                self._broker.subscribe(connection.number, session.identity.subject, effect.specs, effect.reply)
            except BrokerError as error:
                errors = {error.channel: error}
        if errors:
            self.perform(connection, session.subscribe_failed(effect, errors))
        else:
            session.subscribed(effect)
            session.surroundings.tally.messages_sent[effect.head["type"],] += 1
            self.on_subscribed(connection)

    def _followed(self, connection: Connection, hold: Hold, errors: "Errors") -> None:
        """The backplane has answered: go on where the connection waits, unless it has gone."""
        if connection.hold is hold and isinstance(hold.effect, effects.Subscribe):
            connection.session.release(hold.effect.ticket)
            self._go_on(connection, hold, partial(self._put_cursors, connection, hold.effect, errors))

    def _looked_into(self, connection: Connection, hold: Hold, fault: Refusal | BrokerError | None) -> None:
        """The payload of a publish was looked into: store it, or say why not, unless the connection has gone."""
        if connection.hold is hold and isinstance(hold.effect, effects.Publish):
            self._go_on(connection, hold, partial(self._store_unless, connection, hold.effect, fault))

    def _go_on(self, connection: Connection, hold: Hold, act: Callable[[], None]) -> None:
        """Do what was waited for, and then what has waited behind it."""
        connection.hold = None
        session = connection.session
        session.backlog = None
        try:
            act()
            self.perform(connection, hold.waiting)
            if connection.hold is not None:
                session.backlog = len(connection.hold.waiting)
            self.on_subscribed(connection)
        except Exception as error:  # noqa: BLE001 - one connection's mistake must not stop the others
            self.fail(connection, error)
        self.finish_soon()

    def give_up(self, connection: Connection) -> None:
        """What must be done now waits for nothing: what the connection waits for is refused, for the time being."""
        while (hold := connection.hold) is not None:
            if isinstance(hold.effect, effects.Publish):
                self._looked_into(connection, hold, Overloaded("the payload was not looked into in time"))
                continue
            channels = [spec.channel for spec in hold.effect.specs]
            text = "the log of {} was not ready in time"
            self._followed(
                connection, hold, {name: LogUnavailable(text.format(name), channel=name) for name in channels}
            )

    def _refilter(self, connection: Connection, effect: effects.Refilter) -> None:
        """Nobody sees for a moment longer what the policy of their role keeps from them: else the connection ends."""
        self.settle(spec.channel for spec in effect.specs)
        self.send_answers()
        self._broker.refilter(connection.number, effect.specs)

    def _unsubscribe(self, connection: Connection, effect: effects.Unsubscribe) -> None:
        self.settle(effect.channels)
        self.send_answers()
        self._broker.unsubscribe(connection.number, effect.channels, effect.reply)
        if effect.reply is not None:
            connection.session.surroundings.tally.messages_sent["unsubscribed",] += 1

    def _acknowledge(self, connection: Connection, effect: effects.Acknowledge) -> None:
        self._broker.acknowledge(connection.number, effect.positions)

    def _locate(self, connection: Connection, _effect: effects.Locate) -> None:
        self.send_answers()  # what was said before the token is written before it (M8)
        connection.questions += 1
        self._broker.locate(connection.number)

    def _watermark(self, connection: Connection, effect: effects.Watermark) -> None:
        self.send_answers()  # that the channels are stale was said before
        self._broker.watermark(connection.number, effect.channels)

    def _publish(self, connection: Connection, effect: effects.Publish) -> None:
        publication, policy = effect.publication, connection.session.surroundings.policy
        if publication.content is None:
            self._store(connection, effect)
        elif self._contents.is_much(publication.data, publication.content):
            hold = Hold(effect)
            connection.hold, connection.session.backlog = hold, 0
            done = partial(self._looked_into, connection, hold)
            self._contents.fault_later(publication.data, publication.content, policy, done)
        else:
            self._store_unless(connection, effect, self._contents.fault(publication.data, publication.content, policy))

    def _store_unless(
        self, connection: Connection, effect: effects.Publish, fault: Refusal | BrokerError | None
    ) -> None:
        if fault is None:
            self._store(connection, effect)
        else:
            self.perform(connection, connection.session.failed(effect.ticket, fault))

    def _store(self, connection: Connection, effect: effects.Publish) -> None:
        self.settle((effect.publication.channel,))
        self._broker.publish_nowait(effect.publication, partial(self._published, connection, effect))

    def _published(self, connection: Connection, effect: effects.Publish, result: Stored | BrokerError) -> None:
        """The publisher has its answer first: nobody who listens can keep it from them."""
        session, ticket = connection.session, effect.ticket
        if isinstance(result, BrokerError):
            self.attempt(connection, session.failed, ticket, result)
        elif ticket.id is not None and ticket.channel is not None:
            answer = answers.ack(ticket.id, ticket.channel, result.position, is_duplicate=result.duplicate)
            self.attempt(connection, session.answered, ticket, answer)
        if isinstance(result, Stored):
            self.tell_listener("published", session.identity, session.conn, effect.publication, result)
        self.finish_soon()

    def tell_listener(self, what: Literal["published", "published_together"], *news: Any) -> None:
        """What it does wrong concerns nobody else."""
        if self.listener is None:
            return
        try:
            getattr(self.listener, what)(*news)
        except Exception as error:
            self._counters.error("internal", "listener")
            log.error("publish.listener_failed", exc_info=error)

    def _set_limit(self, connection: Connection, effect: effects.SetLimit) -> None:
        self._plane.set_max_message(connection.number, effect.max_message)

    def _announce(self, connection: Connection, effect: effects.Announce) -> None:
        """One entry of `connections`; a login may also change for whom the channels are followed (C25)."""
        if effect.event != "leave":
            self._broker.identity_changed(connection.number, connection.session.identity.subject)
            if connection.waits:
                connection.waits = False
                self._admission.logged_in()
        self.announcements.tell(connection.session.conn, effect.event, effect.data)

    def _set_alarm(self, connection: Connection, effect: effects.Alarm) -> None:
        self.alarms.set(connection.number, effect.at)

    def _close(self, connection: Connection, effect: effects.Close) -> None:
        connection.hold = None
        self.send_answers()  # what was answered before is sent before (X6)
        self._plane.close(connection.number, effect.code, effect.reason)

    def _log_fault(self, connection: Connection, effect: effects.Fault) -> None:
        self._counters.error("internal", "session")
        log.error("session.failed", conn=connection.session.conn, exc_info=effect.error)
