# ruff: noqa: ASYNC109 - a time-out in seconds is what the documents promise
"""The client of NeuroGraph Hub as applications use it."""

import random
import secrets
from collections.abc import Callable, Mapping
from ssl import SSLContext
from time import monotonic
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from .answers import Emitted, Published, Welcome, emitted_from
from .channels import Channel
from .codec import codecs_for
from .connection import Opening
from .effects import Resolve
from .encoder import encode_text
from .errors import Closed, ProtocolViolation
from .link import Link
from .listeners import Told
from .policy import Backoff, TokenSource
from .session import Session
from .starts import Start, wire_start
from .states import State
from .stats import ClientStats, SubscriptionStats
from .subscription import Handler, OnFull, Subscription
from .urls import checked, masked
from .vectors import Vector, as_numbers, as_rows

T = TypeVar("T")

AUTO: Any = object()
"""As `mid`: a name made here, so that a publish may be repeated after a cut without being stored twice."""


class NeurographWSClient:
    """One connection to a hub that keeps itself up, with the subscriptions and requests on it.

    `token` is a credential (JWT or API key) or a callable that is asked for one only when it is needed; without one
    the client is anonymous, and an empty one is a mistake. Nothing
    secret stands in `repr`, messages or logs. All methods belong to the event loop that `connect` ran in.
    """

    def __init__(
        self,
        url: str = "ws://localhost:8000/ws",
        *,
        token: TokenSource | None = None,
        auto_reconnect: bool = True,
        backoff: Backoff | None = None,
        encoding: Literal["json", "msgpack"] = "json",
        compression: bool = True,
        connect_timeout: float = 10.0,
        timeout: float = 5.0,
        name: str | None = None,
        version: str | None = None,
        headers: Mapping[str, str] | None = None,
        ssl: SSLContext | None = None,
        proxy: str | Literal[True] | None = True,
        debug: bool = False,
    ) -> None:
        self.url = checked(url)
        if isinstance(token, str) and not token.strip():
            # None is how nobody in particular connects; an empty one is a variable that was never filled.
            raise ValueError("token: expected a JWT or an API key, came an empty string")
        self._timeout = timeout
        self._mid_prefix, self._mids = secrets.token_urlsafe(9), 0
        self._session = Session(
            draw=random.random,
            backoff=backoff,
            token=token if isinstance(token, str) else None,
            is_renewable=callable(token),
            auto_reconnect=auto_reconnect,
            connect_timeout=connect_timeout,
            timeout=timeout,
            client=_named(name, version),
        )
        opening = Opening(url, codecs_for(encoding), compression, connect_timeout, headers or {}, ssl, proxy)
        self._link = Link(self._session, opening, token, debug=debug)

    # -- connection ------------------------------------------------------------------------------------------------

    async def connect(self, *, retry: bool = False) -> Welcome:
        """Connect and restore what is subscribed; without `retry` a first attempt that fails raises.

        Raises AuthError, Closed (refused for good), Disconnected or RequestTimeout, or what a token source raised.
        """
        self._link.connect(retry=retry)
        await self._link.wait_for(lambda state: state in {State.CONNECTED, State.CLOSED})
        if self.welcome is None or self.state is State.CLOSED:
            raise self._session.cause or Closed("the client was closed")
        return self.welcome

    async def run_forever(self) -> None:
        """Connect if need be, and return after `close`; raises what closed it otherwise."""
        if self.state in {State.IDLE, State.CLOSED}:
            await self.connect(retry=True)
        await self._link.wait_for(lambda state: state is State.CLOSED)
        if self._session.cause is not None:
            raise self._session.cause

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close; subscriptions end, unanswered calls raise Closed."""
        await self._link.close(code, reason)

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
    def welcome(self) -> Welcome | None:
        """The latest `welcome`."""
        return self._session.welcome

    @property
    def role(self) -> str | None:
        """The role the hub gave."""
        return None if self.welcome is None else self.welcome.role

    @property
    def rtt(self) -> float | None:
        """Seconds from the last ping to its answer."""
        return self._session.heartbeat.rtt

    @property
    def positions(self) -> dict[str, str]:
        """The cursor of each subscription: everything up to here was handled or told as a gap."""
        subscriptions = self._link.subscriptions.items()
        return {channel: one.position for channel, one in subscriptions if one.position is not None}

    def on(self, event: Told, handler: Callable[[Any], Any]) -> Callable[[], None]:
        """Be told: `state` (StateChange), `connected` (Welcome), `disconnected` (HubError), `gap` (Gap), `error`.

        The result, called, ends it. Errors that nobody listens for are logged.
        """
        return self._link.listeners.add(event, handler)

    # -- channels --------------------------------------------------------------------------------------------------

    def subscribe(
        self,
        channel: Channel | str,
        handler: Handler | None = None,
        *,
        start: Start | None = None,
        delivery: Literal["all", "latest"] | None = None,
        on_slow: Literal["gap", "close"] | None = None,
        max_rate: float | None = None,
        queue_size: int = 1000,
        on_full: OnFull = "gap",
        on_error: Literal["continue", "stop"] = "continue",
        gaps: bool = False,
    ) -> Subscription[Any]:
        """Follow a channel, now or as soon as there is a connection, and again after each reconnect.

        A handler, plain or async, gets the events one at a time; without one, iterate the result. Awaiting the result
        tells that it is active, or why not. What is left out takes the channel's defaults at the hub (S12).
        `gaps=True` puts `Gap` values into the stream, in the place of what is missing.
        """
        name = str(channel)
        if queue_size < 2:
            raise ValueError(f"queue_size: expected at least 2 (a gap and an event), got {queue_size}")
        wire = {"delivery": delivery, "on_slow": on_slow, "max_rate": max_rate}
        options = {member: value for member, value in wire.items() if value is not None}
        self._session.subscribe(name, options, wire_start(start))
        subscription = Subscription[Any](
            name, self._link, handler, queue_size=queue_size, on_full=on_full, on_error=on_error, gaps=gaps
        )
        self._link.subscriptions[name] = subscription
        self._link.flush_soon()
        return subscription

    async def unsubscribe(self, *channels: Channel | str) -> None:
        """End the subscriptions of these channels, or all of them; returns when the hub has stopped."""
        await self._link.unsubscribe(*(map(str, channels) if channels else self._link.subscriptions))

    async def publish(
        self,
        channel: Channel | str,
        data: Any = None,
        *,
        event: str = "message",
        key: str | None = None,
        tags: Mapping[str, str] | None = None,
        mid: str | None = AUTO,
        timeout: float | None = None,
        retry: bool = False,
    ) -> Published:
        """Store an event; resolves with its position once it is stored (M30).

        With a `mid` (by default a new one) it is repeated after a cut or a fault of the hub until its time-out,
        without being stored twice. `retry=True` waits once where the hub says that it came too fast.
        """
        name = str(channel)
        message = {"type": "publish", "channel": name, "event": event, "data": data}
        optional = {"key": key, "tags": tags, "mid": self._new_mid() if mid is AUTO else mid}
        answer = await self._ask(message, optional, timeout, retry=retry)
        return _read(Published.from_wire, answer.answer, name)

    async def emit(
        self,
        event_type: str,
        vector: Vector,
        *,
        priority: int = 128,
        payload: Any = None,
        key: str | None = None,
        tags: Mapping[str, str] | None = None,
        mid: str | None = None,
        retry: bool = False,
    ) -> Emitted:
        """Send a signal through the SignalSystem: the answer says its token, whether it is novel, and what is near.

        With a `mid` the answer waits for the store and carries the position (M35).
        """
        message = {"type": "emit", "event_type": event_type, "vector": as_numbers(vector), "priority": priority}
        optional = {"payload": payload, "key": key, "tags": tags, "mid": mid}
        answer = await self._ask(message, optional, None, retry=retry)
        return _read(emitted_from, answer.answer)[0]

    async def emit_batch(
        self,
        event_type: str,
        vectors: Any,
        *,
        priority: int = 128,
        payload: Any = None,
        key: str | None = None,
        tags: Mapping[str, str] | None = None,
        mid: str | None = None,
        retry: bool = False,
    ) -> list[Emitted]:
        """Send many signals, from a sequence of vectors or a buffer of numbers; results in their order.

        More than `limits.emit_batch` go as several messages, of which the later ones wait when the hub asks for it.
        """
        rows = as_rows(vectors)
        most = self.welcome.limits.emit_batch if self.welcome else max(1, len(rows))
        results: list[Emitted] = []
        for start in range(0, len(rows), most):
            part = rows[start : start + most]
            message = {"type": "emit", "event_type": event_type, "vectors": part, "priority": priority}
            named = mid if mid is None or len(rows) <= most else f"{mid}.{start}"
            optional = {"payload": payload, "key": key, "tags": tags, "mid": named}
            answer = await self._ask(message, optional, None, retry=retry or start > 0)
            results += _read(emitted_from, answer.answer)
        return results

    async def emit_text(
        self,
        text: str,
        *,
        event_type: str = "signal.input.text",
        priority: int = 200,
        include_text: bool = False,
        tags: Mapping[str, str] | None = None,
        retry: bool = False,
    ) -> Emitted:
        """Emit a text by the built-in encoder; the text itself leaves this process only with `include_text`."""
        payload = {"text": text} if include_text else None
        return await self.emit(
            event_type, encode_text(text), priority=priority, payload=payload, tags=tags, retry=retry
        )

    # -- raw -------------------------------------------------------------------------------------------------------

    async def ping(self) -> float:
        """Seconds until the hub answered."""
        answer = await self._ask({"type": "ping", "t": round(monotonic() * 1e6)}, {}, None)
        self._session.heartbeat.rtt = answer.took
        return answer.took

    async def send(self, message: Mapping[str, Any]) -> None:
        """Write a message as it stands in PROTOCOL.md; an answer to it is not awaited."""
        await self._link.send(message)

    async def request(self, message: Mapping[str, Any], timeout: float | None = None) -> Mapping[str, Any]:
        """Write a message and return the one that answers it, raising its error; an `id` is given to it."""
        return (await self._ask(message, {}, timeout)).answer

    async def _ask(
        self, message: Mapping[str, Any], optional: Mapping[str, Any], timeout: float | None, *, retry: bool = False
    ) -> Resolve:
        given = {member: value for member, value in optional.items() if value is not None}
        return await self._link.request(
            {**message, **given},
            self._timeout if timeout is None else timeout,
            is_repeatable="mid" in given,
            is_patient=retry,
        )

    def _new_mid(self) -> str:
        self._mids += 1
        return f"{self._mid_prefix}-{self._mids}"

    # -- figures ---------------------------------------------------------------------------------------------------

    def stats(self) -> ClientStats:
        """What went in and out, what was missed, what waits."""
        session, link = self._session, self._link
        return ClientStats(
            state=self.state,
            connection=self.welcome.conn if self.welcome else None,
            rtt=self.rtt,
            messages_in=session.received,
            messages_out=link.messages_out,
            bytes_in=link.bytes_in,
            bytes_out=link.bytes_out,
            events=session.follows.events,
            duplicates=session.follows.duplicates,
            gaps=session.gaps,
            reconnects=session.reconnects,
            unreadable=session.unreadable,
            awaiting=len(session.requests),
            subscriptions={channel: _figures(one) for channel, one in link.subscriptions.items()},
        )

    def __repr__(self) -> str:
        stats = self.stats()
        role = f" role={self.role}" if self.role else ""
        counts = f"events={stats.events} gaps={stats.gaps} reconnects={stats.reconnects}"
        return f"<NeurographWSClient {masked(self.url)} {self.state}{role} {counts} {list(stats.subscriptions)}>"


def _figures(one: Subscription[Any]) -> SubscriptionStats:
    return SubscriptionStats(str(one.state), one.position, one.queued, one.dropped, one.handled, one.failures)


def _named(name: str | None, version: str | None) -> dict[str, str] | None:
    named = {member: value for member, value in {"name": name, "version": version}.items() if value is not None}
    return named or None


def _read(reader: Callable[..., T], *answer: Any) -> T:
    """Read an answer; one that is not as the protocol says is the hub's fault, not the caller's."""
    try:
        return reader(*answer)
    except (KeyError, TypeError, ValueError, IndexError) as fault:
        raise ProtocolViolation(f"the hub's answer does not read as the protocol says: {fault!r}") from fault
