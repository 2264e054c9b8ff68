# ruff: noqa: ASYNC109 - a time-out in seconds is what the documents promise
"""The shell around the session: carries its effects out, one socket, one timer, the token source, the listeners."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from .codec import Message
from .connection import Connection, Opening, Refused, open_connection
from .effects import AskToken, CursorMoved, Drop, Effect, Open, Reject, Resolve, Send, SetLimit, SubChanged, Tell
from .errors import AuthError, Closed, Disconnected, HubError, RequestTimeout, TooLarge
from .events import Event, Gap
from .listeners import Listeners, logger
from .policy import TokenSource
from .reasons import reason_of
from .requests import Request
from .session import Session
from .states import State, SubState
from .urls import masked

if TYPE_CHECKING:
    from .subscription import Subscription


class Link:
    """What keeps a client connected. It owns every task and timer of the client, and ends them."""

    def __init__(self, session: Session, opening: Opening, token: TokenSource | None, *, debug: bool) -> None:
        self.session = session
        self.subscriptions: dict[str, Subscription[Any]] = {}
        self.connection: Connection | None = None
        self.bytes_in = self.bytes_out = self.messages_out = 0
        self._opening = opening
        self._token = token
        self._debug = debug
        self.listeners = Listeners(self._background)
        self._holders = 0
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at = 0.0
        self._is_flush_due = False
        self._asking: asyncio.Future[None] | None = None
        self._opener: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Future[Any]] = set()
        self._moved: asyncio.Future[None] | None = None

    # -- what the client asks ----------------------------------------------------------------------------------------

    def connect(self, *, retry: bool) -> None:
        """Start, or say that it shall not give up."""
        self.run(self.session.connect(monotonic(), retry=retry))

    async def request(self, message: Message, timeout: float, *, is_repeatable: bool, is_patient: bool) -> Resolve:
        """Ask the hub and wait for its answer; HubError says why there is none."""
        ticket: asyncio.Future[Resolve] = asyncio.get_running_loop().create_future()
        now = monotonic()
        request = Request(message, ticket, now + timeout, is_repeatable, is_patient)
        self.run(self.session.submit(request, now))
        try:
            # The answer is what paces the caller, and its time-out what ends the waiting.
            return await ticket
        finally:
            self.session.requests.withdraw(ticket)

    async def send(self, message: Message) -> None:
        """Write a message as it is; Disconnected where there is no connection in order."""
        connection = self.connection
        if connection is None or self.session.state is not State.CONNECTED:
            raise self.session.cause or Disconnected(f"not connected ({self.session.state})", temporary=True)
        self._write_one(connection, message)
        try:
            await connection.drain()
        except OSError as fault:
            raise Disconnected(f"the connection ended while {message.get('type')} was sent", temporary=True) from fault

    def flush_soon(self) -> None:
        """Ask for new subscriptions when this turn of the loop is over: those of one turn go in one message."""
        if self._is_flush_due or self.session.state is not State.CONNECTED:
            return
        self._is_flush_due = True
        asyncio.get_running_loop().call_soon(self._flush)

    async def unsubscribe(self, *channels: str) -> None:
        """End subscriptions; returns when the hub has stopped."""
        ticket: asyncio.Future[Resolve] = asyncio.get_running_loop().create_future()
        names = [channel for channel in channels if channel in self.subscriptions]
        for channel in names:
            self.subscriptions.pop(channel).discard()
        self.run(self.session.unsubscribe(names, ticket, monotonic()))
        try:
            await ticket
        except (Disconnected, Closed):
            # Without the connection nothing comes, and no later one will ask for them.
            return

    async def wait_for(self, reached: Callable[[State], bool]) -> None:
        """Until a state is one that was wanted."""
        while not reached(self.session.state):
            if self._moved is None or self._moved.done():
                self._moved = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._moved)

    async def wait_until(self, state: State, timeout: float | None) -> None:
        """Until that state is reached; RequestTimeout, or what closed the client in the meantime."""
        try:
            async with asyncio.timeout(timeout):
                await self.wait_for(lambda now: now in {state, State.CLOSED})
        except TimeoutError as fault:
            text = f"the client is {self.session.state} and was not {state} within {timeout:g} s"
            raise RequestTimeout(text, temporary=True) from fault
        if self.session.state is not state:
            raise self.session.cause or Closed("the client was closed")

    async def close(self, code: int, reason: str) -> None:
        """End it all and wait until the socket and every task are gone."""
        connection = self.connection
        self.run(self.session.close(code, reason))
        if connection is not None:
            await connection.wait_closed()
        ending = [task for task in (self._opener, self._asking) if task is not None and task is not _current_task()]
        await asyncio.gather(*ending, return_exceptions=True)

    # -- Owner of subscriptions, Receiver of the connection ----------------------------------------------------------

    def hold(self) -> None:
        """A consumer wants nothing more read."""
        self._holders += 1
        if self.connection is not None:
            self.connection.hold()
        self.session.heartbeat.stop()

    def release(self) -> None:
        """It has caught up."""
        self._holders -= 1
        if self.connection is None:
            return
        self.connection.release()
        if self._holders == 0:
            self.session.heartbeat.start(monotonic())
            self._arm()

    def report(self, error: Exception) -> None:
        """Tell an error that nobody awaits."""
        self.listeners.tell("error", error)

    def payload_received(self, connection: Connection, payload: bytes) -> None:
        """One message, or an array of them (M12)."""
        if connection is not self.connection:
            return
        self.bytes_in += len(payload)
        if self._debug and connection.codec.is_text:
            logger.debug("< %.2000s", payload.decode(errors="replace"))
        now = monotonic()
        try:
            decoded = connection.codec.decode(payload)
        except ValueError as fault:
            self.run(self.session.misread(str(fault)))
            return
        if self._debug and not connection.codec.is_text:
            logger.debug("< %.2000s", _json(decoded))
        if isinstance(decoded, list):
            for message in decoded:
                self.run(self.session.receive(message, now))
        else:
            self.run(self.session.receive(decoded, now, payload if connection.codec.is_text else None))

    def connection_closed(self, connection: Connection, code: int, reason: str) -> None:
        """The socket is gone."""
        if connection is self.connection:
            self.connection = None
            self.run(self.session.closed(int(code), reason, monotonic()))

    # -- effects -----------------------------------------------------------------------------------------------------

    def run(self, effects: Sequence[Effect]) -> None:
        """Carry effects out, in order."""
        is_stream = bool(effects)
        for effect in effects:
            if type(effect) is Event:
                subscription = self.subscriptions.get(effect.message["channel"])
                if subscription is not None:
                    subscription.deliver(effect)
            else:
                is_stream = False
                self._run_other(effect)
        # An event brings no deadline nearer.
        if not is_stream:
            self._arm()

    def _run_other(self, effect: Effect) -> None:
        match effect:
            case Send(messages):
                self._write(messages)
            case Gap(channel) | CursorMoved(channel):
                self._deliver(channel, effect)
            case Resolve(ticket):
                _answer(ticket, effect, None)
            case Reject(ticket, error):
                _answer(ticket, None, error)
            case SubChanged(channel, state, error):
                self._sub_changed(channel, state, error)
            case Tell(name, value):
                self._tell(name, value)
            case AskToken():
                self._ask_token(effect)
            case Open():
                self._opener = self._replace(self._opener, self._open())
            case Drop():
                self._drop(effect)
            case SetLimit(max_message) if self.connection is not None:
                self.connection.limit(max_message)

    def _write(self, messages: tuple[Message, ...]) -> None:
        connection = self.connection
        if connection is None:
            return
        if len(messages) > 1 and connection.takes_arrays:
            self._write_one(connection, messages)
            return
        for message in messages:
            try:
                self._write_one(connection, message)
            except (TypeError, ValueError, OverflowError, TooLarge) as fault:
                self._unsendable(message, fault)

    def _write_one(self, connection: Connection, message: Message | tuple[Message, ...]) -> None:
        payload = connection.codec.encode(message)
        limit = self.session.welcome.limits.message if self.session.welcome else len(payload)
        if len(payload) > limit:
            # Larger ones cost the connection, not only the message (L10).
            text = f"the message is {len(payload)} bytes, the hub takes {limit}"
            raise TooLarge(text, error="too_large", limit=limit)
        if self._debug:
            logger.debug("> %.2000s", _shown(message))
        if connection.send_nowait(payload):
            self.messages_out += 1
            self.bytes_out += len(payload)

    def _unsendable(self, message: Message, fault: Exception) -> None:
        request = self.session.requests.forget(message.get("id"))
        if request is None:
            self.report(fault)
        else:
            _answer(request.ticket, None, fault)

    def _deliver(self, channel: str, item: Gap | CursorMoved) -> None:
        subscription = self.subscriptions.get(channel)
        if subscription is not None:
            subscription.deliver(item)
        if isinstance(item, Gap):
            self._tell("gap", item)

    def _sub_changed(self, channel: str, state: SubState, error: HubError | None) -> None:
        subscription = self.subscriptions.get(channel)
        if subscription is not None:
            subscription.change_state(state, error)

    def _tell(self, name: str, value: Any) -> None:
        if name == "state" and self._moved is not None and not self._moved.done():
            self._moved.set_result(None)
        self.listeners.tell(name, value)

    def _ask_token(self, effect: AskToken) -> None:
        self._asking = self._replace(self._asking, self._fetch_token(effect))

    async def _fetch_token(self, effect: AskToken) -> None:
        try:
            source = self._token if callable(self._token) else lambda _: ""
            answer = source(effect.request)
            token = answer if isinstance(answer, str) else await answer
        except Exception as fault:  # noqa: BLE001 - whatever the caller's source raises is told
            error = AuthError(f"the token source failed: {type(fault).__name__}: {fault}", temporary=True)
            error.__cause__ = fault
            self.run(self.session.token_failed(error, monotonic()))
        else:
            self.run(self.session.token_ready(str(token or ""), monotonic()))

    async def _open(self) -> None:
        session = self.session
        try:
            connection = await open_connection(self._opening, session.credentials.token, self)
        except Refused as answer:
            self.run(session.refused(answer.status, answer.detail, monotonic(), answer.retry_after))
        except (OSError, EOFError) as fault:
            url = self._opening.url
            self.run(session.failed(f"cannot connect to {masked(url)}: {reason_of(fault, url)}", monotonic()))
        else:
            self._opened(connection)

    def _opened(self, connection: Connection) -> None:
        if self.session.state is State.CLOSED:
            connection.close_nowait(1000)
            return
        self.connection = connection
        for _ in range(self._holders):
            connection.hold()
        self.run(self.session.opened(monotonic()))
        connection.start()

    def _drop(self, effect: Drop) -> None:
        connection, self.connection = self.connection, None
        if self.session.state is State.CLOSED:
            for task in (self._opener, self._asking):
                if task is not None and task is not _current_task():
                    task.cancel()
        if connection is None:
            return
        if effect.is_abrupt:
            connection.abort()
        else:
            connection.close_nowait(effect.code, effect.reason)

    # -- time and tasks ----------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Keep the one timer at the session's deadline; one that fires early looks again."""
        deadline = self.session.deadline()
        if self._timer is not None:
            if deadline is not None and self._armed_at <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            wait = max(0.0, deadline - monotonic())
            self._timer, self._armed_at = asyncio.get_running_loop().call_later(wait, self._expired), deadline

    def _expired(self) -> None:
        self._timer = None
        if self.connection is not None and not self.connection.is_held:
            self.session.heartbeat.heard(self.connection.heard_at)
        self.run(self.session.expired(monotonic()))

    def _flush(self) -> None:
        self._is_flush_due = False
        self.run(self.session.flush(monotonic()))

    def _replace(self, old: asyncio.Future[None] | None, work: Awaitable[None]) -> asyncio.Future[None]:
        if old is not None and old is not _current_task():
            old.cancel()
        return self._background(work)

    def _background(self, work: Awaitable[Any]) -> asyncio.Future[Any]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            logger.error("a task of the client failed", exc_info=fault)


def _answer(ticket: object, resolve: Resolve | None, error: Exception | None) -> None:
    """Give an answer to whoever awaits it; a caller that was cancelled awaits nothing."""
    if not isinstance(ticket, asyncio.Future) or ticket.done():
        return
    if error is not None:
        ticket.set_exception(error)
    else:
        ticket.set_result(resolve)


def _shown(message: Message | tuple[Message, ...]) -> str:
    """A message for the log: credentials are never in it."""
    if isinstance(message, tuple):
        return _json([_without_token(one) for one in message])
    return _json(_without_token(message))


def _without_token(message: Message) -> Message:
    return {**message, "token": "***"} if "token" in message else message


def _json(value: Any) -> str:
    """JSON for the log, whatever form the frame has."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=repr, skipkeys=True)


def _current_task() -> asyncio.Future[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
