# ruff: noqa: ASYNC109 - a time-out in seconds is what the documents promise
"""The client of NeuroGraph Hub as applications use it."""

import random
from collections.abc import Callable, Mapping
from ssl import SSLContext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from .calls import Calls
from .channels import Channel
from .checks import check_choice, check_options, check_token, check_whole
from .codec import codecs_for
from .connection import Opening
from .errors import AuthError, Closed
from .events import Event, T
from .filters import Filter
from .link import Link
from .listeners import Told
from .names import check_name
from .policy import Backoff, TokenRequest, TokenSource, token_from
from .requests import MAX_HELD_BACK
from .session import Session
from .starts import Start, wire_start
from .states import State
from .subscription import Handler, Handling, OnError, OnFull, Subscription
from .typed import converter
from .urls import Address, UrlSource, masked

if TYPE_CHECKING:
    from .answers import Welcome
    from .diagnosis import Diagnosis
    from .stats import ClientStats
    from .stores import PositionStore, Saver


class NeurographWSClient(Calls):
    """One connection to a hub that keeps itself up, with the subscriptions and requests on it.

    `url` is an address, or a callable that names one for each attempt: of several nodes any is as good.
    `token` is a credential (JWT or API key) or a callable that is asked for one only when it is needed; without one
    the client is anonymous, and an empty one is a mistake. Nothing
    secret stands in `repr`, messages or logs. All methods belong to the event loop that `connect` ran in.

    `reconnection_token` goes on with the session of a former client: its subscriptions are restored, and what comes of
    them waits in `restored` until `subscribe` takes it up; one that was subscribed here before connects its handler at
    once. It belongs together with `positions`: alone it goes on behind what the former client had received, and what
    that one had not handled is skipped. `positions`, a mapping (an empty one too) or a store, says where each channel
    goes on when it is subscribed, before any `start`, and keeps the place of each that ends, until `forget`; a store
    is also told, once a second and at the end. With `send_queue=N` up to N publishes and emits that are asked for while
    the connection is away wait for it, in order, each with a `mid` and no longer than its time-out; beyond, and with
    the default, they are refused (Disconnected). `journal` is called with one dict for every message in and out, every
    event handled and every connection that ended (PROTOCOL.md, I0).
    """

    def __init__(
        self,
        url: UrlSource = "ws://localhost:8000/ws",
        *,
        token: TokenSource | None = None,
        reconnection_token: str | None = None,
        positions: "Mapping[str, str] | PositionStore | None" = None,
        auto_reconnect: bool = True,
        backoff: Backoff = Backoff(),  # noqa: B008 - it cannot be changed
        encoding: Literal["json", "msgpack"] = "json",
        compression: bool = True,
        connect_timeout: float = 10.0,
        timeout: float = 5.0,
        send_queue: int = 0,
        name: str | None = None,
        version: str | None = None,
        headers: Mapping[str, str] | None = None,
        ssl: SSLContext | None = None,
        proxy: str | Literal[True] | None = True,
        journal: Callable[[dict[str, Any]], Any] | None = None,
        debug: bool = False,
    ) -> None:
        self._address = Address(url)
        if isinstance(token, str) and not token.strip():
            # None is how nobody in particular connects; an empty one is a variable that was never filled.
            raise ValueError("token: expected a JWT or an API key, came an empty string")
        check_whole("send_queue", send_queue, 0, MAX_HELD_BACK)
        if reconnection_token is not None:
            check_token(reconnection_token)
        store, stored = (None, None) if positions is None else _stored(positions)
        self._session = Session(
            draw=random.random,
            backoff=backoff,
            token=token if isinstance(token, str) else None,
            is_renewable=callable(token),
            auto_reconnect=auto_reconnect,
            connect_timeout=connect_timeout,
            timeout=timeout,
            client=_named(name, version),
            reconnection_token=reconnection_token,
            positions=stored,
            send_queue=send_queue,
        )
        self._token = token
        codecs = codecs_for(encoding)
        self._opening = Opening(self._address, codecs, compression, connect_timeout, headers or {}, ssl, proxy)
        self._has_journal = journal is not None
        link = Link(self._session, self._opening, token, patience=timeout, journal=journal, debug=debug)
        super().__init__(link, timeout)
        self._saver = None if store is None else self._saving(store, stored)

    def _saving(self, store: "PositionStore", stored: Mapping[str, str] | None) -> "Saver":
        from .stores import Saver  # noqa: PLC0415 - most keep no positions

        return Saver(store, lambda: self.positions, self._link.report, stored)

    @property
    def url(self) -> str:
        """Where it last tried to connect; empty before."""
        return self._address.last

    # -- connection ------------------------------------------------------------------------------------------------

    async def connect(self, *, retry: bool = False) -> "Welcome":
        """Connect and restore what is subscribed; without `retry` a first attempt that fails raises.

        Raises AuthError, Closed (refused for good), Disconnected or RequestTimeout, or what a token source raised;
        Misconfigured, which is a ValueError, where the options can never work (a proxy without its library).
        """
        self._link.connect(retry=retry)
        if self._saver is not None:
            self._saver.start()
        await self._link.wait_for(lambda state: state in {State.CONNECTED, State.CLOSED})
        if self.welcome is None or self.state is State.CLOSED:
            raise self._session.cause or Closed("the client was closed")
        return self.welcome

    def try_now(self) -> None:
        """End the wait for the next attempt; nothing happens where none is waited for."""
        self._link.try_now()

    async def run_forever(self) -> None:
        """Connect if need be, and return after `close`; raises what closed it otherwise."""
        if self.state in {State.IDLE, State.CLOSED}:
            await self.connect(retry=True)
        await self._link.wait_for(lambda state: state is State.CLOSED)
        if self._session.cause is not None:
            raise self._session.cause

    async def close(self, code: int = 1000, reason: str = "", *, forget: bool = False) -> None:
        """Close; subscriptions end, unanswered calls raise Closed, handlers finish what they have in hand.

        `reconnection_token` still restores the session elsewhere until it expires, unless the hub is told to `forget`
        it (R15), which takes a connection.
        """
        await self._link.close(*((1000, "forget") if forget else (code, reason)))
        if self._saver is not None:
            await self._saver.finish()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def wait_for(self, state: State, timeout: float | None = None) -> None:
        """Until a state is reached; RequestTimeout, or what closed the client in the meantime."""
        await self._link.wait_until(state, timeout)

    @property
    def state(self) -> State:
        """Where the client stands."""
        return self._session.state

    @property
    def welcome(self) -> "Welcome | None":
        """The latest `welcome`."""
        return self._session.welcome

    @property
    def role(self) -> str | None:
        """The role the hub gave."""
        return None if self.welcome is None else self.welcome.role

    @property
    def rtt(self) -> float | None:
        """Seconds from the last ping to its answer."""
        return self._session.rtt

    @property
    def positions(self) -> dict[str, str]:
        """Where each channel stands: everything up to here was handled or told as a gap. To be kept and given back.

        One that is followed no more keeps its place here until `forget`.
        """
        return self._link.subscriptions.positions()

    @property
    def reconnection_token(self) -> str | None:
        """The newest token that restores this session, here or in another process; secret, and good for minutes."""
        return self._session.restoring.token

    @property
    def restored(self) -> tuple[str, ...]:
        """Channels that the reconnection token restored and that nobody has subscribed to here yet."""
        return tuple(channel for channel, follow in self._session.follows.items() if follow.is_adopted)

    def on(self, event: Told, handler: Callable[[Any], Any]) -> Callable[[], None]:
        """Be told: `state` (StateChange), `connected` (Welcome), `disconnected` (HubError), `resumed` (Resumed),
        `gap` (Gap), `reconnection_token` (ReconnectionToken), `error`, `goaway` (GoAway), `switched` (Switched).

        The result, called, ends it. Errors that nobody listens for are logged.
        """
        return self._link.listeners.add(event, handler)

    # -- channels --------------------------------------------------------------------------------------------------

    def subscribe(
        self,
        channel: Channel | str,
        handler: Handler | None = None,
        *,
        filter: Filter | None = None,  # noqa: A002 - the protocol's word
        start: Start | None = None,
        delivery: Literal["all", "latest"] | None = None,
        on_slow: Literal["gap", "close"] | None = None,
        max_rate: float | None = None,
        ack: int | None = None,
        queue_size: int = 1000,
        on_full: OnFull = "gap",
        on_error: OnError = "continue",
        gaps: bool = False,
        type: type[T] | None = None,  # noqa: A002 - the documents' word
    ) -> Subscription[T]:
        """Follow a channel, now or as soon as there is a connection, and again after each reconnect.

        A handler, plain or async, gets the events one at a time; without one, iterate the result. Awaiting the result
        tells that it is active, or why not. What is left out takes the channel's defaults at the hub (S12). `filter`
        says which events come (F1-F8); one that breaks a rule is refused by the hub: BadRequest with `path`.
        `gaps=True` puts `Gap` values into the stream, in the place of what is missing. With `ack=N` the hub sends at
        most N events beyond what was handled here, and sends again after a cut what was not (S10). With a `type` the
        data of each event is made one (msgspec, extra `typed`); what cannot be is told like an error of the handler.
        ValueError for an option that is none of these, and for a name that no channel has (BadRequest).
        """
        name = check_name("channel", channel)
        handling = _handling(handler, queue_size, on_full, on_error, gaps, type)
        wire = {"filter": filter, "delivery": delivery, "on_slow": on_slow, "max_rate": max_rate, "ack": ack}
        options = {member: value for member, value in wire.items() if value is not None}
        check_options(options)
        follow = self._session.subscribe(name, options, wire_start(start))
        subscription = self._link.subscriptions.attach(
            follow, handling, is_watched=ack is not None or self._has_journal
        )
        self._link.flush_soon()
        return subscription

    async def unsubscribe(self, *channels: Channel | str) -> None:
        """End the subscriptions of these channels, or all of them; returns when the hub has stopped."""
        await self._link.unsubscribe(*(map(str, channels) if channels else self._link.subscriptions))

    def forget(self, *channels: Channel | str) -> None:
        """Forget the positions of channels that are not subscribed, or of all of those: here and in the store.

        What is subscribed next starts by its `start`. ValueError for a channel that is subscribed.
        """
        self._link.subscriptions.forget(map(str, channels))

    async def history(
        self,
        channel: Channel | str,
        *,
        last: int = 100,
        filter: Filter | None = None,  # noqa: A002 - the protocol's word
        timeout: float | None = None,
    ) -> list[Event[Any]]:
        """The newest `last` entries that are still kept and pass `filter`, oldest first, over a connection of its own.

        RequestTimeout where they did not come in time, or what refused the connection, the channel or the filter.
        """
        from .past import Past  # noqa: PLC0415 - most look ahead

        name = check_name("channel", channel)
        check_options({} if filter is None else {"filter": filter})
        past = Past(name, last, filter)
        return await past.read(self._opening, self._credential, self._timeout if timeout is None else timeout)

    @property
    def _credential(self) -> TokenSource | None:
        """What a connection beside the client's own logs in with."""
        held = self._session.credentials.token
        return self._token if held is None else held

    async def diagnose(self, *, origin: str | None = None, idle: float = 0.0) -> "Diagnosis":
        """What lies between here and the hub, over a connection of its own: a sentence each with the next thing to try.

        URL, proxy, DNS, TCP, TLS, token, upgrade, subprotocol, deflate, login, rights, ping, clock, a large frame,
        REST; with `idle` whether so many seconds of silence survive, with an `origin` whether a page of it may connect.
        It never raises for what it finds: `is_good`, `summary` and the findings tell, and it prints as a list.
        """
        from .diagnosis import Target, diagnosed, unasked  # noqa: PLC0415 - only who asks for it needs it

        try:
            url = self._address.ask()
        except Exception as fault:  # noqa: BLE001 - whatever the application's source raises
            return unasked(self.url, "url", f"the source of the URL failed: {type(fault).__name__}: {fault}")
        token = self._credential
        if callable(token):
            try:
                token = await token_from(token, TokenRequest("initial"))
            except AuthError as fault:
                return unasked(url, "token", fault.message)
        opening = self._opening
        target = Target(
            url,
            token or None,
            self._timeout,
            opening.ssl,
            opening.proxy,
            compression=opening.compression,
            headers=opening.headers,
            origin=origin,
            idle=idle,
        )
        return await diagnosed(target, self._session.reconnects)

    # -- figures ---------------------------------------------------------------------------------------------------

    def stats(self) -> "ClientStats":
        """What went in and out, what was missed, what waits."""
        from .stats import ClientStats, SubscriptionStats  # noqa: PLC0415 - for who asks

        session, link = self._session, self._link
        return ClientStats(
            state=self.state,
            connection=self.welcome.conn if self.welcome else None,
            rtt=self.rtt,
            messages_in=session.received,
            messages_out=link.sockets.messages_out,
            bytes_in=link.bytes_in,
            bytes_out=link.sockets.bytes_out,
            events=session.stream.events,
            duplicates=session.stream.duplicates,
            gaps=session.stream.gaps + session.asking.gaps,
            reconnects=session.reconnects,
            switches=session.switches,
            unreadable=session.unreadable,
            awaiting=len(session.requests),
            subscriptions={
                channel: SubscriptionStats(
                    str(one.state), one.position, one.queued, one.dropped, one.handled, one.failures
                )
                for channel, one in link.subscriptions.items()
            },
        )

    def __repr__(self) -> str:
        stats = self.stats()
        role = f" role={self.role}" if self.role else ""
        counts = f"events={stats.events} gaps={stats.gaps} reconnects={stats.reconnects}"
        return f"<NeurographWSClient {masked(self.url)} {self.state}{role} {counts} {list(stats.subscriptions)}>"


def _handling(
    handler: Handler | None, queue_size: int, on_full: OnFull, on_error: OnError, gaps: bool, wanted: Any
) -> Handling:
    check_whole("queue_size", queue_size, 2, why=" (a gap and an event)")
    check_choice("on_full", on_full, get_args(OnFull))
    check_choice("on_error", on_error, get_args(OnError))
    check_choice("gaps", gaps, (True, False))
    convert = None if wanted is None else converter(wanted)
    return Handling(handler, queue_size, on_full, on_error, gaps, convert=convert)


def _stored(positions: "Mapping[str, str] | PositionStore") -> "tuple[PositionStore | None, dict[str, str]]":
    """The store, where there is one, and the positions that are known at the start."""
    from .stores import PositionStore, checked  # noqa: PLC0415 - most keep no positions

    if isinstance(positions, PositionStore):
        return positions, checked(positions.load())
    return None, checked(positions)


def _named(name: str | None, version: str | None) -> dict[str, str] | None:
    named = {member: value for member, value in {"name": name, "version": version}.items() if value is not None}
    return named or None
